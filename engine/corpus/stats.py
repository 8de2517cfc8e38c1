"""Counts of a corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from engine.corpus.shards import load_arrays

SHOWN = ("gender", "age", "side", "gesture", "shirt", "wall", "hair", "skin", "pattern", "held", "hands")


def report(folder: Path, split: str) -> str:
    """A table of how often each attribute has each value."""
    rows = load_arrays(folder, ["attributes"], split=split)["attributes"]
    lines = [f"{len(rows)} pictures"]
    for name in SHOWN:
        counts = Counter(str(row[name]) for row in rows if name in row)
        if counts:
            lines.append(f"{name}: " + ", ".join(f"{value} {n}" for value, n in counts.most_common()))
    return "\n".join(lines)
