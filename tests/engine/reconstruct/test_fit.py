import time
from dataclasses import replace

import numpy as np
import pytest

from engine.evaluate.metrics_hand import pa_error_mm
from engine.hand import anatomy, pose_hand, rotation
from engine.hand.model import model_of
from engine.reconstruct import fit
from engine.reconstruct.calibration import load_calibration
from engine.reconstruct.fit import fit_hand
from engine.reconstruct.kinematics import skeleton
from engine.reconstruct.lifter import load_lifter
from engine.reconstruct.trials import random_view
from engine.render import project
from engine.types import Camera


def ideal_landmarks(seed: int):
    """What a faultless MediaPipe would say of a random hand: (points_px, world_m, hand, camera)."""
    hand, camera = random_view(np.random.default_rng(seed), (384, 512))
    right = hand if hand.side == "right" else anatomy.mirror(hand)
    points = skeleton(model_of("right")).pose(
        anatomy.to_anatomy(right.hand_pose),
        rotation.exp(right.global_orient),
        np.array(right.betas),
        load_calibration().offsets_m,
    )
    seen = (points.points + right.transl) * (1 if hand.side == "right" else np.array([-1, 1, 1]))
    sight = seen.mean(axis=0) / seen.mean(axis=0)[2]
    upright = rotation.between(sight, np.array([0.0, 0.0, 1.0]))
    world = (seen - seen.mean(axis=0)) @ upright.T * 0.8
    return project(seen, camera), world, hand, camera


@pytest.mark.parametrize("seed", range(8))
def test_faultless_landmarks_give_the_hand_back(seed):
    points_px, world_m, hand, camera = ideal_landmarks(seed)
    found = fit_hand(points_px, world_m, camera, hand.side).hand
    got, true = pose_hand(found), pose_hand(hand)
    assert found.side == hand.side
    assert pa_error_mm(got.joints, true.joints) < 12  # what the priors pull away from the landmarks
    assert pa_error_mm(got.verts, true.verts) < 10
    reprojected = np.linalg.norm(project(got.joints, camera) - project(true.joints, camera), axis=1)
    assert reprojected.mean() < 0.03 * np.ptp(points_px, axis=0).max()
    assert anatomy.is_valid(found.hand_pose, found.side)


def test_a_left_hand_is_the_mirror_image_of_a_right_one():
    points_px, world_m, hand, camera = ideal_landmarks(1)
    K = np.array(camera.K)
    K[0, 2] += 20  # a principal point off the middle
    camera = Camera(K=tuple(map(tuple, K)), width_px=camera.width_px, height_px=camera.height_px)
    K[0, 2] = camera.width_px - K[0, 2]
    mirrored = Camera(K=tuple(map(tuple, K)), width_px=camera.width_px, height_px=camera.height_px)
    other = "left" if hand.side == "right" else "right"
    a = fit_hand(points_px, world_m, camera, hand.side).hand
    b = fit_hand(points_px * (-1, 1) + (camera.width_px, 0), world_m * (-1, 1, 1), mirrored, other).hand
    assert b.side == other
    np.testing.assert_allclose(anatomy.mirror(b).global_orient, a.global_orient, atol=1e-6)
    np.testing.assert_allclose(anatomy.mirror(b).hand_pose, a.hand_pose, atol=1e-6)
    np.testing.assert_allclose(anatomy.mirror(b).transl, a.transl, atol=1e-6)


def test_the_true_side_costs_less():
    cheaper = 0
    for seed in range(8):
        points_px, world_m, hand, camera = ideal_landmarks(seed)
        costs = {side: fit_hand(points_px, world_m, camera, side).cost for side in ("left", "right")}
        cheaper += costs[hand.side] == min(costs.values())
    assert cheaper == 8


def test_the_residuals_jacobian_equals_finite_differences():
    points_px, world_m, hand, camera = ideal_landmarks(3)
    seen = fit.seen_as_right(points_px, world_m, camera, hand.side)
    problem = a_problem(seen)
    at = problem.start().stepped(np.r_[np.full(45, 0.02), 0, 0, 0, np.full(13, 0.02)])
    _, jacobian = problem.residuals(at)
    inside = (at.angles > anatomy.LIMITS[..., 0] + 1e-3) & (at.angles < anatomy.LIMITS[..., 1] - 1e-3)
    for i in np.flatnonzero(np.r_[inside.ravel(), [True] * 16]):
        step = np.eye(61)[i] * 1e-6
        ahead, behind = (problem.residuals(at.stepped(s))[0] for s in (step, -step))
        np.testing.assert_allclose(jacobian[:, i], (ahead - behind) / 2e-6, atol=2e-4, rtol=1e-4)


def test_the_fit_ends_where_no_step_helps():
    points_px, world_m, hand, camera = ideal_landmarks(2)
    problem = a_problem(fit.seen_as_right(points_px, world_m, camera, hand.side))
    found, cost = fit.minimise(problem)
    start, _ = problem.residuals(problem.start())
    assert cost < start @ start / 2
    rng = np.random.default_rng(0)
    for _ in range(100):
        near, _ = problem.residuals(found.stepped(rng.normal(0, 0.03, 61)))
        assert near @ near / 2 > cost


def test_an_angle_beyond_its_limit_stays_at_it():
    points_px, world_m, hand, camera = ideal_landmarks(2)
    problem = a_problem(fit.seen_as_right(points_px, world_m, camera, hand.side))
    angles = problem.belief.angles.copy()
    angles[0, 0], angles[4, 0] = 3.0, -3.0  # believed far beyond what a hand can do, and firmly
    belief = replace(problem.belief, angles=angles, angles_sd=np.full_like(angles, 0.05))
    eager = replace(problem, belief=belief)
    found, _ = fit.minimise(eager)
    assert found.angles[0, 0] == anatomy.LIMITS[0, 0, 1]
    assert found.angles[4, 0] == anatomy.LIMITS[4, 0, 0]


def a_problem(seen: fit.Landmarks) -> fit.Problem:
    features, to_camera = seen.features()
    belief = load_lifter()(features)
    return fit.Problem(
        seen=seen,
        belief=replace(belief, orient=to_camera @ belief.orient),
        skeleton=skeleton(model_of("right")),
        calibration=load_calibration(),
    )


@pytest.mark.parametrize("points", [np.zeros((21, 2)), np.full((21, 2), 1e6), np.eye(21)[:, :2] * 300])
def test_nonsense_gives_finite_numbers_within_the_limits(points):
    camera = Camera.simple(focal_px=400, width_px=300, height_px=200)
    for world in (np.zeros((21, 3)), np.eye(21)[:, :3] * 0.1):
        found = fit_hand(points, world, camera, "right").hand
        assert anatomy.is_valid(found.hand_pose)
        assert np.isfinite(pose_hand(found).verts).all()


def test_a_fit_takes_well_under_150_ms():
    jobs = [ideal_landmarks(seed) for seed in range(10)]
    times = []
    for points_px, world_m, hand, camera in jobs:
        start = time.process_time()
        fit_hand(points_px, world_m, camera, hand.side)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.15
