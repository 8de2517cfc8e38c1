import dataclasses

import numpy as np
import pytest

from engine.hand import anatomy, rotation
from engine.hand.model import model_of
from engine.reconstruct.kinematics import FRAME, skeleton


@pytest.fixture
def state():
    rng = np.random.default_rng(5)
    angles = anatomy.to_anatomy(anatomy.random_pose(rng))
    orient = rotation.exp(rng.normal(size=3))
    return angles, orient, rng.normal(size=10), rng.normal(size=(21, 3)) * 0.005


def test_points_are_the_hand_models_without_blend_shapes(state):
    angles, orient, betas, _ = state
    model = model_of("right")
    stiff = dataclasses.replace(model, posedirs=np.zeros_like(model.posedirs), weights=_hard(model.weights))
    expected = stiff.shape(betas).pose(anatomy.from_anatomy(angles), rotation.log(orient))
    got = skeleton(model).pose(angles, orient, betas, np.zeros((21, 3)))
    np.testing.assert_allclose(got.points, expected.joints, atol=1e-9)
    soft = model.shape(betas).pose(anatomy.from_anatomy(angles), rotation.log(orient))
    assert np.linalg.norm(got.points - soft.joints, axis=1).max() < 0.006  # what is neglected, metres


def test_offsets_are_in_the_joints_frames(state):
    angles, orient, betas, offsets = state
    model = model_of("right")
    hand = model.shape(betas).pose(anatomy.from_anatomy(angles), rotation.log(orient))
    frames = hand.T_world_joint[FRAME, :3, :3]
    bones = skeleton(model)
    moved = bones.pose(angles, orient, betas, offsets).points
    still = bones.pose(angles, orient, betas, np.zeros((21, 3))).points
    np.testing.assert_allclose(moved - still, np.einsum("kab,kb->ka", frames, offsets), atol=1e-9)


def test_jacobians_equal_finite_differences(state):
    angles, orient, betas, offsets = state
    bones = skeleton(model_of("right"))
    pose = bones.pose(angles, orient, betas, offsets)
    step = 1e-6

    def slope(change):
        ahead, behind = change(step), change(-step)
        return (bones.pose(*ahead, offsets).points - bones.pose(*behind, offsets).points) / (2 * step)

    for i in range(45):
        one = np.eye(45)[i].reshape(15, 3)
        found = slope(lambda h, one=one: (angles + h * one, orient, betas))
        np.testing.assert_allclose(pose.by_angle[..., i], found, atol=1e-8)
    for i in range(3):
        one = np.eye(3)[i]
        found = slope(lambda h, one=one: (angles, rotation.exp(h * one) @ orient, betas))
        np.testing.assert_allclose(pose.by_orient[..., i], found, atol=1e-8)
    for i in range(10):
        found = slope(lambda h, i=i: (angles, orient, betas + h * np.eye(10)[i]))
        np.testing.assert_allclose(pose.by_beta[..., i], found, atol=1e-8)


def _hard(weights: np.ndarray) -> np.ndarray:
    """Each vertex wholly with the joint that the skeleton fixes fingertips to; others do not matter here."""
    from engine.hand.joints import TIP_VERTS

    hard = weights.copy()
    hard[list(TIP_VERTS)] = 0
    hard[list(TIP_VERTS), [15, 3, 6, 12, 9]] = 1
    return hard
