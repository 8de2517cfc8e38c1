"""The shirt's and the wall's colour, read from pixels by region and named by the nearest colour of a palette.

No network takes part. Light changes lightness more than hue, so lightness counts half. The regions are
fixed windows of a portrait, without the boxes of hands; how often they are right on real renders is printed
as the ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.evaluate.crops import Box

LIGHTNESS_WEIGHT = 0.5
# (left, top, right, bottom) in shares of the picture.
WINDOWS: dict[str, tuple[Box, ...]] = {
    "shirt": ((0.30, 0.65, 0.70, 1.00),),
    "wall": ((0.0, 0.0, 0.18, 0.35), (0.82, 0.0, 1.0, 0.35)),
}
# sRGB to OKLab (Björn Ottosson, 2020): linear RGB -> cone responses -> L, a, b.
_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (..., 3) in 0..255 -> OKLab (..., 3)."""
    s = np.asarray(rgb, np.float64) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _LMS.T) @ _LAB.T


def region(image: np.ndarray, windows: Sequence[Box], without: Sequence[Box] = ()) -> np.ndarray:
    """The pixels (N, 3) of image (H, W, 3) inside `windows` (shares) and outside the boxes `without` (px)."""
    height, width = image.shape[:2]
    inside = np.zeros((height, width), bool)
    for left, top, right, bottom in windows:
        inside[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = (
            True
        )
    whole = inside.copy()
    for box in without:
        left, top, right, bottom = (max(round(v), 0) for v in box)
        inside[top:bottom, left:right] = False
    return image[inside if inside.any() else whole]


def nearest_colour(pixels: np.ndarray, palette: Mapping[str, Sequence[int]]) -> str:
    """The name in `palette` (name -> sRGB 0..255) that is nearest to most of the pixels (N, 3)."""
    weight = np.array([LIGHTNESS_WEIGHT, 1, 1])
    names = list(palette)
    known = oklab(np.array([palette[name] for name in names])) * weight
    distances = np.linalg.norm(oklab(pixels)[:, None] * weight - known, axis=-1)
    return names[np.bincount(distances.argmin(1), minlength=len(names)).argmax()]


def hex_palette(colours: Mapping[str, str]) -> dict[str, tuple[int, int, int]]:
    """{"red": "#b81c22"} -> {"red": (184, 28, 34)}."""
    return {name: tuple(bytes.fromhex(code.lstrip("#"))) for name, code in colours.items()}
