"""What is behind the person: a plain wall, or a simple place out of focus.

Places are painted at twice the size and blurred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.corpus import wardrobe
from engine.corpus.placement import SIZE_PX
from engine.corpus.scene import Backdrop

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

PX = 2 * SIZE_PX
BOOKS = ("#7a2f2b", "#2f4d6b", "#3d6647", "#b58b3e", "#d8d0bf", "#4a3a5c", "#8f5a3c", "#303236")
FOLIAGE = ("#3f6b37", "#4d7f3e", "#345b32", "#5d8a47", "#2c4f2d")
FACADES = ("#b9a58b", "#9a8f86", "#a8614e", "#c7bda9", "#7f8a93", "#d3c6a4")


def draw_backdrop(backdrop: Backdrop, rng: np.random.Generator) -> np.ndarray:
    """(SIZE_PX, SIZE_PX, 3) float32, 0..255."""
    if backdrop.place == "wall":
        return wall(backdrop.wall, rng)
    from PIL import Image, ImageDraw, ImageFilter

    lit = wall(backdrop.wall, rng).clip(0, 255).astype(np.uint8)
    canvas = Image.fromarray(lit).resize((PX, PX))
    _PLACES[backdrop.place](canvas, ImageDraw.Draw(canvas), rng)
    blurred = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(2.0, 6.0)))
    return np.asarray(blurred.reduce(2), dtype=np.float32) * np.float32(rng.uniform(0.9, 1.05))


def wall(name: str, rng: np.random.Generator) -> np.ndarray:
    """(SIZE_PX, SIZE_PX, 3) float32: one colour, lit a little unevenly."""
    base = _rgb(wardrobe.WALLS[name]).astype(np.float32)
    y, x = np.mgrid[0:SIZE_PX, 0:SIZE_PX].astype(np.float32) / SIZE_PX - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.04, 0.16)
    glow = 1 + slope * (np.cos(angle) * x + np.sin(angle) * y)
    cx, cy = rng.uniform(-0.3, 0.3, 2)
    glow = glow * (1.03 - rng.uniform(0.05, 0.25) * ((x - cx) ** 2 + (y - cy) ** 2))
    return base * glow[..., None] * np.float32(rng.uniform(0.9, 1.04))


# --- places: each paints over a lit wall of the room's colour -------------------------------------------


def _room(canvas: Image.Image, draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A window and a floor."""
    _floor(draw, rng)
    w, h = rng.uniform(0.22, 0.34) * PX, rng.uniform(0.30, 0.44) * PX
    x, y = _beside(rng, w), rng.uniform(0.06, 0.22) * PX
    draw.rectangle([x - 10, y - 10, x + w + 10, y + h + 10], fill="#f1efe9")
    _gradient(canvas, (x, y, x + w, y + h), "#a9cdea", "#eaf3f6")
    for i in (1, 2):
        draw.rectangle([x + i * w / 3 - 3, y, x + i * w / 3 + 3, y + h], fill="#f1efe9")
    draw.rectangle([x, y + h / 2 - 3, x + w, y + h / 2 + 3], fill="#f1efe9")


