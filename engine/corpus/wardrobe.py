"""What people look like: named colours and shapes. Names are what captions say."""

from __future__ import annotations

import numpy as np


def linear(hex_colour: str) -> np.ndarray:
    """(3,) linear RGB of an sRGB colour such as '#c04030'."""
    s = np.array([int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


SHIRTS = {
    "red": "#b81c22", "green": "#23793a", "blue": "#2450b0", "yellow": "#e8bf1c", "orange": "#e2691a",
    "purple": "#6b2f95", "pink": "#e98bb0", "white": "#e9e9e6", "black": "#1a1a1d", "grey": "#7b7e83",
    "brown": "#6b432a",
}  # fmt: skip
WALLS = {
    "white": "#dedcd6", "grey": "#95989c", "beige": "#d2bf9c", "blue": "#6f9bc9", "green": "#86ad83",
    "yellow": "#e3cd7a", "pink": "#dfaab2", "purple": "#a18dbd", "orange": "#dd9f6a", "brown": "#93705a",
}  # fmt: skip
HAIR = {
    "black": "#16120f", "brown": "#4a2e1c", "blond": "#b48a4e", "grey": "#908c86", "red": "#7d3417",
}  # fmt: skip
SKIN = {
    "pale": "#f0cbb4", "light": "#e3b293", "tan": "#cd9670", "olive": "#b07c54", "brown": "#80502f",
    "dark": "#50301e",
}  # fmt: skip
IRIS = {"brown": "#4a2c17", "dark brown": "#2a1a10", "blue": "#5b83a8", "green": "#66794e", "grey": "#7c8689"}

# Hair shapes: height of the hairline (m, on the resting template) at the forehead, temple, ear and nape;
# thickness of the hair (m); how far its curtain hangs (m, template height; None: no curtain).
HAIR_SHAPES = {
    "short": {"line": (0.796, 0.765, 0.735, 0.665), "thick": 0.010, "curtain": None},
    "cropped": {"line": (0.798, 0.770, 0.740, 0.680), "thick": 0.004, "curtain": None},
    "receding": {"line": (0.826, 0.775, 0.735, 0.670), "thick": 0.005, "curtain": None},
    "curly": {"line": (0.792, 0.760, 0.730, 0.660), "thick": 0.030, "curtain": None},
    "shoulder-length": {"line": (0.796, 0.762, 0.720, 0.650), "thick": 0.016, "curtain": 0.585},
    "chin-length": {"line": (0.790, 0.758, 0.720, 0.650), "thick": 0.015, "curtain": 0.640},
    "long": {"line": (0.798, 0.764, 0.720, 0.650), "thick": 0.013, "curtain": 0.500},
}
SHAPES_OF = {
    "man": ("short", "short", "cropped", "receding", "curly"),
    "woman": ("short", "curly", "shoulder-length", "chin-length", "long", "long"),
}
# Which skin goes with which of Anny's (african, asian, caucasian), so that faces look like families of faces.
SKIN_OF = {
    "african": ("brown", "dark", "dark", "olive"),
    "asian": ("light", "tan", "olive", "brown"),
    "caucasian": ("pale", "light", "light", "tan"),
}
HAIR_OF = {
    "african": ("black", "black", "brown"),
    "asian": ("black", "black", "brown"),
    "caucasian": ("black", "brown", "blond", "red"),
}
PATTERNS = ("plain", "striped", "vertically striped", "checked", "dotted")  # the shader's kinds 0..4
TROUSERS = {"blue": "#2f4468", "black": "#1c1c20", "grey": "#585a5e", "beige": "#b7a27c"}
THINGS = {  # colours of what is held
    "red": "#c0272d", "blue": "#2a5bbd", "green": "#2f8a4a", "yellow": "#ecc52c", "white": "#ececea",
    "black": "#1c1c1f",
}  # fmt: skip
HATS = ("cap", "beanie")
PLACES = ("room", "living room", "office", "park", "beach", "street")
