"""Anatomical angles: their meaning, limits, and the poses drawn within them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.hand import anatomy
from engine.hand.contact import overlap_m
from engine.hand.joints import FINGERS, MANO_NAMES, finger_joints
from engine.hand.model import HandModel, pose_hand
from engine.types import HandPose, UserError

few = settings(max_examples=40, deadline=None)
sides = st.sampled_from(["right", "left"])
within = arrays(float, (15, 3), elements=st.floats(0, 1)).map(
    lambda u: anatomy.LIMITS[..., 0] + u * (anatomy.LIMITS[..., 1] - anatomy.LIMITS[..., 0])
)
anything = arrays(float, (45,), elements=st.floats(-3, 3))


@few
@given(within, sides)
def test_angles_come_back(angles, side):
    pose = anatomy.from_anatomy(angles, side)
    np.testing.assert_allclose(anatomy.to_anatomy(pose, side), angles, atol=1e-9)
    assert anatomy.is_valid(pose, side)


@few
@given(anything, sides)
def test_poses_come_back(pose, side):
    back = anatomy.from_anatomy(anatomy.to_anatomy(pose, side), side)
    hand = HandModel.load(side).shape()
    np.testing.assert_allclose(hand.pose(back).joints, hand.pose(pose).joints, atol=1e-6)


@few
@given(anything, sides)
def test_clamp_makes_valid_and_leaves_valid_alone(pose, side):
    inside = anatomy.clamp(pose, side)
    assert anatomy.is_valid(inside, side)
    np.testing.assert_allclose(anatomy.clamp(inside, side), inside, atol=1e-6)


def test_clamp_leaves_the_valid_joints_of_a_bad_pose():
    pose = np.zeros(45)
    pose[:3] = anatomy.from_anatomy(np.radians([[40.0, 5, 0]] + [[0, 0, 0]] * 14))[:3]
    bad = pose.copy()
    bad[3:6] = [2.0, 2.0, 0.0]
    np.testing.assert_array_equal(anatomy.clamp(bad)[:3], pose[:3])
    assert not anatomy.is_valid(bad)


@pytest.mark.parametrize("bad", [np.full(45, np.nan), np.zeros(44), np.full(45, np.inf)])
def test_clamp_refuses_what_is_no_pose(bad):
    assert not anatomy.is_valid(bad)
    with pytest.raises(UserError, match="45 finite numbers"):
        anatomy.clamp(bad)


@pytest.mark.parametrize("side", ["right", "left"])
def test_axes_are_unit_and_square(side):
    axes = anatomy.joint_axes(side)
    np.testing.assert_allclose(axes @ np.swapaxes(axes, 1, 2), np.tile(np.eye(3), (15, 1, 1)), atol=1e-9)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("finger", FINGERS)
def test_bending_closes_the_hand(side, finger):
    shaped = HandModel.load(side).shape()
    angles = np.zeros((15, 3))
    angles[[j - 1 for j in finger_joints(finger)], 0] = np.radians(40)
    flat, bent = shaped.pose(), shaped.pose(anatomy.from_anatomy(angles, side))
    tip = 4 * FINGERS.index(finger) + 4
    assert bent.joints[tip, 1] < flat.joints[tip, 1] - 0.01, "towards the palm"
    towards_wrist = np.linalg.norm(bent.joints[tip] - bent.joints[0])
    assert towards_wrist < np.linalg.norm(flat.joints[tip] - flat.joints[0])


@pytest.mark.parametrize("side", ["right", "left"])
def test_spreading_opens_the_fan(side):
    shaped = HandModel.load(side).shape()
    middle_tip = 4 * FINGERS.index("middle") + 4
    for finger in ("index", "ring", "pinky"):
        angles = np.zeros((15, 3))
        angles[finger_joints(finger)[0] - 1, 1] = np.radians(15)
        flat, wide = shaped.pose(), shaped.pose(anatomy.from_anatomy(angles, side))
        tip = 4 * FINGERS.index(finger) + 4
        far = np.linalg.norm(wide.joints[tip] - wide.joints[middle_tip])
        assert far > np.linalg.norm(flat.joints[tip] - flat.joints[middle_tip]) + 0.005


@pytest.mark.parametrize("finger", FINGERS)
def test_twisting_leaves_the_fingertip_where_it_is(finger):
    shaped = HandModel.load("right").shape()
    angles = np.zeros((15, 3))
    angles[finger_joints(finger)[0] - 1, 2] = np.radians(20)
    tip = 4 * FINGERS.index(finger) + 4
    moved = shaped.pose(anatomy.from_anatomy(angles)).joints[tip] - shaped.pose().joints[tip]
    assert np.linalg.norm(moved) < 0.003


def test_limits_hold_flat_and_have_room():
    assert anatomy.LIMITS.shape == (15, 3, 2)
    assert (anatomy.LIMITS[..., 0] < 0).all()
    assert (anatomy.LIMITS[..., 1] > 0).all()
    index2 = MANO_NAMES.index("index2") - 1
    assert anatomy.LIMITS[index2, 0, 1] > np.radians(100)


def test_random_poses_are_valid_free_varied_and_reproducible():
    rng = np.random.default_rng(0)
    poses = np.array([anatomy.random_pose(rng, side) for side in ("right", "left") * 20])
    for pose, side in zip(poses, ("right", "left") * 20, strict=True):
        assert anatomy.is_valid(pose, side)
        assert overlap_m(pose, side) <= 0.0056
    bends = np.degrees([anatomy.to_anatomy(p)[0, 0] for p in poses[::2]])
    assert np.ptp(bends) > 40
    np.testing.assert_array_equal(anatomy.random_pose(np.random.default_rng(0)), poses[0])


def test_overlap_sees_a_finger_in_the_palm_and_crossed_fingers():
    assert overlap_m(np.zeros(45)) == 0
    through_palm = np.zeros((15, 3))
    through_palm[:3, 0] = np.radians([95, 112, 90])
    assert overlap_m(anatomy.from_anatomy(through_palm)) > 0.01
    together = np.zeros((15, 3))
    together[finger_joints("index")[0] - 1, 1] = np.radians(-20)
    assert overlap_m(anatomy.from_anatomy(together)) > 0.004


@few
@given(anything, sides)
def test_mirror_is_a_mirror(pose, side):
    hand = HandPose(
        side=side,
        hand_pose=tuple(pose),
        global_orient=(0.4, -1.1, 0.3),
        transl=(0.1, -0.2, 0.6),
        betas=(1,) * 10,
    )
    other = anatomy.mirror(hand)
    assert other.side != side
    assert anatomy.mirror(other) == hand
    # The model's wrist is off its origin, so the mirror image of a hand is the mirrored hand mirrored whole.
    np.testing.assert_allclose(pose_hand(other).joints, pose_hand(hand).joints * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(
        anatomy.to_anatomy(other.hand_pose, other.side), anatomy.to_anatomy(pose, side), atol=1e-6
    )
