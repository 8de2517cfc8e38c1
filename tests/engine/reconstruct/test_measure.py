"""The floor and the calibration."""

import json

import numpy as np
import pytest

from engine.hand import anatomy, pose_hand
from engine.reconstruct import Detection, calibration, floor
from engine.reconstruct.kinematics import FRAME
from engine.reconstruct.trials import SIZES, random_trials
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


def test_calibration_finds_offsets_that_are_there(monkeypatch):
    """Landmarks made from known offsets, on hands of both sides, with one hand read wrongly."""
    offsets = np.random.default_rng(0).normal(size=(21, 3)) * 0.004
    trials = list(random_trials(25, seed=2))
    current = iter(trials)

    def detect(_):
        trial = next(current)
        side = np.array([1 if trial.hand.side == "right" else -1, 1, 1])
        posed = pose_hand(trial.hand)
        frames = posed.T_world_joint[FRAME, :3, :3]
        shifted = posed.joints + np.einsum("kab,kb->ka", frames, offsets * side)
        points = project(shifted, trial.camera)
        if trial is trials[3]:
            points = points[::-1]
        return [Detection(side=trial.hand.side, score=1, points_px=points, world_m=points)]

    monkeypatch.setattr("engine.reconstruct.landmarks.detect", detect)
    found = calibration.calibrate(trials)
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
    assert json.loads((tmp_path / "calibration.json").read_text())["trials"] == 7


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
