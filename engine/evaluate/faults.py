"""Faults that generated pictures have, put into renders on purpose, so that the attribute network's
features see them.

A network that only ever saw clean renders tells clothes apart and is blind to blur, grain and molten
shapes, and so would be a Fréchet distance on its features.
"""

from __future__ import annotations

import numpy as np

CLEAN = "clean"
FAULTS = (CLEAN, "blurred", "grainy", "molten")
SHARE = 0.5  # of pictures that get a fault
BLUR_PX = (0.6, 2.5)  # standard deviation, of a picture of 128 px
GRAIN = (4.0, 20.0)  # standard deviation, of 255
MELT_PX = (1.5, 5.0)  # how far shapes are moved
MELT_CELL_PX = (8, 20)  # over what distance the movement changes


def with_faults(images: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Copies of images (N, H, W, 3) uint8, about SHARE of them with one fault each; and the fault's name."""
    names = [str(rng.choice(FAULTS[1:])) if rng.random() < SHARE else CLEAN for _ in images]
    return np.stack([put(name, image, rng) for name, image in zip(names, images, strict=True)]), names


def put(name: str, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fault of that name, at a random strength, in image (H, W, 3) uint8."""
    return {CLEAN: _clean, "blurred": _blurred, "grainy": _grainy, "molten": _molten}[name](image, rng)


def _clean(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image


def _blurred(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(image, (0, 0), rng.uniform(*BLUR_PX))


def _grainy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grain = rng.normal(0, rng.uniform(*GRAIN), image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def _molten(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random displacement, as where a model has lost a hand's shape."""
    import cv2

    height, width = image.shape[:2]
    cell = rng.uniform(*MELT_CELL_PX)
    coarse = rng.normal(0, 1, (2, max(round(height / cell), 2), max(round(width / cell), 2))).astype(
        np.float32
    )
    moves = [
        cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) * rng.uniform(*MELT_PX) for c in coarse
    ]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(image, x + moves[0], y + moves[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