def _living_room(canvas: Image.Image, draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A sofa, a picture and a lamp."""
    _floor(draw, rng)
    sofa = str(rng.choice(["#6f7f8c", "#8a6a52", "#5d6f5a", "#a39a8d", "#7c4a48"]))
    top = rng.uniform(0.62, 0.72) * PX
    draw.rounded_rectangle([-40, top, PX + 40, PX + 60], 46, fill=sofa)
    draw.line([PX * 0.5, top + 40, PX * 0.5, PX], fill=_shade(sofa, 0.8), width=5)
    w = rng.uniform(0.18, 0.28) * PX
    x, y = _beside(rng, w), rng.uniform(0.08, 0.2) * PX
    draw.rectangle([x, y, x + w, y + w * 0.8], fill="#3a322b")
    draw.rectangle([x + 8, y + 8, x + w - 8, y + w * 0.8 - 8], fill=str(rng.choice(BOOKS)))
    lamp = rng.uniform(0.03, 0.13) * PX if x > PX / 2 else rng.uniform(0.87, 0.97) * PX
    draw.line([lamp, 0.34 * PX, lamp, PX], fill="#4b4640", width=7)
    top, foot = 0.2 * PX, 0.36 * PX
    shade = [(lamp - 26, top), (lamp + 26, top), (lamp + 46, foot), (lamp - 46, foot)]
    draw.polygon(shade, fill="#f6e3b4")


def _office(canvas: Image.Image, draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A bookshelf from wall to wall."""
    wood = str(rng.choice(["#5a4031", "#8b6c4c", "#d9d2c4", "#3e3a38"]))
    shelf = rng.uniform(0.16, 0.22) * PX
    y = rng.uniform(-0.1, 0.02) * PX
    draw.rectangle([0, y, PX, PX], fill=_shade(wood, 0.6))
    while y < PX:
        x = rng.uniform(-20, 0)
        while x < PX:
            width = rng.uniform(10, 26)
            if rng.random() < 0.9:
                height = shelf * rng.uniform(0.62, 0.9)
                draw.rectangle([x, y + shelf - height, x + width, y + shelf], fill=str(rng.choice(BOOKS)))
            x += width + 2
        draw.rectangle([0, y + shelf, PX, y + shelf + 10], fill=wood)
        y += shelf + 10


def _park(canvas: Image.Image, draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Sky, trees and grass."""
    horizon = rng.uniform(0.5, 0.68) * PX
    _gradient(canvas, (0, 0, PX, horizon), "#9cc6ec", "#e3eff5")
    _gradient(canvas, (0, horizon, PX, PX), "#7fa256", "#55793c")
    for _ in range(int(rng.integers(70, 120))):
        r = rng.uniform(24, 76)
        x, y = rng.uniform(-20, PX + 20), horizon - abs(rng.normal(0, 0.2)) * PX
        draw.ellipse([x - r, y - r * 0.8, x + r, y + r * 0.8], fill=str(rng.choice(FOLIAGE)))


def _beach(canvas: Image.Image, draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Sky, sea and sand."""
    horizon, shore = rng.uniform(0.34, 0.46) * PX, rng.uniform(0.6, 0.74) * PX
    _gradient(canvas, (0, 0, PX, horizon), "#7fb6e6", "#dcecf4")
    _gradient(canvas, (0, horizon, PX, shore), "#3d7fa6", "#79b9c4")
    _gradient(canvas, (0, shore, PX, PX), "#e4d3a6", "#cdb887")
    for _ in range(5):
        y, x = rng.uniform(horizon + 20, shore + 8), rng.uniform(-60, PX)
        draw.ellipse([x, y, x + rng.uniform(120, 320), y + 8], fill="#e8f1f1")


def _street(canvas: Image.Image, draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Houses with windows, and a road."""
    _gradient(canvas, (0, 0, PX, PX), "#a8c3d9", "#dfe3e2")
    road = rng.uniform(0.78, 0.88) * PX
    x = -40.0
    while x < PX:
        width, top = rng.uniform(110, 210), rng.uniform(-0.2, 0.3) * PX
        facade = str(rng.choice(FACADES))
        draw.rectangle([x, top, x + width, road], fill=facade)
        step = rng.uniform(44, 62)
        for wy in np.arange(max(top, 0) + 24, road - 40, step):
            for wx in np.arange(x + 16, x + width - 24, step * 0.8):
                glass = _shade(facade, rng.uniform(0.35, 0.55))
                draw.rectangle([wx, wy, wx + step * 0.4, wy + step * 0.55], fill=glass)
        x += width
    draw.rectangle([0, road, PX, PX], fill="#6d6f72")


_PLACES = {
    "room": _room,
    "living room": _living_room,
    "office": _office,
    "park": _park,
    "beach": _beach,
    "street": _street,
}


# --- brushes ------------------------------------------------------------------------------------------


def _floor(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    y = rng.uniform(0.8, 0.92) * PX
    draw.rectangle([0, y, PX, PX], fill=str(rng.choice(["#8c6b4a", "#a98a63", "#6b5d52", "#9a958c"])))
    draw.rectangle([0, y - 12, PX, y], fill="#efece5")


def _beside(rng: np.random.Generator, width: float) -> float:
    """A left edge such that the thing stands left or right of the person."""
    x = rng.uniform(0.02, 0.10) * PX
    return x if rng.random() < 0.5 else PX - width - x


def _gradient(canvas: Image.Image, box, top: str, bottom: str) -> None:
    from PIL import Image

    x0, y0, x1, y1 = (int(v) for v in box)
    t = np.linspace(0, 1, max(y1 - y0, 1))[:, None, None]
    rows = (1 - t) * _rgb(top) + t * _rgb(bottom)
    canvas.paste(Image.fromarray(np.repeat(rows, max(x1 - x0, 1), axis=1).astype(np.uint8)), (x0, y0))


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


def _shade(colour: str, factor: float) -> str:
    return "#" + "".join(f"{int(v):02x}" for v in np.clip(_rgb(colour) * factor, 0, 255))
