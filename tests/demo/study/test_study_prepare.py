from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from study_stand_ins import HAND_BOX, METHODS, StandInEngine, make_prepared, study

from demo.study import prepared
from demo.study.images import break_hand, encode_alike
from demo.study.prepare import prepare
from engine.types import UserError


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_pictures_are_coded_alike_and_without_loss():
    rng = np.random.default_rng(0)
    images = {
        "flat": np.zeros((40, 64, 3), np.uint8),
        "noise": rng.integers(0, 256, (40, 64, 3), np.uint8),
        "half": rng.integers(0, 2, (40, 64, 3), np.uint8),
    }
    coded = encode_alike(images)
    assert len({len(content) for content in coded.values()}) == 1
    for name, image in images.items():
        np.testing.assert_array_equal(pixels(coded[name]), image)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(UserError, match="64x40, 40x64"):
        encode_alike({1: np.zeros((40, 64, 3), np.uint8), 2: np.zeros((64, 40, 3), np.uint8)})


def test_a_broken_hand_is_broken_inside_its_box_only():
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    broken = break_hand(image, (30, 20, 70, 50))
    changed = (broken != image).any(axis=-1)
    assert changed[25:45, 35:65].mean() > 0.8
    outside = np.ones((60, 90), bool)
    outside[15:55, 24:76] = False
    assert not changed[outside].any()
    with pytest.raises(UserError, match="too small"):
        break_hand(image, (30, 20, 34, 24))


def test_prepare_makes_every_picture_once_and_reads_back(root):
    made = prepared.load("small", root)
    assert made.methods == METHODS
    assert made.design.comparisons == 3
    sizes = {len(made.picture(m, s)) for m in METHODS for s in made.study.stimuli}
    sizes |= {len(made.picture(m, s, broken=True)) for m, s in made.breakable}
    assert len(sizes) == 1
    assert made.reference("item0") is not None
    assert len({made.picture(m, "item0#0") for m in METHODS}) == 3
    method, stimulus = made.breakable[0]
    assert made.picture(method, stimulus) != made.picture(method, stimulus, broken=True)


def test_the_version_is_the_hash_of_definition_and_pictures(tmp_path):
    first = make_prepared(tmp_path)
    assert make_prepared(tmp_path).version == first.version
    second = make_prepared(tmp_path, debriefing={"en": "Other words.", "zh": "别的话。"})
    assert second.version != first.version
    library = prepared.Library(tmp_path)
    assert library.get("small").version == second.version
    assert library.get("small", first.version).study == first.study


def test_the_manifest_keeps_a_plan_a_picture(root):
    raw = json.loads((prepared.load("small", root).folder / "study.json").read_text())
    plan = raw["plans"]["hand1000"]["item2#0"]
    assert plan["method"] == "hand1000"
    assert plan["sampler"]["steps"] == 2


def test_file_names_say_nothing(root):
    names = [path.name for path in (prepared.load("small", root).folder / "pictures").iterdir()]
    assert len(names) >= 12
    assert not any(method in name for name in names for method in (*METHODS, "item"))


def test_all_takes_the_methods_that_can_run(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.methods.METHODS", dict.fromkeys(METHODS))
    engine = StandInEngine(unavailable=("controlnet",))
    made = prepare(study(methods="all"), engine, tmp_path, find_hand=lambda image: HAND_BOX)
    assert made.methods == ("sd", "hand1000")
    assert len(engine.drawn) == 8
    with pytest.raises(UserError, match="controlnet cannot run: its weights are not here"):
        prepare(study(), engine, tmp_path)
    with pytest.raises(UserError, match="two methods"):
        prepare(study(methods="all", without=["sd"]), engine, tmp_path)
    with pytest.raises(UserError, match="no method 'hand999'"):
        prepare(study(methods="all", without=["hand999"]), engine, tmp_path)
    with pytest.raises(UserError, match="no method 'sdd'"):
        prepare(study(methods=["sd", "sdd"]), engine, tmp_path)


def test_a_study_without_a_hand_to_break_is_refused(tmp_path):
    with pytest.raises(UserError, match="larger hands"):
        prepare(study(), StandInEngine(), tmp_path, find_hand=lambda image: None)
    assert prepared.names(tmp_path) == []


@pytest.mark.parametrize("name", ["..", "../small", "nothing"])
def test_only_prepared_names_are_read(root, name):
    with pytest.raises(UserError, match="not prepared"):
        prepared.load(name, root)
    with pytest.raises(UserError, match="is not here"):
        prepared.load("small", root, "../small")


@pytest.mark.slow
def test_the_engine_itself_draws_a_study(tmp_path):
    """The real registry, hands, gestures and loop, with the random weights of the tiny profile."""
    from engine.engine import Engine

    items = [{"name": "ok", "gesture": "ok", "prompt": "a man, making ok hand gesture", "seeds": [1, 2]}]
    asked = study(
        methods="all",
        without=["imagic"],
        items=items,
        languages=["en"],
        reference="gesture",
        size_px=64,
        steps=2,
    )
    made = prepare(asked, Engine("tiny"), tmp_path, find_hand=lambda image: (10, 10, 50, 50))
    assert {"sd", "hand1000", "sesahand"} <= set(made.methods)
    assert not {"imagic", "commercial"} & set(made.methods)
    assert pixels(made.reference("ok")).shape[-1] == 3
    assert made.picture("sd", "ok#1") != made.picture("sd", "ok#2")


def test_a_gesture_is_shown_on_plain_ground(tmp_path):
    """Transparent pixels hold whatever colour was left in them."""
    from PIL import Image

    from demo.study.prepare import _thumbnail

    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 4), np.uint8)
    pixels[..., 3] = 0
    pixels[10:20, 10:20] = (200, 100, 50, 255)
    Image.fromarray(pixels).save(tmp_path / "hand.png")
    shown = _thumbnail(tmp_path / "hand.png", 40)
    assert (shown[10:20, 10:20] == (200, 100, 50)).all()
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 2
