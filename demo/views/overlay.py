"""Attention heat over a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from engine.types import Result

# Dark violet over red to pale yellow, lightness rising evenly, so that it also reads in grey.
_STOPS = np.array(
    [
        (13, 8, 60),
        (84, 18, 110),
        (150, 32, 102),
        (208, 64, 67),
        (243, 118, 27),
        (252, 184, 56),
        (252, 250, 190),
    ],
    float,
)
HAND_WORDS = "*"  # not a word: all hand words together


def colorize(values: np.ndarray) -> np.ndarray:
    """`values` (H, W) in 0..1 as (H, W, 3) uint8 RGB."""
    places = np.clip(values, 0, 1) * (len(_STOPS) - 1)
    channels = [np.interp(places, np.arange(len(_STOPS)), _STOPS[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def resize_map(heat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`heat` (h, w) on another grid `size` (height_px, width_px), bicubic, never negative."""
    height, width = size
    picture = Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    return np.maximum(np.asarray(picture), 0)


def blend(
    image: np.ndarray, heat: np.ndarray, *, span: tuple[float, float] | None = None, opacity: float = 0.85
) -> np.ndarray:
    """`heat` (h, w) over `image` (H, W, 3) uint8; `span` is the darkest and the brightest value.

    Without a span it is the map's own, from least to most: that shows where, and not how much. The heat covers in
    proportion to its strength, so that the picture stays visible where little attends.
    """
    low, high = span or span_of([heat])
    share = np.clip((resize_map(heat, image.shape[:2]) - low) / max(high - low, 1e-9), 0, 1)
    alpha = (opacity * share)[..., None]
    return np.round(image * (1 - alpha) + colorize(share) * alpha).astype(np.uint8)


def span_of(heats: Iterable[np.ndarray | None]) -> tuple[float, float] | None:
    """The least and the greatest value of several maps: one scale, so that a brighter column attends more."""
    values = [heat for heat in heats if heat is not None]
    if not values:
        return None
    return min(float(heat.min()) for heat in values), max(float(heat.max()) for heat in values)


def word_heat(result: Result, word: str | int, site: str | None = None) -> np.ndarray | None:
    """(h, w): the heat of a word's index, or of HAND_WORDS together, over all sites or at one."""
    heat = result.heat_sites.get(site) if site else result.heat
    if heat is None:
        return None
    if word == HAND_WORDS:
        return heat[list(result.hand_words)].sum(axis=0) if result.hand_words else None
    return heat[word] if 0 <= int(word) < len(heat) else None


def word_index(result: Result, word: str) -> int | None:
    """Where `word` stands in this result's text: methods rewrite prompts, so indices differ."""
    folded = [w.casefold() for w in result.words]
    return folded.index(word.casefold()) if word.casefold() in folded else None


def common_words(results: Sequence[Result]) -> list[str]:
    """The words that any of the results attends to, in the order of the first that has them."""
    return list(dict.fromkeys(word for result in results for word in result.words))
