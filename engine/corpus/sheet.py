"""Contact sheets, to look at a corpus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from engine.corpus.sample import Sample

if TYPE_CHECKING:
    from PIL import Image


def contact_sheet(samples: Iterable[Sample], *, columns: int = 8, overlay: bool = False) -> Image.Image:
    """The pictures in rows; with `overlay`, each one's mesh image is laid half transparent over it."""
    from PIL import Image

    tiles = [_tile(sample, overlay) for sample in samples]
    h, w = tiles[0].shape[:2]
    sheet = np.full((-(-len(tiles) // columns) * h, columns * w, 3), 255, dtype=np.uint8)
    for i, tile in enumerate(tiles):
        row, column = divmod(i, columns)
        sheet[row * h : (row + 1) * h, column * w : (column + 1) * w] = tile
    return Image.fromarray(sheet)


def _tile(sample: Sample, overlay: bool) -> np.ndarray:
    if not overlay or sample.mesh is None:
        return sample.image
    on = sample.mesh.max(-1, keepdims=True) > 0
    tint = sample.mesh.astype(np.float32) * np.array([0.3, 1.0, 0.4])
    return np.where(on, 0.45 * sample.image + 0.55 * tint, sample.image).astype(np.uint8)
