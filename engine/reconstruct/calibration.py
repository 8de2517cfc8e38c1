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

from engine.reconstruct.kinematics import FRAME
from engine.types import UserError

if TYPE_CHECKING:
    from engine.reconstruct.observations import Observation

FILE = Path(__file__).with_name("calibration.json")
MIN_HANDS = 10
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


def save_calibration(calibration: Calibration, hands: int) -> None:
    data = {
        "hands": hands,
        "offsets_mm": np.round(calibration.offsets_m * 1000, 1).tolist(),
        "image_sd": np.round(calibration.image_sd, 3).tolist(),
    }
    FILE.write_text(json.dumps(data) + "\n", encoding="utf-8")


def calibrate(observations: Iterable[Observation]) -> Calibration:
    """Offsets that explain the landmarks of well found hands: robust least squares in the pictures."""
    from engine.reconstruct.observations import WELL_FOUND_PERCENT

    rows = [
        _slopes_and_errors(o)
        for o in observations
        if o.detection.side == o.hand.side and o.error_percent() < WELL_FOUND_PERCENT
    ]
    if len(rows) < MIN_HANDS:
        raise UserError(
            f"A calibration needs at least {MIN_HANDS} well found hands; observe more.", code="too_few"
        )
    by_offset, error = (np.stack(column) for column in zip(*rows, strict=True))
    prior = np.eye(3) * (_CAUCHY / _OFFSET_SD_M) ** 2
    offsets = np.zeros((21, 3))
    for _ in range(_ROUNDS):
        left = error - np.einsum("nkab,kb->nka", by_offset, offsets)
        weight = 1 / (1 + (left / _CAUCHY) ** 2)
        normal = np.einsum("nka,nkab,nkac->kbc", weight, by_offset, by_offset) + prior
        moment = np.einsum("nka,nkab,nka->kb", weight, by_offset, error)
        offsets = np.linalg.solve(normal, moment[..., None])[..., 0]
    left = error - np.einsum("nkab,kb->nka", by_offset, offsets)
    return Calibration(offsets, np.sqrt((left**2).mean(axis=(0, 2))))


def _slopes_and_errors(observation: Observation) -> tuple[np.ndarray, np.ndarray]:
    """(21, 2, 3) per m: how a keypoint's offset moves it in the picture; (21, 2) its error; in hand boxes."""
    from engine.evaluate.metrics_hand import box_side_px
    from engine.hand import pose_hand

    hand, seen = observation.as_right()
    posed = pose_hand(hand)
    z = posed.joints[:, 2:]
    rays = posed.joints[:, :2] / z
    true_px = rays @ seen.K[:2, :2].T + seen.K[:2, 2]
    by_point = (
        np.concatenate([np.broadcast_to(np.eye(2), (21, 2, 2)), -rays[..., None]], axis=2) / z[..., None]
    )
    slopes = seen.K[:2, :2] @ by_point @ posed.T_world_joint[FRAME, :3, :3]
    box_px = box_side_px(true_px)
    return slopes / box_px, (seen.points_px - true_px) / box_px
