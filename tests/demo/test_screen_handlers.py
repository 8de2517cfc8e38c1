"""Handlers: what a page sends and gets back, without a browser."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from fake_engine import CATALOGUE, SIZE, FakeEngine, page_of, services

from demo.components.hand_editor_value import EditorValue
from demo.forms import Settings, check, to_link
from demo.gallery import make
from demo.handlers.compare import CompareHandlers
from demo.handlers.inspect import InspectHandlers
from demo.handlers.reconstruct import ReconstructHandlers
from demo.session import Session
from engine.types import UserError


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, built once: its handlers keep nothing of a visitor."""
    return page_of(services(tmp_path_factory.mktemp("world"), FakeEngine()))


@pytest.fixture
def engine(page):
    engine = page.handlers.services.engine
    engine.known.clear()
    return engine


@pytest.fixture
def compare(page, engine, unread):
    return page.handlers


def values(compare, **changes):
    """The form's values for the first settings with `changes`."""
    return tuple(compare.form.write(replace(compare.services.first, **changes)))


def event(**data):
    return SimpleNamespace(_data=data)


def request(headers=None, **query):
    return SimpleNamespace(query_params=query, headers=headers or {})


def test_the_form_reads_what_it_writes(compare):
    settings = replace(
        compare.services.first,
        seed=9,
        methods=("sd", "sesahand"),
        params={"sesahand": {"boost": 0.25}},
    )
    written = compare.form.write(settings)
    assert len(written) == len(compare.form.inputs)
    assert compare.settings(tuple(written)) == settings


def test_a_new_visitor_gets_the_first_settings(compare, session):
    assert compare.open(session, None, request()) == gr.skip()  # the page was built with them
    assert (session.settings, session.language) == (compare.services.first, "en")
    shown = compare.open(session, None, request({"accept-language": "zh"}))
    assert compare.settings(tuple(shown[1 : 1 + len(compare.form.inputs)])) == compare.services.first
    assert len(shown) == 1 + len(compare.form.inputs) + 1 + len(CATALOGUE)
    assert session.language == "zh"


def test_a_link_wins_over_memory_and_memory_over_the_first(compare, session):
    remembered = {"language": "zh", "settings": replace(compare.services.first, seed=5).to_json()}
    compare.open(session, remembered, request())
    assert (session.settings.seed, session.language) == (5, "zh")
    compare.open(session, remembered, request(s=to_link(replace(compare.services.first, seed=6)), lang="en"))
    assert (session.settings.seed, session.language) == (6, "en")


@pytest.mark.parametrize(
    "junk", [7, {"settings": 3}, {"settings": {"prompt": 4}}, {"settings": {"seed": "x"}}]
)
def test_an_old_memory_is_forgotten_silently(compare, session, told, junk):
    compare.open(session, junk, request())
    assert session.settings == compare.services.first
    assert not told


def test_a_broken_link_is_told_and_the_page_opens(compare, session, told):
    compare.open(session, None, request({"accept-language": "zh-CN"}, s="broken"))
    assert session.settings == compare.services.first
    assert told == ["无法读取此链接中的设置，请复制完整链接。"]


def test_what_is_remembered_opens_again(compare, session):
    memory = compare.remember(session, *values(compare, seed=44))
    other = Session()
    compare.open(other, memory, request())
    assert other.settings == replace(compare.services.first, seed=44)


def test_the_link_is_what_the_form_holds(compare, session):
    link = compare.link(session, *values(compare, seed=45))
    compare.open(session, None, request(s=link.removeprefix("?s=")))
    assert session.settings == replace(compare.services.first, seed=45)


def test_an_edited_pose_travels_in_the_link(compare, session):
    hand = replace(compare.services.first.hands[0], transl=(0.01, 0.02, 0.5))
    link = compare.link(session, *values(compare, hands=(hand,)))
    compare.open(session, None, request(s=link.removeprefix("?s=")))
    assert session.settings.hands == (hand,)


def test_generate_sends_whole_rows_and_ends_with_all_of_them(compare, session):
    rows = list(compare.generate(session, *values(compare)))
    assert {len(row) for row in rows} == {1 + len(CATALOGUE)}
    assert all(isinstance(cell, str) for cell in rows[-1])
    assert rows[-1][1:].count("") == 1  # "absent" was not chosen
    assert "data-running" not in rows[-1][0]
    assert any("data-running" in row[0] for row in rows)


def test_bad_input_is_one_sentence_and_changes_nothing(compare, session, told):
    session.language = "zh"
    rows = list(compare.generate(session, *values(compare, prompt="")))
    assert len(rows) == 1
    assert rows[0] == gr.skip()
    assert told == ["请先写提示词。"]


