"""The pictures of a study as a browser gets them: same pixels in, nothing but the pixels out."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from engine.types import UserError

Key = TypeVar("Key")
TILES = 5  # a broken hand is this many tiles wide and high, put together wrongly
_MARGIN = 0.15  # of the hand's box, added on each side
_LEAST_TILE_PX = 4


def encode_alike(images: Mapping[Key, np.ndarray]) -> dict[Key, bytes]:
    """(H, W, 3) uint8 pictures as WebP without loss, all of one size in pixels AND in bytes.

    A file's length would tell methods apart, so blank XMP metadata brings each to the length of the longest.
    Raises UserError where the pictures differ in size.
    """
    shapes = {image.shape for image in images.values()}
    if len(shapes) > 1:
        sizes = ", ".join(f"{width}x{height}" for height, width, *_ in sorted(shapes))
        raise UserError(f"The pictures of a study must be of one size, not {sizes}.", code="sizes_differ")
    bare = {key: len(_webp(image, xmp_bytes=2)) for key, image in images.items()}
    longest = max(bare.values(), default=0)
    return {key: _webp(image, xmp_bytes=2 + longest - bare[key]) for key, image in images.items()}


def encode(image: np.ndarray) -> bytes:
    """One (H, W, 3) uint8 picture as WebP without loss."""
    return _webp(image)


def _webp(image: np.ndarray, xmp_bytes: int = 0) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    options = {"xmp": b" " * xmp_bytes} if xmp_bytes else {}
    Image.fromarray(image).save(out, "WEBP", lossless=True, quality=80, method=4, exact=False, **options)
    return out.getvalue()


def break_hand(image: np.ndarray, box_px: tuple[float, float, float, float], seed: int = 0) -> np.ndarray:
    """A copy whose hand, inside (left, top, right, bottom), is cut into tiles and put together wrongly."""
    height, width = image.shape[:2]
    left, top, right, bottom = box_px
    grow_x, grow_y = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    x0, x1 = max(0, round(left - grow_x)), min(width, round(right + grow_x))
    y0, y1 = max(0, round(top - grow_y)), min(height, round(bottom + grow_y))
    side = min(x1 - x0, y1 - y0) // TILES  # square tiles, so that they can be turned
    if side < _LEAST_TILE_PX:
        raise UserError("The hand in the picture is too small to be broken visibly.", code="small_hand")

    rng = random.Random(seed)
    places = [(y, x) for y in range(y0, y1 - side + 1, side) for x in range(x0, x1 - side + 1, side)]
    sources = places[:]
    rng.shuffle(sources)
    broken = image.copy()
    for (y, x), (from_y, from_x) in zip(places, sources, strict=True):
        tile = image[from_y : from_y + side, from_x : from_x + side]
        broken[y : y + side, x : x + side] = np.rot90(tile, rng.choice((1, 2, 3)))
    return broken
