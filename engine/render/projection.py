"""The pinhole camera on arrays. Pixel (i, j) covers [j, j + 1) x [i, i + 1): its centre is at + 0.5."""

from __future__ import annotations

import numpy as np

from engine.types import Camera, UserError

NEAR_M = 0.01  # what is nearer than this is not seen


def check_camera(camera: Camera) -> None:
    """UserError unless K is a pinhole that both renderers can show: positive focals, no skew."""
    (fx, skew, _), (below, fy, _), last = camera.K
    if not (fx > 0 and fy > 0 and skew == 0 and below == 0 and tuple(last) == (0.0, 0.0, 1.0)):
        raise UserError(
            "The camera must have positive focal lengths, no skew, and [0, 0, 1] as K's last row.",
            code="bad_camera",
        )


def project(points: np.ndarray, camera: Camera) -> np.ndarray:
    """(..., 3) m in front of the camera -> (..., 2) px as (x, y).

    Raises UserError where a point is not in front of it: there is no finite answer.
    """
    points = np.asarray(points, dtype=np.float64)
    if not np.isfinite(points).all():
        raise UserError("The hand has coordinates that are not numbers; reset its pose.", code="bad_numbers")
    if (points[..., 2] < NEAR_M).any():
        raise UserError("The hand is behind the camera; move it in front.", code="hand_behind_camera")
    homogeneous = points @ np.asarray(camera.K).T
    return homogeneous[..., :2] / homogeneous[..., 2:]


def pixel_box(verts: np.ndarray, camera: Camera) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1): the half-open range of pixels that `verts` (V, 3) can touch, or all zeros."""
    z = verts[:, 2]
    if (z < NEAR_M).all():
        return 0, 0, 0, 0
    if (z < NEAR_M).any():  # the surface passes the camera's plane: it may be anywhere in the picture
        return 0, 0, camera.width_px, camera.height_px
    px = project(verts, camera)
    size = np.array([camera.width_px, camera.height_px])
    low = np.clip(np.floor(px.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(px.max(axis=0)), 0, size).astype(int)
    if (high <= low).any():
        return 0, 0, 0, 0
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
