"""Contact sheets: uncurated samples of every method, the first cases as they came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

CELL_PX = 96
ACROSS = 16
LABEL_PX = 18
GAP_PX = 6
WEBP_QUALITY = 72


def contact_sheet(blocks: Sequence[tuple[str, Sequence[np.ndarray]]]) -> np.ndarray:
    """(title, pictures) a block, below one another: a line of text, then the pictures, 16 across."""
    from PIL import Image, ImageDraw

    rows = [-(-len(pictures) // ACROSS) for _, pictures in blocks]
    height = sum(LABEL_PX + n * CELL_PX + GAP_PX for n in rows)
    sheet = Image.new("RGB", (ACROSS * CELL_PX, height), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for (title, pictures), n in zip(blocks, rows, strict=True):
        pen.text((4, top + 3), title, fill="black")
        top += LABEL_PX
        for place, picture in enumerate(pictures):
            cell = Image.fromarray(picture).resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
            sheet.paste(cell, (place % ACROSS * CELL_PX, top + place // ACROSS * CELL_PX))
        top += n * CELL_PX + GAP_PX
    return np.asarray(sheet)


def write_sheet(
    blocks: Sequence[tuple[str, Sequence[int], Callable[[int], np.ndarray]]], path: Path, count: int = 64
) -> None:
    """(title, case indices, picture of a case) a block; the first `count` of each, as one WebP."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet([(title, [picture(i) for i in cases[:count]]) for title, cases, picture in blocks])
    Image.fromarray(sheet).save(path, quality=WEBP_QUALITY, method=6)
