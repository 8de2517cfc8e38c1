"""The 21 keypoints: projected, and drawn in OpenPose's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.render.projection import check_camera, project
from engine.types import Camera

if TYPE_CHECKING:
    from engine.hand import PosedHand

# OpenPose's hand colours: a hue a finger, brighter towards the tip. RGB.
_WRIST = (100, 100, 100)
_HUES = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0.5), (0, 0.5, 1), (1, 0, 1)])  # thumb to pinky
_BRIGHTNESS = np.array([100, 150, 200, 255])  # knuckle to tip
_SUBPIXEL_BITS = 4  # cv2 takes coordinates in 1/16 px


def keypoint_colors() -> np.ndarray:
    """(21, 3) uint8 RGB, one a keypoint; a bone has the colour of its far end."""
    fingers = _HUES[:, None] * _BRIGHTNESS[None, :, None]
    return np.concatenate([[_WRIST], fingers.reshape(20, 3)]).astype(np.uint8)


def keypoints_px(hand: PosedHand, camera: Camera) -> np.ndarray:
    """(21, 2) px as (x, y), OpenPose order; UserError when a joint is behind the camera."""
    check_camera(camera)
    return project(hand.joints, camera)


def draw_keypoints(
    image: np.ndarray,
    points_px: np.ndarray,
    *,
    radius_px: float | None = None,
    thickness_px: int | None = None,
) -> np.ndarray:
    """A copy of `image` (H, W, 3) uint8 with one hand's `points_px` (21, 2) drawn over it, antialiased.

    Points that are not finite are left out, with their bones. Sizes default to a share of the image's.
    """
    import cv2

    from engine.hand.joints import BONES

    out = np.ascontiguousarray(image).copy()
    unit = max(1.0, min(out.shape[:2]) / 256)
    radius_px = 2.0 * unit if radius_px is None else radius_px
    thickness_px = round(1.5 * unit) if thickness_px is None else thickness_px
    seen = np.isfinite(points_px).all(axis=1)
    # cv2 puts a pixel's centre at its integer, we at + 0.5; the clip keeps integers from overflowing.
    points = np.clip(np.nan_to_num(np.asarray(points_px, float)) - 0.5, -1e5, 1e5)
    fixed = np.round(points * 2**_SUBPIXEL_BITS).astype(int)
    colors = keypoint_colors().tolist()
    for start, end in BONES:
        if seen[start] and seen[end]:
            ends = (tuple(map(int, fixed[start])), tuple(map(int, fixed[end])))
            cv2.line(out, *ends, colors[end], thickness_px, cv2.LINE_AA, _SUBPIXEL_BITS)
    for index in np.flatnonzero(seen):
        centre = tuple(map(int, fixed[index]))
        radius = round(radius_px * 2**_SUBPIXEL_BITS)
        cv2.circle(out, centre, radius, colors[index], cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
    return out
