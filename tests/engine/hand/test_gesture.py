"""The gesture presets: complete, possible, in the picture, and what their names say."""

import numpy as np
import pytest

from engine.hand import anatomy, gesture, pose_hand
from engine.hand.contact import overlap_m
from engine.hand.joints import FINGERS, finger_joints
from engine.hand.model import HandModel, use_models
from engine.types import Camera, HandPose, UserError, from_json, to_json

HAGRID = {
    "call", "dislike", "fist", "four", "like", "mute", "ok", "one", "palm", "peace", "peace_inverted", "rock",
    "stop", "stop_inverted", "three", "three2", "two_up", "two_up_inverted",
}  # fmt: skip
GESTURES = gesture.load_gestures()
every = pytest.mark.parametrize("name", GESTURES)

# Which fingers stand out, thumb to pinky; None where the gesture does not say.
OUT = {
    "call": "10001", "dislike": "10000", "fist": "00000", "four": "01111", "like": "10000", "mute": "01000",
    "one": "01000", "palm": "11111", "peace": "01100", "peace_inverted": "01100", "rock": "01001",
    "stop": "11111", "stop_inverted": "11111", "three": "01110", "three2": "11100", "two_up": "01100",
    "two_up_inverted": "01100", "ily": "11001", "point": "01000", "gun": "11000", "vulcan": "11111",
}  # fmt: skip


def test_hagrids_gestures_and_more():
    assert {g.name for g in GESTURES.values() if g.group == "hagrid"} == HAGRID
    assert sum(g.group == "more" for g in GESTURES.values()) >= 6


@every
def test_is_complete_and_plain_data(name):
    g = GESTURES[name]
    assert g.name == name
    assert isinstance(g.hand, HandPose)
    assert isinstance(g.camera, Camera)
    assert g.title["en"]
    assert any("\u4e00" <= c <= "\u9fff" for c in g.title["zh"])
    assert g.phrase.startswith("making ")
    assert g.phrase.endswith(" hand gesture")
    assert from_json(to_json(g.hand)) == g.hand


@every
def test_a_hand_can_do_it(name):
    hand = GESTURES[name].hand
    assert anatomy.is_valid(hand.hand_pose, hand.side)
    assert overlap_m(hand.hand_pose, hand.side) < 0.012, (
        "flesh presses, but fingers do not run through each other"
    )


@every
def test_is_in_the_picture(name):
    g = GESTURES[name]
    verts = pose_hand(g.hand).verts
    assert verts[:, 2].min() > 0.1
    pixels = verts @ np.array(g.camera.K).T
    pixels = pixels[:, :2] / pixels[:, 2:]
    assert pixels.min() > 8
    assert (pixels.max(axis=0) < [g.camera.width_px - 8, g.camera.height_px - 8]).all()
    assert max(np.ptp(pixels, axis=0)) > 0.4 * g.camera.height_px


@pytest.mark.parametrize("name", OUT)
def test_the_right_fingers_stand_out(name):
    hand = GESTURES[name].hand
    bend = anatomy.to_anatomy(hand.hand_pose, hand.side)[:, 0]
    for finger, out in zip(FINGERS, OUT[name], strict=True):
        total = np.degrees(sum(bend[j - 1] for j in finger_joints(finger)))
        assert (total < 30) == (out == "1"), f"{finger} bends by {total:.0f} degrees"


def test_tips_of_ok_and_pinch_meet():
    for name in ("ok", "pinch"):
        joints = pose_hand(GESTURES[name].hand).joints
        assert np.linalg.norm(joints[4] - joints[8]) < 0.015


def test_peace_is_spread_and_two_up_is_not():
    def gap(name):
        joints = pose_hand(GESTURES[name].hand).joints
        return np.linalg.norm(joints[8] - joints[12])

    assert gap("peace") > 1.7 * gap("two_up")


@pytest.mark.parametrize("name", ["peace", "stop", "two_up"])
def test_inverted_shows_the_back(name):
    def palm_towards_camera(key):
        wrist, index, pinky = pose_hand(GESTURES[key].hand).joints[[0, 5, 17]]
        return np.cross(index - wrist, pinky - wrist)[2] < 0  # of a right hand, out of the palm

    assert palm_towards_camera(name)
    assert not palm_towards_camera(f"{name}_inverted")


def test_thumbs_point_up_and_down():
    for name, sign in (("like", -1), ("dislike", 1)):
        joints = pose_hand(GESTURES[name].hand).joints
        thumb = joints[4, :2] - joints[2, :2]  # as the picture shows it
        thumb /= np.linalg.norm(thumb)
        assert thumb[1] * sign > 0.9, name


def test_gestures_follow_the_model_in_use():
    own = HandModel.load()
    object.__setattr__(own, "v_template", own.v_template * 1.5)
    try:
        use_models({"right": own})
        larger = gesture.load_gestures()["palm"].hand
    finally:
        use_models({})
    assert larger.transl[2] > 1.2 * GESTURES["palm"].hand.transl[2], "a larger hand stands farther away"
    assert gesture.load_gestures()["palm"].hand == GESTURES["palm"].hand


def test_bad_files_are_one_sentence(tmp_path, monkeypatch):
    for text in (
        "gestures: [",
        "nothing: 1",
        "gestures: {a: {fingers: {nose: {}}, title: {}, words: x, group: y}}",
    ):
        file = tmp_path / "gestures.yaml"
        file.write_text(text)
        monkeypatch.setattr(gesture, "FILE", file)
        gesture._load.cache_clear()
        with pytest.raises(UserError, match=r"gestures\.yaml cannot be read"):
            gesture.load_gestures()
    monkeypatch.undo()
    gesture._load.cache_clear()


@every
def test_has_a_small_thumbnail(name):
    from PIL import Image

    path = GESTURES[name].thumbnail
    assert path.stat().st_size < 12_000
    with Image.open(path) as image:
        assert image.size == (160, 160)
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert 0.15 < (alpha > 128).mean() < 0.9


def test_thumbnails_are_of_these_poses():
    """They are made by a command, which may be forgotten when a pose changes."""
    from PIL import Image

    from engine.hand.portrait import on_ground, thumbnail

    for name in ("ok", "like"):
        now = on_ground(np.asarray(thumbnail(GESTURES[name])))
        with Image.open(GESTURES[name].thumbnail) as image:
            then = on_ground(np.asarray(image.convert("RGBA")))
        difference = np.abs(now.astype(int) - then).mean()
        assert difference < 4, f"python -m engine.hand.portrait {name}"
