"""The floor and the calibration."""

import json

import numpy as np
import pytest

from engine.hand import anatomy, pose_hand
from engine.reconstruct import Detection, calibration, floor
from engine.reconstruct.kinematics import FRAME
from engine.reconstruct.observations import (
    Observation,
    append_observations,
    load_observations,
    observe,
)
from engine.reconstruct.trials import SIZES, random_trials, random_view
from engine.render import keypoints_px, project
from engine.types import UserError


def test_trials_are_the_same_for_a_seed_and_show_the_hand():
    first, again, other = (list(random_trials(3, seed)) for seed in (4, 4, 5))
    for a, b, size in zip(first, again, SIZES, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert a.hand == b.hand
        assert a.image.shape == (*size, 3)
        points = keypoints_px(pose_hand(a.hand), a.camera)
        assert ((points > 0) & (points < size[::-1])).all(axis=1).mean() > 0.7
        assert anatomy.is_valid(a.hand.hand_pose, a.hand.side)
    assert other[0].hand != first[0].hand


def test_calibration_finds_offsets_that_are_there():
    """Landmarks made from known offsets, on hands of both sides, with one hand read wrongly."""
    offsets = np.random.default_rng(0).normal(size=(21, 3)) * 0.004
    rng = np.random.default_rng(2)
    observations = [ideal_observation(*random_view(rng, (384, 512)), offsets) for _ in range(40)]
    points = observations[3].detection.points_px
    points[:] = points[::-1].copy()
    found = calibration.calibrate(observations)
    np.testing.assert_allclose(found.offsets_m, offsets, atol=1e-3)
    assert found.image_sd.max() < 0.003


def test_calibration_from_too_few_hands_is_refused():
    with pytest.raises(UserError, match="at least 10"):
        calibration.calibrate([])


def test_calibration_survives_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "FILE", tmp_path / "calibration.json")
    saved = calibration.Calibration(np.full((21, 3), 0.0012), np.full(21, 0.03))
    calibration.save_calibration(saved, 7)
    got = calibration.load_calibration.__wrapped__()
    np.testing.assert_allclose(got.offsets_m, saved.offsets_m)
    np.testing.assert_allclose(got.image_sd, saved.image_sd)
    assert json.loads((tmp_path / "calibration.json").read_text())["hands"] == 7


def test_the_shipped_calibration_puts_fingertips_on_the_pads():
    """MediaPipe marks a fingertip before its end: towards the knuckle, +X on a flat right hand."""
    offsets = calibration.load_calibration().offsets_m
    assert (offsets[[8, 12, 16, 20], 0] > 0.003).all()
    assert np.abs(offsets).max() < 0.02


def test_floor_of_a_few_hands():
    found = floor.measure_floor(random_trials(9, seed=0))
    assert found.trials == 9
    assert 0.5 < found.detection_rate <= 1
    assert 2 < found.well_found.pa_mpjpe_mm < 15
    assert found.well_found.samples <= found.all_found.samples == round(9 * found.detection_rate)


def test_floor_without_any_hand_is_refused():
    with pytest.raises(UserError, match="No hand was found"):
        floor.measure_floor([])


def test_observations_survive_their_file_and_are_added_to_it(tmp_path):
    path = tmp_path / "deep" / "o.jsonl"
    made = list(observe(random_trials(4, seed=3)))
    assert append_observations(path, made[:1]) == 1
    append_observations(path, made[1:])
    for a, b in zip(made, load_observations(path), strict=True):
        assert (a.hand.side, a.detection.side) == (b.hand.side, b.detection.side)
        np.testing.assert_allclose(a.camera.K, b.camera.K)
        np.testing.assert_allclose(a.hand.hand_pose, b.hand.hand_pose, atol=1e-8)
        np.testing.assert_allclose(a.detection.points_px, b.detection.points_px, atol=0.006)
        assert a.error_percent() == pytest.approx(b.error_percent(), abs=0.02)
    with pytest.raises(UserError, match=r"engine\.reconstruct observe"):
        load_observations(tmp_path / "none.jsonl")


def test_a_left_hand_is_observed_as_the_right_one_of_its_mirror_image():
    rng = np.random.default_rng(1)
    hand, camera = random_view(rng, (384, 512))
    seen = ideal_observation(hand, camera, np.zeros((21, 3)))
    other = ideal_observation(anatomy.mirror(hand), camera, np.zeros((21, 3)))
    (a, a_seen), (b, b_seen) = seen.as_right(), other.as_right()
    assert a.side == b.side == "right"
    np.testing.assert_allclose(a.hand_pose, b.hand_pose)
    np.testing.assert_allclose(a_seen.points_px, b_seen.points_px)
    np.testing.assert_allclose(a_seen.features()[0], b_seen.features()[0], atol=1e-9)


def ideal_observation(hand, camera, offsets_m) -> Observation:
    """What would be detected of `hand` if MediaPipe were faultless but for a right hand's `offsets_m`."""
    side = np.array([1 if hand.side == "right" else -1, 1, 1])
    posed = pose_hand(hand)
    points = posed.joints + np.einsum("kab,kb->ka", posed.T_world_joint[FRAME, :3, :3], offsets_m * side)
    detection = Detection(
        side=hand.side, score=1.0, points_px=project(points, camera), world_m=points - points.mean(axis=0)
    )
    return Observation(hand=hand, camera=camera, detection=detection)
