"""Cards: what a column shows in each of its states, in both languages, escaped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_engine import CATALOGUE, HAND, SIZE, result

from demo.forms import Settings
from demo.i18n import text
from demo.measure import Measured, Reading
from demo.session import Column, Session, Starred
from demo.views import board
from demo.views.html import fragment
from demo.views.skeleton import draw_hands, hand_box
from engine.hand.gesture import CAMERA
from engine.types import Reconstruction, Request, UserError

SETTINGS = Settings(prompt='a "red" <b>shirt</b>', methods=("sd",), hands=(HAND,), camera=CAMERA)


@pytest.fixture
def column():
    column = Column("sd")
    column.finish(result(CATALOGUE["sd"].plan(Request(prompt=SETTINGS.prompt, size=SIZE))))
    return column


@pytest.fixture
def board_of(session):
    def show(column, language="en"):
        session.settings, session.columns = SETTINGS, {"sd": column}
        return board.card(session, CATALOGUE["sd"], text(language))

    return show


def test_a_method_that_is_not_on_the_board_has_no_card(session):
    assert board.cards(session, CATALOGUE, text("en")) == dict.fromkeys(CATALOGUE, "")


def test_the_prompt_is_escaped_in_alt_texts(board_of, column):
    html = board_of(column)
    assert "<b>shirt</b>" not in html
    assert "&lt;b&gt;shirt&lt;/b&gt;" in html


@pytest.mark.parametrize("state", ["idle", "waiting", "running", "stopped", "failed"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_state_has_its_frame(board_of, state, language):
    column = Column(
        "sd", state, error=UserError("Too bad.", code="nothing_yet") if state == "failed" else None
    )
    html = board_of(column, language)
    assert f'data-state="{state}"' in html
    assert 'class="frame"' in html
    assert "Undefined" not in html


def test_an_error_speaks_the_visitors_language(board_of):
    column = Column("sd", "failed", error=UserError("Please write a prompt first.", code="empty_prompt"))
    assert "Please write a prompt first." in board_of(column)
    assert "请先写提示词。" in board_of(column, "zh")


def test_numbers_with_their_floor(board_of, column):
    column.reading = Reading(error_mm=12.34, floor_mm=5.0)
    html = board_of(column)
    assert "12.3 mm" in html
    assert "floor 5.0" in html
    column.reading = Reading(error_mm=None, floor_mm=5.0)
    assert "no hand found" in board_of(column)


def test_cached_is_marked(board_of, column):
    assert "cached" not in board_of(column).split("<dl")[1].split("</dl>")[0]
    column.result = replace(column.result, cached=True)
    assert "cached" in board_of(column).split("<dl")[1].split("</dl>")[0]


def test_heat_and_hand_layers_change_the_picture(session, column):
    session.settings, session.columns = SETTINGS, {"sd": column}
    pictures = {}
    for layer in ("image", "heat", "hand"):
        session.view.layer = layer
        pictures[layer] = board.picture(session, column)
        assert pictures[layer].shape == (*SIZE, 3)
    assert np.array_equal(pictures["image"], column.image)
    assert not np.array_equal(pictures["heat"], column.image)
    assert not np.array_equal(pictures["hand"], column.image)


def test_a_word_that_a_method_does_not_have_leaves_the_picture_and_says_so(session, column, board_of):
    session.view.layer, session.view.word = "heat", "submarine"
    html = board_of(column)
    assert np.array_equal(board.picture(session, column), column.image)
    assert "no such word" in html


def test_a_star_shows_on_its_own_picture_only(session, column, board_of):
    assert 'aria-pressed="false"' in board_of(column)
    session.shelf.append(Starred("sd", SETTINGS, column.image, column.result))
    assert 'aria-pressed="true"' in board_of(column)
    session.shelf[0].settings = replace(SETTINGS, seed=99)
    assert 'aria-pressed="false"' in board_of(column)


def test_visitors_are_their_own():
    import copy

    first = Session()
    second = copy.deepcopy(first)
    assert second.visitor != first.visitor
    assert second.columns is not first.columns


def test_the_zoom_is_on_the_hand():
    """Non-square, and the hand at the top right."""
    points = np.array([[50.0, 10.0], [60.0, 30.0]])
    x, y, factor = hand_box([points], (96, 64))
    assert (x, y) == (pytest.approx(55 / 64), pytest.approx(20 / 96))
    assert factor == pytest.approx(64 / (20 * 1.7))
    assert hand_box([], (96, 64)) == (0.5, 0.5, 1.0)


def test_asked_lines_are_white_and_where_the_points_are():
    points = np.full((21, 2), 20.0)
    points[8] = (20, 80)  # a fingertip far below
    image = np.zeros((96, 64, 3), np.uint8)
    drawn = draw_hands(image, [points], None)
    ys, xs = np.nonzero(drawn.min(axis=2) > 200)
    assert ys.max() > 75
    assert abs(xs.mean() - 20) < 1.5


def test_the_found_hand_is_drawn_from_the_measurement(session, column):
    session.settings, session.columns = replace(SETTINGS, hands=()), {"sd": column}
    session.view.layer = "hand"
    assert np.array_equal(board.picture(session, column), column.image)
    found = Reconstruction(
        verts=np.zeros((778, 3)),
        joints=np.zeros((21, 3)),
        hand=HAND,
        camera=CAMERA,
        score=0.9,
        keypoints_px=np.full((21, 2), 30.0),
    )
    column.measure(Measured(found, None, None))
    assert not np.array_equal(board.picture(session, column), column.image)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_status_lines(language, session):
    t = text(language)
    common = {"progress": None, "runs": 0, "made": 0, "seconds": 0.0, "shipped": False}
    lines = [
        fragment("status.html", t, **common),
        fragment("status.html", t, **{**common, "shipped": True}),
        fragment("status.html", t, **{**common, "made": 3, "seconds": 1.5}),
    ]
    assert len(set(lines)) == 3
    assert all("data-running" not in line for line in lines)
