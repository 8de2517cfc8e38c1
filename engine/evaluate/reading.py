"""What one picture shows: detected hands, errors against the requested ones, colours. Plain data, one row
of JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.evaluate.cases import Case
from engine.evaluate.crops import square_box, tight_box
from engine.types import Camera, HandPose, Reconstruction, Side

READER_VERSION = 1  # raise it when the same picture starts to be read otherwise
MAX_HANDS = 2


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A hand that MediaPipe found, in lists."""

    side: Side
    score: float
    points_px: list[list[float]]  # (21, 2)
    world_m: list[list[float]]  # (21, 3)


@dataclass(frozen=True, kw_only=True)
class HandReading:
    """A requested hand, and how far the hand that was read for it is from it. None where none was found."""

    points_px: list[list[float]]  # (21, 2) as requested
    size: float  # longer side of the requested hand's box, share of the picture's shorter side
    detection: int | None = None  # index into Reading.detections
    error_2d_percent: float | None = None  # mean keypoint distance, in percent of the requested hand's box
    mse_2d_percent: float | None = None
    mpjpe_3d_mm: float | None = None  # wrists aligned
    pa_mpjpe_mm: float | None = None
    pa_mpvpe_mm: float | None = None
    mask_iou: float = 0.0  # silhouettes of the requested and the reconstructed hand


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Of one picture."""

    detections: tuple[Detection, ...]
    confidences: tuple[float, ...]  # handedness scores at a detection threshold of 0: Hand1000's HAND-CONF
    hands: tuple[HandReading, ...]  # one a requested hand, in the request's order
    shirt: str
    wall: str

    def score(self, hand: HandReading) -> float:
        """The handedness score of the hand found for a requested one; 0 where none was."""
        return 0.0 if hand.detection is None else self.detections[hand.detection].score

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reading:
        return cls(
            detections=tuple(Detection(**d) for d in data["detections"]),
            confidences=tuple(data["confidences"]),
            hands=tuple(HandReading(**h) for h in data["hands"]),
            shirt=data["shirt"],
            wall=data["wall"],
        )


def read_picture(image: np.ndarray, case: Case) -> Reading:
    """`image` (H, W, 3) uint8 against what `case` asks for."""
    from engine.corpus import wardrobe
    from engine.evaluate.colours import WINDOWS, hex_palette, nearest_colour, region
    from engine.hand import pose_hand
    from engine.reconstruct import detect, reconstruct
    from engine.render import keypoints_px

    camera = case.camera.resized(width_px=image.shape[1], height_px=image.shape[0])
    detections = detect(image, max_hands=MAX_HANDS)
    side = case.hands[0].side if len(case.hands) == 1 else None
    recs = reconstruct(image, camera=camera, side=side, max_hands=MAX_HANDS) if detections else []
    requested = [keypoints_px(pose_hand(hand), camera) for hand in case.hands]
    found = match(requested, [rec.keypoints_px for rec in recs])
    boxes = [square_box(d.points_px) for d in detections] or [square_box(points) for points in requested]
    return Reading(
        detections=tuple(
            Detection(
                side=d.side,
                score=round(d.score, 4),
                points_px=_rounded(d.points_px, 2),
                world_m=_rounded(d.world_m, 5),
            )
            for d in detections
        ),
        confidences=tuple(round(d.score, 4) for d in detect(image, max_hands=MAX_HANDS, min_score=0.0)),
        hands=tuple(
            _read_hand(hand, points, None if i is None else recs[i], detections, camera)
            for hand, points, i in zip(case.hands, requested, found, strict=True)
        ),
        shirt=nearest_colour(region(image, WINDOWS["shirt"], boxes), hex_palette(wardrobe.SHIRTS)),
        wall=nearest_colour(region(image, WINDOWS["wall"], boxes), hex_palette(wardrobe.WALLS)),
    )


def match(requested_px: Sequence[np.ndarray], found_px: Sequence[np.ndarray]) -> list[int | None]:
    """For each requested hand the index of its own found hand, nearest overall, whatever its side; None
    without one.
    """
    from scipy.optimize import linear_sum_assignment

    chosen: list[int | None] = [None] * len(requested_px)
    if requested_px and found_px:
        cost = [[np.linalg.norm(r - f, axis=1).mean() for f in found_px] for r in requested_px]
        for i, j in zip(*linear_sum_assignment(np.array(cost)), strict=True):
            chosen[i] = int(j)
    return chosen


def _read_hand(
    hand: HandPose, points: np.ndarray, rec: Reconstruction | None, detections: Sequence[Any], camera: Camera
) -> HandReading:
    from engine.evaluate.metrics_hand import root_relative_error_mm
    from engine.hand import pose_hand
    from engine.reconstruct import errors

    left, top, right, bottom = tight_box(points)
    size = max(right - left, bottom - top) / min(camera.height_px, camera.width_px)
    reading = HandReading(points_px=_rounded(points, 2), size=round(size, 4))
    if rec is None:
        return reading
    error = errors(rec, hand, camera)
    (detection,) = match([rec.keypoints_px], [d.points_px for d in detections])
    return dataclasses.replace(
        reading,
        detection=detection,
        error_2d_percent=error.mpjpe_2d_percent,
        mse_2d_percent=error.mse_2d_percent,
        mpjpe_3d_mm=root_relative_error_mm(rec.joints, pose_hand(hand).joints),
        pa_mpjpe_mm=error.pa_mpjpe_mm,
        pa_mpvpe_mm=error.pa_mpvpe_mm,
        mask_iou=mask_iou(hand, rec.hand, camera),
    )


def mask_iou(a: HandPose, b: HandPose, camera: Camera) -> float:
    """Intersection over union of two hands' silhouettes, each alone in the picture; 0 for two empty ones."""
    from engine.hand import pose_hand
    from engine.render import raycast

    mask_a, mask_b = (raycast([pose_hand(hand)], camera).mask for hand in (a, b))
    union = (mask_a | mask_b).sum()
    return float((mask_a & mask_b).sum() / union) if union else 0.0


def _rounded(points: np.ndarray, digits: int) -> list[list[float]]:
    return np.round(points, digits).tolist()
