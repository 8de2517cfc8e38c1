"""The arm: the wrist is where it was asked for, and turned as asked."""

from __future__ import annotations

import numpy as np
import pytest

from engine.corpus import arm
from engine.hand import rotation

LIMB = arm.Limb(
    side="R", shoulder=np.array([-0.18, -0.05, 0.58]), elbow=np.array([-0.355, -0.06, 0.395]),
    wrist=np.array([-0.48, -0.226, 0.27]),
)  # fmt: skip


def forward(pose: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(elbow, wrist, hand's world rotation) of a pose on LIMB's chain."""
    upper = pose["upperarm01.R"]
    elbow = LIMB.shoulder + upper @ (LIMB.elbow - LIMB.shoulder)
    fore = upper @ pose["lowerarm01.R"]
    wrist = elbow + fore @ (LIMB.wrist - LIMB.elbow)
    return elbow, wrist, fore @ pose["lowerarm02.R"] @ pose["wrist.R"]


@pytest.mark.parametrize("seed", range(8))
def test_reaches_what_is_asked(seed):
    rng = np.random.default_rng(seed)
    target = LIMB.shoulder + np.array(
        [rng.uniform(-0.2, 0.1), rng.uniform(-0.35, -0.2), rng.uniform(-0.1, 0.2)]
    )
    hand = rotation.exp(rng.normal(0, 0.8, 3))
    solved = arm.solve(LIMB, target, hand)
    assert solved is not None
    elbow, wrist, turned = forward(solved.pose)
    np.testing.assert_allclose(wrist, target, atol=1e-9)
    np.testing.assert_allclose(turned, hand, atol=1e-9)
    for R in solved.pose.values():
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(R) > 0
    np.testing.assert_allclose(
        np.linalg.norm(elbow - LIMB.shoulder), np.linalg.norm(LIMB.elbow - LIMB.shoulder)
    )


def test_out_of_reach():
    assert arm.solve(LIMB, LIMB.shoulder + np.array([0, -0.9, 0]), np.eye(3)) is None
    assert arm.solve(LIMB, LIMB.shoulder + np.array([0, -0.001, 0]), np.eye(3)) is None


def test_a_wrenched_wrist_costs_more():
    target = LIMB.shoulder + np.array([-0.05, -0.3, 0.0])
    hands = [rotation.exp(np.array([angle, 0, 0])) for angle in np.linspace(-np.pi, np.pi, 12)]
    costs = [arm.solve(LIMB, target, hand).cost for hand in hands]
    assert min(costs) < 0.7
    assert max(costs) > 1.0


def test_swing_and_twist_make_up_the_rotation():
    axis = np.array([0.0, 0.6, 0.8])
    twist, swing = arm.swing_twist(arm.rotation((1, 0, 0), 0.5) @ arm.rotation(axis, 0.9), axis)
    assert twist == pytest.approx(0.9, abs=1e-6)
    assert swing == pytest.approx(0.5, abs=1e-6)
