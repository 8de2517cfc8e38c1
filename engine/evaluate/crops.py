"""Hand crops for FID-H and KID-H: one rule for both, and the published script's two as named variants.

"hand"          one square a hand, 1.2 times the box of its 21 keypoints: the detected hand's where one is
                found, else the requested hand's. Every requested hand gives one crop, so N is the same for
                every method and a picture without a hand is not dropped but compared as it is.
"hand1000-fid"  the union of all detected hands, no margin; pictures without one are dropped (its cal_fid-h).
"hand1000-kid"  one box a detected hand, no margin, stretched to a square; pictures without one are dropped
                (its cal_kid-h).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

MARGIN = 1.2
CropRule = Literal["hand", "hand1000-fid", "hand1000-kid"]
Box = tuple[float, float, float, float]  # left, top, right, bottom, px


def tight_box(points_px: np.ndarray) -> Box:
    """Of points (K, 2)."""
    (left, top), (right, bottom) = points_px.min(0), points_px.max(0)
    return float(left), float(top), float(right), float(bottom)


def square_box(points_px: np.ndarray, margin: float = MARGIN) -> Box:
    """Around the tight box's centre, `margin` times its longer side."""
    left, top, right, bottom = tight_box(points_px)
    x, y, half = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top, 1.0) * margin / 2
    return x - half, y - half, x + half, y + half


def crop_boxes(
    rule: CropRule, detected_px: Sequence[np.ndarray], requested_px: Sequence[tuple[np.ndarray, int | None]]
) -> list[Box]:
    """Boxes of one picture.

    detected_px   (21, 2) of each detected hand
    requested_px  (21, 2) of each requested hand, with the index of its detection or None
    """
    if rule == "hand":
        return [square_box(points if found is None else detected_px[found]) for points, found in requested_px]
    if not detected_px:
        return []
    if rule == "hand1000-fid":
        return [tight_box(np.concatenate(detected_px))]
    return [tight_box(points) for points in detected_px]


def crop(image: np.ndarray, box: Box, size_px: int) -> np.ndarray:
    """The box of image (H, W, 3) uint8 as (size_px, size_px, 3); black outside the picture."""
    from PIL import Image

    left, top, right, bottom = (round(v) for v in box)
    whole = (left, top, max(right, left + 1), max(bottom, top + 1))
    patch = Image.fromarray(image).crop(whole).resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.asarray(patch)
