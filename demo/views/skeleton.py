"""The asked-for and the found keypoints over a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from engine.types import Camera, HandPose

_ASKED = (255, 255, 255)
_SHADE = (15, 23, 42)
_OVERSAMPLE = 3  # PIL's lines are not antialiased


def asked_points(hands: Sequence[HandPose], camera: Camera | None, size: tuple[int, int]) -> list[np.ndarray]:
    """Each hand's keypoints (21, 2) px on a picture of `size` (height_px, width_px)."""
    from engine.hand import pose_hand
    from engine.render import keypoints_px

    if camera is None:
        return []
    view = camera.resized(width_px=size[1], height_px=size[0])
    return [keypoints_px(pose_hand(hand), view) for hand in hands]


def draw_hands(image: np.ndarray, asked: Sequence[np.ndarray], found: np.ndarray | None) -> np.ndarray:
    """`image` (H, W, 3) with the asked-for hands as white lines and the found one in OpenPose's colours."""
    from engine.render import draw_keypoints

    out = _outline(image, asked) if len(asked) else image
    return out if found is None else draw_keypoints(out, found)


def hand_box(
    points: Sequence[np.ndarray], size: tuple[int, int], margin: float = 0.35
) -> tuple[float, float, float]:
    """Where to zoom: centre x and y in 0..1 of the picture, and the factor at which the hand fills it."""
    if not len(points):
        return 0.5, 0.5, 1.0
    height, width = size
    low = np.concatenate(points).min(axis=0)
    high = np.concatenate(points).max(axis=0)
    extent = max(float((high - low).max()) * (1 + 2 * margin), 1.0)
    x, y = (low + high) / 2 / (width, height)
    return float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1)), float(np.clip(min(size) / extent, 1.0, 6.0))


def _outline(image: np.ndarray, asked: Sequence[np.ndarray]) -> np.ndarray:
    from engine.hand.joints import BONES

    height, width = image.shape[:2]
    scale = _OVERSAMPLE
    picture = Image.fromarray(image).resize((width * scale, height * scale))
    draw = ImageDraw.Draw(picture)
    unit = scale * max(1.0, min(height, width) / 256)
    for points in asked:
        lines = [[tuple(points[a] * scale), tuple(points[b] * scale)] for a, b in BONES]
        for color, thickness in ((_SHADE, 3.2), (_ASKED, 1.6)):
            for line in lines:
                draw.line(line, fill=color, width=round(thickness * unit))
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))
