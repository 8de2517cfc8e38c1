"""What the server makes of a browser's word about hands."""

from __future__ import annotations

import json

import numpy as np
import pytest

from demo.components.hand_editor_value import EditorValue, parse
from engine.hand import anatomy
from engine.hand.gesture import load_gestures
from engine.types import HandPose, UserError

GESTURES = load_gestures()
PALM = EditorValue.of_gesture(GESTURES["palm"])


def sent(value: EditorValue = PALM) -> dict:
    """As it arrives: through JSON."""
    return json.loads(json.dumps(value.to_json()))


def spoiled(**changes) -> dict:
    """A good value whose first hand differs in `changes`."""
    data = sent()
    data["hands"][0].update(changes)
    return data


@pytest.mark.parametrize("name", GESTURES)
def test_every_gesture_survives(name):
    value = EditorValue.of_gesture(GESTURES[name])
    back = parse(sent(value), GESTURES)
    assert back.notices == ()
    assert back.gesture == name
    assert np.allclose(back.hands[0].hand_pose, value.hands[0].hand_pose, atol=1e-9)
    assert parse(sent(back), GESTURES) == back


def test_two_hands_keep_their_order_and_the_active_one():
    hands = (GESTURES["ok"].hand, anatomy.mirror(GESTURES["ok"].hand))
    back = parse(sent(EditorValue(hands=hands, camera=PALM.camera, active="left")))
    assert [hand.side for hand in back.hands] == ["right", "left"]
    assert back.active == "left"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "palm",
        {},
        {"hands": []},
        {"hands": [None]},
        {"hands": [{}], "camera": sent()["camera"]},
        sent() | {"hands": sent()["hands"] * 3},
        sent() | {"hands": {"0": sent()["hands"][0]}},
        spoiled(side="both"),
        spoiled(side=["right"]),
        spoiled(hand_pose=[0.0] * 44),
        spoiled(hand_pose=[float("nan")] * 45),
        spoiled(hand_pose=[float("inf")] + [0.0] * 44),
        spoiled(hand_pose=[10**400] + [0.0] * 44),
        spoiled(hand_pose=["0"] * 45),
        spoiled(hand_pose=[True] * 45),
        spoiled(hand_pose="0" * 45),
        spoiled(transl=None),
        spoiled(betas=[0.0] * 11),
        sent() | {"camera": None},
        sent() | {"camera": sent()["camera"] | {"width_px": 10**6}},
        sent() | {"camera": sent()["camera"] | {"width_px": 2.5}},
        sent() | {"camera": sent()["camera"] | {"K": [[0, 0, 0]] * 3}},
        sent() | {"camera": sent()["camera"] | {"K": ["123", "456", "789"]}},
        sent() | {"gesture": 7},
        sent() | {"gesture": "no_such"},
    ],
)
def test_what_does_not_fit_is_one_sentence(data):
    with pytest.raises(UserError) as refused:
        parse(data, GESTURES)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 140


def test_joints_beyond_their_limits_come_back_with_a_notice():
    angles = anatomy.to_anatomy(PALM.hands[0].hand_pose)
    angles[1, 0] = np.radians(170)
    value = parse(spoiled(hand_pose=anatomy.from_anatomy(angles).tolist()))
    assert anatomy.is_valid(value.hands[0].hand_pose)
    assert len(value.notices) == 1
    assert "limits" in value.notices[0]


def test_place_and_shape_come_back_into_range():
    value = parse(spoiled(transl=[0.0, 100.0, -3.0], betas=[40.0] + [0.0] * 9))
    assert value.hands[0].transl == (0.0, 5.0, 0.05)
    assert value.hands[0].betas[0] == 5.0
    assert len(value.notices) == 1


def test_a_gesture_goes_to_the_active_hand():
    shape = (1.0,) + (0.0,) * 9
    right = HandPose(side="right", betas=shape, transl=(-0.1, 0, 0.6))
    left = HandPose(side="left", transl=(0.1, 0, 0.6))
    both = EditorValue(hands=(right, left), camera=PALM.camera, active="left", edited=True)
    after = both.with_gesture(GESTURES["fist"])
    assert after.hands[0] == right
    assert after.hands[1].side == "left"
    assert after.hands[1].transl == left.transl
    assert after.hands[1].hand_pose == anatomy.mirror(GESTURES["fist"].hand).hand_pose
    assert (after.gesture, after.edited) == ("fist", False)

    alone = EditorValue(hands=(right,), camera=PALM.camera).with_gesture(GESTURES["fist"])
    assert alone.hands[0].betas == shape
    assert alone.hands[0].transl == GESTURES["fist"].hand.transl


def test_no_hand_is_no_value():
    with pytest.raises(UserError):
        EditorValue(hands=(), camera=PALM.camera)
