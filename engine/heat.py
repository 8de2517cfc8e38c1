"""From recordings over tokens to what a person reads: words, heat per word, shares per step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from engine.attention import Recording
    from engine.text import Tokens


def by_word(values: np.ndarray, groups: list[list[int]], axis: int = 0) -> np.ndarray:
    """Sums a word's sub-tokens along the token axis: attention on a word is attention on any part of it."""
    parts = [values.take(group, axis=axis).sum(axis=axis) for group in groups]
    shape = values.shape[:axis] + values.shape[axis + 1 :]
    stacked = np.stack(parts, axis=axis) if parts else np.zeros((*shape[:axis], 0, *shape[axis:]))
    return stacked.astype(np.float32)


def summary(recording: Recording, tokens: Tokens) -> dict[str, Any]:
    """The fields of a Result that speak of attention. Words beyond the encoder's length are left out."""
    spans = tokens.word_spans
    groups = tokens.of(spans)
    seen = [i for i, group in enumerate(groups) if group]
    groups = [groups[i] for i in seen]
    return {
        "words": tuple(tokens.words[i] for i in seen),
        "hand_words": tuple(seen.index(i) for i in tokens.hand_words if i in seen),
        "heat": by_word(recording.heat(), groups),
        "heat_sites": {name: by_word(maps, groups) for name, maps in recording.site_maps().items()},
        "heat_steps": by_word(recording.shares(), groups, axis=1),
    }
