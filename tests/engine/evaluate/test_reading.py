"""Reading pictures of the toy world with the real detector."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.evaluate import reading
from engine.evaluate.cases import load_cases
from engine.evaluate.reading import Reading, mask_iou, match, read_picture
from tests.engine.evaluate import toy_world


@pytest.fixture(scope="module")
def case(corpus):
    return load_cases(corpus, 1)[0]


def test_a_render_is_read_as_what_it_is(case):
    seen = read_picture(case.image, case)
    (hand,) = seen.hands
    assert hand.detection is not None
    assert hand.error_2d_percent < 8
    assert hand.mse_2d_percent < 2
    assert hand.pa_mpjpe_mm < 15
    assert hand.mask_iou > 0.6
    assert 0.2 < hand.size < 0.7
    assert 0.5 < seen.score(hand) <= 1
    assert (seen.shirt, seen.wall) == (case.attributes["shirt"], case.attributes["wall"])
    assert Reading.from_json(json.loads(json.dumps(seen.to_json()))) == seen


def test_a_picture_without_a_hand(case):
    seen = read_picture(toy_world.paint((), "blue", "grey"), case)
    assert seen.detections == ()
    assert (seen.hands[0].detection, seen.hands[0].error_2d_percent, seen.hands[0].mask_iou) == (
        None,
        None,
        0.0,
    )
    assert seen.score(seen.hands[0]) == 0
    assert (seen.shirt, seen.wall) == ("blue", "grey")


def test_a_picture_of_another_size_is_read_in_its_own_pixels(case):
    """Wider than high: the camera is stretched with it, as a method that resizes would."""
    wide = np.repeat(np.repeat(case.image, 2, axis=0), 3, axis=1)
    seen, same = read_picture(wide, case), read_picture(case.image, case)
    ratio = np.array(seen.hands[0].points_px) / np.array(same.hands[0].points_px)
    np.testing.assert_allclose(ratio, [[3.0, 2.0]] * 21, rtol=1e-2)


def test_match_pairs_the_nearest_overall():
    a, b = np.zeros((21, 2)), np.full((21, 2), 10.0)
    assert match([a, b], [b + 1, a + 1]) == [1, 0]
    assert match([a, b], [a + 9]) == [None, 0]
    assert match([a], []) == [None]
    assert match([], [a]) == []


def test_mask_iou_falls_with_distance():
    hand = toy_world.open_hand(0)
    moved = reading.dataclasses.replace(hand, transl=(hand.transl[0] + 0.02, *hand.transl[1:]))
    away = reading.dataclasses.replace(hand, transl=(hand.transl[0] + 5.0, *hand.transl[1:]))
    assert mask_iou(hand, hand, toy_world.CAMERA) == 1
    assert 0.2 < mask_iou(hand, moved, toy_world.CAMERA) < 0.9
    assert mask_iou(hand, away, toy_world.CAMERA) == 0
