"""Where MediaPipe puts its landmarks on this hand, beside the model's joints: measured, and kept in a file.

MediaPipe's annotators marked what they saw: a fingertip's pad and not its end, knuckles nearer to the skin.
Without the offsets the fit would bend the fingers to make up for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.evaluate.metrics_hand import box_side_px, keypoint_error_px
from engine.hand import anatomy, pose_hand
from engine.reconstruct.kinematics import FRAME
from engine.types import UserError

if TYPE_CHECKING:
    from engine.reconstruct.trials import Trial

FILE = Path(__file__).with_name("calibration.json")
WELL_FOUND_PERCENT = 8.0  # mean 2D error, of the hand's box: above it MediaPipe saw another pose
_CAUCHY = 0.02  # of the box: residuals beyond it count less and less
_ROUNDS = 20
_OFFSET_SD_M = 0.05  # keeps an offset finite where every view is alike


@dataclass(frozen=True, eq=False)
class Calibration:
    """Of a right hand's 21 keypoints."""

    offsets_m: np.ndarray  # (21, 3) in the frame of the joint that the keypoint is fixed to
    image_sd: np.ndarray  # (21,) root mean square error left in the picture, in hand boxes


@lru_cache(maxsize=1)
def load_calibration() -> Calibration:
    """The measured one."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    return Calibration(np.array(data["offsets_mm"]) / 1000, np.array(data["image_sd"]))


def save_calibration(calibration: Calibration, trials: int) -> None:
    data = {
        "trials": trials,
        "offsets_mm": np.round(calibration.offsets_m * 1000, 1).tolist(),
        "image_sd": np.round(calibration.image_sd, 3).tolist(),
    }
    FILE.write_text(json.dumps(data) + "\n", encoding="utf-8")


def calibrate(trials: Iterable[Trial]) -> Calibration:
    """Offsets that explain the landmarks of well found hands: robust least squares in the pictures."""
    slopes, errors = [], []
    for trial in trials:
        row = _observe(trial)
        if row is not None:
            slopes.append(row[0])
            errors.append(row[1])
    if len(errors) < 10:
        raise UserError("A calibration needs at least 10 well found hands; use more trials.", code="too_few")
    by_offset, error = np.stack(slopes), np.stack(errors)  # (N, 21, 2, 3) per m, (N, 21, 2), in boxes
    prior = np.eye(3) * (_CAUCHY / _OFFSET_SD_M) ** 2
    offsets = np.zeros((21, 3))
    for _ in range(_ROUNDS):
        left = error - np.einsum("nkab,kb->nka", by_offset, offsets)
        weight = 1 / (1 + (left / _CAUCHY) ** 2)
        normal = np.einsum("nka,nkab,nkac->kbc", weight, by_offset, by_offset) + prior
        offsets = np.linalg.solve(normal, np.einsum("nka,nkab,nka->kb", weight, by_offset, error)[..., None])
        offsets = offsets[..., 0]
    left = error - np.einsum("nkab,kb->nka", by_offset, offsets)
    return Calibration(offsets, np.sqrt((left**2).mean(axis=(0, 2))))


def _observe(trial: Trial) -> tuple[np.ndarray, np.ndarray] | None:
    """(21, 2, 3) how a keypoint's offset moves it in the picture and (21, 2) where it was found, in boxes.

    None when the hand was not found well.
    """
    from engine.reconstruct.landmarks import detect
    from engine.render import keypoints_px

    found = [d for d in detect(trial.image) if d.side == trial.hand.side]
    if not found:
        return None
    points_px, hand = found[0].points_px, trial.hand
    if hand.side == "left":  # as a right hand in a mirror; the camera's middle is the picture's
        points_px, hand = points_px * (-1, 1) + (trial.camera.width_px, 0), anatomy.mirror(hand)
    posed = pose_hand(hand)
    true_px = keypoints_px(posed, trial.camera)
    box_px = box_side_px(true_px)
    if keypoint_error_px(points_px, true_px) * 100 > WELL_FOUND_PERCENT * box_px:
        return None
    z = posed.joints[:, 2]
    by_point = np.zeros((21, 2, 3))
    by_point[:, [0, 1], [0, 1]] = 1 / z[:, None]
    by_point[:, :, 2] = -posed.joints[:, :2] / z[:, None] ** 2
    focal_px = np.diag(trial.camera.K)[:2, None]
    slopes = focal_px * by_point @ posed.T_world_joint[FRAME, :3, :3]
    return slopes / box_px, (points_px - true_px) / box_px