def test_the_unexpected_is_one_sentence_and_a_line_in_the_log(compare, session, told, caplog, monkeypatch):
    monkeypatch.setattr(compare.services.runner, "plans", lambda *_: 1 / 0)
    list(compare.generate(session, *values(compare)))
    assert told == ["Something went wrong here; please try again. The log has the details."]
    assert "ZeroDivisionError" in caplog.text


def test_no_engine_no_pictures_but_a_sentence(page, tmp_path, session, told):
    compare = CompareHandlers(services(tmp_path, None), page.form)
    list(compare.generate(session, *values(compare)))
    assert "shipped results only" in told[0]


def test_pick_keeps_the_hand_and_takes_the_pose(compare, session, told):
    start = compare.form.write(compare.services.first)[2]
    picked = compare.pick(session, start, event(gesture="fist"))
    assert (picked.gesture, picked.edited) == ("fist", False)
    assert compare.pick(session, None, event(gesture="fist")).gesture == "fist"
    assert compare.pick(session, start, event(gesture="../etc")) == gr.skip()
    assert len(told) == 1


def test_the_prompt_suggests_a_gesture(compare, session):
    assert 'data-gesture="fist"' in compare.suggest(session, "a man making fist hand gesture")
    assert compare.suggest(session, "a man").strip() == ""


def test_a_photo_becomes_a_pose(compare, session, told, monkeypatch, tmp_path):
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.new("RGB", (80, 60)).save(path)
    hand = compare.services.first.hands[0]
    camera = compare.services.first.camera
    seen = np.full((21, 2), 30.0)
    found = SimpleNamespace(hand=hand, camera=camera, score=0.9, keypoints_px=seen)
    monkeypatch.setattr("engine.reconstruct.reconstruct", lambda image: [found])
    value, pad = compare.from_photo(session, str(path))
    assert isinstance(value, EditorValue)
    assert (value.hands, value.edited) == ((hand,), True)
    assert (pad["points"], pad["width"], pad["height"]) == (seen.tolist(), 80, 60)
    monkeypatch.setattr("engine.reconstruct.reconstruct", lambda image: [])
    assert compare.from_photo(session, str(path)) == (gr.skip(), gr.skip())  # told of twice, read once
    compare.from_photo(session, None)
    # nothing found: a hand to begin with, inside the photo
    value, pad = compare.from_photo(session, str(path))
    assert value == gr.skip()
    assert (np.array(pad["points"]) >= 0).all()
    assert (np.array(pad["points"]) <= (80, 60)).all()
    path.write_bytes(b"broken")
    compare.from_photo(session, None)
    assert compare.from_photo(session, str(path)) == gr.skip()
    assert compare.from_photo(session, None) == (gr.skip(), None)
    assert [sentence[:14] for sentence in told] == ["Hands found: 1", "No hand was fo", "This file is n"]


def test_keypoints_put_right_become_a_pose(compare, session, told):
    from engine.hand import pose_hand
    from engine.reconstruct.read import usual_camera
    from engine.render import keypoints_px

    gesture = compare.services.gestures["fist"]
    points = keypoints_px(pose_hand(gesture.hand), gesture.camera)
    assert compare.from_keypoints(session, None, event(points=points.tolist(), side="right")) == gr.skip()
    session.photo = (gesture.camera.height_px, gesture.camera.width_px)
    value = compare.from_keypoints(session, None, event(points=points.tolist(), side=gesture.hand.side))
    assert value.camera == usual_camera(*session.photo)
    shown = keypoints_px(pose_hand(value.hands[0]), value.camera)
    assert np.linalg.norm(shown - points, axis=1).mean() < 0.05 * np.ptp(points, axis=0).max()
    for wrong, side in (
        (points[:20], "left"),
        (points, "up"),
        (points + 1e4, "left"),
        (points * np.nan, "left"),
    ):
        assert compare.from_keypoints(session, None, event(points=wrong.tolist(), side=side)) == gr.skip()
    assert [sentence[:14] for sentence in told] == ["Choose a photo", "The hand was f"] + 4 * [
        "The keypoints "
    ]


def test_layers_and_words(compare, session):
    list(compare.generate(session, *values(compare)))
    plain = compare.board(session)
    heat = compare.look(session, "heat", "red")
    assert heat[1] != plain[1]
    assert compare.look(session, "nonsense", None)[1] == plain[1]
    words, left, right, source = compare.after_run(session)
    assert ("red", "red") in words["choices"]
    assert (left["value"], right["value"], source["value"]) == ("sd", "sesahand", "sesahand")


def test_a_pair_is_two_pictures(compare, session):
    list(compare.generate(session, *values(compare)))
    left, right = compare.pair(session, "sd", "sesahand")
    assert np.array_equal(left, session.columns["sd"].image)
    assert np.array_equal(right, session.columns["sesahand"].image)
    assert compare.pair(session, "sd", "absent") is None


