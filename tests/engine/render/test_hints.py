import numpy as np
import pytest

from engine.hand import pose_hand
from engine.render import HINT_KINDS, mesh_image, raycast, render_hint
from engine.types import UserError

SIZE = (96, 160)


@pytest.mark.parametrize("kind", list(HINT_KINDS))
def test_every_hint_shows_the_hand_at_the_size_asked_for(kind, camera, make_hand):
    hand = make_hand(side="left")
    hint = render_hint(kind, (hand,), camera, SIZE)
    assert hint.dtype == np.uint8
    assert hint.shape == (*SIZE, 3)
    mask = raycast([pose_hand(hand)], camera.resized(width_px=160, height_px=96)).mask
    grown = np.pad(mask, 4)
    near = np.lib.stride_tricks.sliding_window_view(grown, (9, 9)).any(axis=(2, 3))
    assert not hint[~near].any(), "something is drawn away from the hand"
    assert hint[mask].any(axis=1).mean() > (0.1 if kind == "keypoints" else 0.95)


def test_the_mesh_hint_is_the_mesh_image(camera, make_hand):
    hand = make_hand(curl=0.4)
    view = camera.resized(width_px=160, height_px=96)
    np.testing.assert_array_equal(
        render_hint("mesh", (hand,), camera, SIZE), mesh_image([pose_hand(hand)], view)
    )


def test_both_hands_are_in_one_hint(camera, make_hand):
    left, right = make_hand(side="left", transl=(0.15, 0.04, 0.6)), make_hand(transl=(-0.05, 0.04, 0.6))
    both = render_hint("mask", (left, right), camera, SIZE)
    alone = [render_hint("mask", (hand,), camera, SIZE) for hand in (left, right)]
    np.testing.assert_array_equal(both, np.maximum(*alone))


@pytest.mark.parametrize("kind", list(HINT_KINDS))
@pytest.mark.parametrize("transl", [(0, 0, -0.5), (3, 0, 0.5)], ids=["behind", "beside"])
def test_a_hand_out_of_sight_is_an_error_and_not_an_empty_hint(kind, transl, camera, make_hand):
    with pytest.raises(UserError, match=r"behind the camera|outside the picture"):
        render_hint(kind, (make_hand(transl=transl),), camera, SIZE)


def test_what_is_missing_is_said(camera, make_hand):
    with pytest.raises(UserError, match="needs a hand"):
        render_hint("mesh", (), camera, SIZE)
    with pytest.raises(UserError, match="choose one of mesh, depth"):
        render_hint("smell", (make_hand(),), camera, SIZE)
