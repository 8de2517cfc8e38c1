"""Many pictures as one, with labels along its top and its left side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP_PX = 8
_TOP_PX = 30
_SIDE_PX = 120
_FONT_PX = 15
_PAPER, _INK, _EMPTY = (255, 255, 255), (31, 41, 55), (243, 244, 246)


def labelled_grid(
    pictures: Sequence[Sequence[np.ndarray | None]], rows: Sequence[str], columns: Sequence[str]
) -> np.ndarray:
    """`pictures` [row][column], each (H, W, 3) uint8 of one size or None, as one picture."""
    first = next(p for row in pictures for p in row if p is not None)
    height, width = first.shape[:2]
    canvas = Image.new(
        "RGB",
        (
            _SIDE_PX + len(columns) * (width + _GAP_PX) + _GAP_PX,
            _TOP_PX + len(rows) * (height + _GAP_PX) + _GAP_PX,
        ),
        _PAPER,
    )
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_FONT_PX)
    for c, label in enumerate(columns):
        middle = _SIDE_PX + _GAP_PX + c * (width + _GAP_PX) + width / 2
        draw.text((middle, _TOP_PX / 2 + _GAP_PX / 2), label, fill=_INK, font=font, anchor="mm")
    for r, label in enumerate(rows):
        top = _TOP_PX + _GAP_PX + r * (height + _GAP_PX)
        draw.multiline_text(
            (_GAP_PX, top + height / 2), _wrap(label), fill=_INK, font=font, anchor="lm", spacing=4
        )
        for c, picture in enumerate(pictures[r]):
            left = _SIDE_PX + _GAP_PX + c * (width + _GAP_PX)
            if picture is None:
                draw.rectangle((left, top, left + width - 1, top + height - 1), fill=_EMPTY)
            else:
                canvas.paste(Image.fromarray(picture), (left, top))
    return np.asarray(canvas)


def _wrap(label: str, longest: int = 13) -> str:
    lines = [""]
    for word in label.split():
        joined = f"{lines[-1]} {word}".strip()
        if len(joined) > longest and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = joined
    return "\n".join(lines)
