"""The reader's own error: what `errors` would say if a method drew exactly the hand that was asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.evaluate.metrics_hand import FreihandScores, freihand_scores
from engine.hand import pose_hand
from engine.reconstruct.errors import HandErrors, errors
from engine.reconstruct.landmarks import Detection, detect
from engine.reconstruct.observations import WELL_FOUND_PERCENT
from engine.reconstruct.read import best_of_side, fit_detection
from engine.reconstruct.trials import Trial
from engine.types import Reconstruction, UserError


@dataclass(frozen=True, kw_only=True)
class Floor:
    """Means over the trials in which a hand was found, sides known."""

    trials: int
    detection_rate: float
    label_accuracy: float  # of MediaPipe's left and right
    all_found: FreihandScores
    well_found: FreihandScores  # those whose 2D keypoints are within 8 % of the hand's box
    mpjpe_2d_percent: float
    mse_2d_percent: float
    detect_ms: float
    fit_ms: float


@dataclass(frozen=True, eq=False)
class _Reading:
    trial: Trial
    detection: Detection
    rec: Reconstruction
    errors: HandErrors
    fit_s: float


def measure_floor(trials: Iterable[Trial]) -> Floor:
    """Read every trial's picture with its side and camera known."""
    readings, detect_s = [], []
    for trial in trials:
        start = time.perf_counter()
        found = detect(trial.image)
        detect_s.append(time.perf_counter() - start)
        if found:
            readings.append(_read(trial, best_of_side(found, trial.hand.side)))
    if not readings:
        raise UserError("No hand was found in any picture; is this a corpus of hands?", code="no_hands")
    well = [r for r in readings if r.errors.mpjpe_2d_percent < WELL_FOUND_PERCENT]
    return Floor(
        trials=len(detect_s),
        detection_rate=len(readings) / len(detect_s),
        label_accuracy=float(np.mean([r.detection.side == r.trial.hand.side for r in readings])),
        all_found=_scores(readings),
        well_found=_scores(well),
        mpjpe_2d_percent=float(np.mean([r.errors.mpjpe_2d_percent for r in readings])),
        mse_2d_percent=float(np.mean([r.errors.mse_2d_percent for r in readings])),
        detect_ms=float(np.median(detect_s)) * 1000,
        fit_ms=float(np.median([r.fit_s for r in readings])) * 1000,
    )


def _read(trial: Trial, detection: Detection) -> _Reading:
    start = time.perf_counter()
    rec = fit_detection(detection, trial.camera, trial.hand.side)
    fit_s = time.perf_counter() - start
    return _Reading(trial, detection, rec, errors(rec, trial.hand, trial.camera), fit_s)


def _scores(readings: list[_Reading]) -> FreihandScores:
    truth = [pose_hand(r.trial.hand) for r in readings]
    return freihand_scores(
        [r.rec.joints for r in readings],
        [t.joints for t in truth],
        [r.rec.verts for r in readings],
        [t.verts for t in truth],
    )
