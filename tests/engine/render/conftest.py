"""Hands and cameras for the renderers' tests. Pictures are never square, and never centred."""

from __future__ import annotations

import numpy as np
import pytest

from engine.hand import rotation
from engine.types import Camera, HandPose

# Palm to the camera, fingers up: the model's fingers lie along -X, its back is +Y, its thumb +Z.
PALM_UP = rotation.log(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
MIRROR = np.array([1.0, -1.0, -1.0])  # of a rotation vector, in X


def build_hand(*, side="right", turn=(0.0, 0.0, 0.0), curl=0.0, transl=(0.02, 0.04, 0.5)) -> HandPose:
    """A hand turned by `turn` (rotation vector, camera frame), its fingers bent by `curl` rad a joint."""
    orient = rotation.log(rotation.exp(np.array(turn)) @ rotation.exp(PALM_UP))
    pose = np.zeros((15, 3))
    pose[:12, 2] = curl
    if side == "left":
        orient, pose, transl = orient * MIRROR, pose * MIRROR, np.array(transl) * (-1, 1, 1)
    return HandPose(side=side, global_orient=orient, hand_pose=pose.ravel(), transl=transl)


@pytest.fixture
def make_hand():
    """A function from keywords to a HandPose."""
    return build_hand


@pytest.fixture
def camera() -> Camera:
    """Wide, unequal focals, principal point off the middle."""
    return Camera(K=((300, 0, 150), (0, 330, 90), (0, 0, 1)), width_px=280, height_px=200)


@pytest.fixture(params=range(6))
def posed(request):
    """One hand in one of several poses and places."""
    from engine.hand import pose_hand

    cases = [
        build_hand(),
        build_hand(side="left", turn=(0, 1.0, 0)),
        build_hand(turn=(0, np.pi, 0), curl=0.8),
        build_hand(side="left", turn=(0.8, 0, 0.5), curl=1.3, transl=(-0.02, 0.03, 0.4)),
        build_hand(turn=(-1.2, 0.3, 0), curl=0.5, transl=(0.06, 0.02, 0.4)),  # partly out of the picture
        build_hand(turn=(0, 0, 1.6), curl=0.3, transl=(-0.06, 0.02, 0.3)),  # near
    ]
    return pose_hand(cases[request.param])