def test_stars_and_notes_outlive_a_run(compare, session):
    list(compare.generate(session, *values(compare)))
    compare.act(session, event(act="star", method="sd"))
    compare.act(session, event(act="note", index="0", value="good thumb"))
    list(compare.generate(session, *values(compare, seed=50)))
    assert [(s.method, s.note, s.settings.seed) for s in session.shelf] == [("sd", "good thumb", 7)]
    assert "good thumb" in compare.shelf(session)
    compare.act(session, event(act="unstar", index="0"))
    assert session.shelf == []
    compare.act(session, event(act="star", method="sd"))
    compare.act(session, event(act="star", method="sd"))  # a second click lets go
    assert session.shelf == []


def test_a_series_over_seeds_is_one_picture(compare, session):
    *_, (status, grid) = compare.series(session, "seed", 3, *values(compare, methods=("sd", "sesahand")))
    assert grid.ndim == 3
    assert grid.shape[1] > 3 * SIZE[1]
    assert grid.shape[0] > 2 * SIZE[0]
    assert "data-running" not in status


def test_a_series_over_a_parameter_runs_that_method(compare, session, engine):
    *_, (_, grid) = compare.series(session, "controlnet.strength", 3, *values(compare))
    assert grid is not None
    assert {r.plan.weights for r in engine.known.values()} == {
        "unet-controlnet-[('strength', 0.0)]",
        "unet-controlnet-[]",  # 1.0 is the default
        "unet-controlnet-[('strength', 2.0)]",
    }


def test_a_series_over_nothing_is_a_sentence(compare, session, told):
    list(compare.series(session, "sd.unknown", 3, *values(compare)))
    assert told == ["Choose what the series runs over."]


def test_shipped_pictures_are_there_before_any_run(page, tmp_path, unread):
    engine = FakeEngine()
    world = services(tmp_path, engine)
    make(engine, CATALOGUE, [replace(world.first, seed=3)], tmp_path / "gallery")
    compare = CompareHandlers(services(tmp_path, None, tmp_path / "gallery"), page.form)
    session = Session()
    compare.open(session, None, request())
    assert {name: column.state for name, column in session.columns.items()} == {
        "sd": "shipped",
        "controlnet": "shipped",
        "sesahand": "shipped",
    }
    compare.show(session, replace(session.settings, seed=4))  # other settings: nothing shipped
    assert {column.state for column in session.columns.values()} == {"idle"}


def test_inspect_shows_every_panel(compare, session, tmp_path):
    inspect = InspectHandlers(compare.services, compare, str(tmp_path))
    empty = inspect.refresh(session)
    assert "Make pictures" in empty[1]
    list(compare.generate(session, *values(compare)))
    sites, attention, shares, texts, hints, plans = inspect.refresh(session)
    assert [value for _, value in sites["choices"]] == ["", "down.0", "up.1"]
    assert attention.count("<img") == 3
    assert shares.count("<polyline") == 3
    assert "Text that is encoded" in texts
    assert hints.count("<img") == 4  # a hint each, and one fused map
    assert "differs" in plans
    other, _ = inspect.word(session, event(word="red"))
    assert other != attention
    assert inspect.site(session, "up.1", False)[0] != other


def test_a_download_loads_back_into_another_visit(compare, session, tmp_path, told):
    inspect = InspectHandlers(compare.services, compare, str(tmp_path))
    list(compare.generate(session, *values(compare, seed=77)))
    path = inspect.download(session)
    other = Session()
    shown = inspect.load(other, path)
    assert compare.settings(tuple(shown[1 : 1 + len(compare.form.inputs)])).seed == 77
    assert other.results().keys() == session.results().keys()
    for result in other.results().values():
        again = compare.services.engine.result(result.plan)
        assert np.array_equal(again.image, result.image)


def test_a_foreign_download_is_a_sentence(compare, session, tmp_path, told):
    inspect = InspectHandlers(compare.services, compare, str(tmp_path))
    (tmp_path / "x.zip").write_bytes(b"no")
    assert inspect.load(session, str(tmp_path / "x.zip")) == gr.skip()
    assert "not a HandLab download" in told[0]


def test_reconstruct_without_hands_shows_the_asked_one(compare, session, tmp_path, told):
    handlers = ReconstructHandlers(compare.services, str(tmp_path))
    assert handlers.rerun(session) == gr.skip()
    assert "press Generate" in told[0]
    list(compare.generate(session, *values(compare)))
    choice, model, table = handlers.refresh(session)
    assert [value for _, value in choice["choices"]] == ["all"]
    assert model.endswith(".glb")
    assert table.count("<tr") == 4
    assert handlers.rerun(session)["value"].endswith(".rrd")


def test_unknown_methods_in_a_link_do_not_hurt(compare):
    given = check(Settings(prompt="a", methods=("gone",)), CATALOGUE)
    assert given.methods == ()
    with pytest.raises(UserError):
        compare.settings((*compare.form.write(compare.services.first)[:2], None, 0, 1, 1, [], 1, 1))
