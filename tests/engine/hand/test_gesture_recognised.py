"""MediaPipe's canned gesture classifier names every gesture it knows, from our render of it."""

import numpy as np
import pytest

from engine.hand.gesture import PORTRAIT_CAMERA, load_gestures
from engine.hand.portrait import on_ground, portrait

KNOWN = {"Closed_Fist", "Open_Palm", "Pointing_Up", "Thumb_Down", "Thumb_Up", "Victory", "ILoveYou"}
GESTURES = {name: g for name, g in load_gestures().items() if g.mediapipe}


def picture(gesture, *, size_px=256, grey=110):
    """The hand's portrait with its whole wrist and some room around it, as in a photograph."""
    image = on_ground(portrait(gesture.portrait, PORTRAIT_CAMERA, size_px, fade=False), grey)
    room = size_px // 4
    return np.pad(image, ((room, room), (room, room), (0, 0)), constant_values=grey)


def test_all_seven_are_asked():
    assert {g.mediapipe for g in GESTURES.values()} == KNOWN


@pytest.mark.parametrize("name", GESTURES)
def test_is_recognised(name):
    from engine.reconstruct import recognise

    found = recognise(picture(GESTURES[name]))
    assert found, "no hand was found"
    best, score = found[0]
    assert best == GESTURES[name].mediapipe
    assert score > 0.5


def test_others_are_not_taken_for_them():
    from engine.reconstruct import recognise

    gestures = load_gestures()
    for name in ("ok", "call", "rock", "three2"):
        best, _ = recognise(picture(gestures[name]))[0]
        assert best == "None", name
