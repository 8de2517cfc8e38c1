"""Held-out cases: prompt, hands, camera and gesture of the corpus' test pictures, and the pictures
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from engine.types import Camera, HandPose, Request, SamplerSpec, UserError, from_json

PromptStyle = Literal["short", "wordy", "gesture", "phrase"]
UNNAMED = "none"  # the corpus' gesture of a pose without a name
COLUMNS = ("captions", "attributes", "hands", "camera")


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One held-out picture and what it was rendered from."""

    index: int  # in its split; also the seed
    captions: Mapping[str, str]  # by style
    attributes: Mapping[str, str]  # shirt, wall, hair, gender, side, gesture
    hands: tuple[HandPose, ...]
    camera: Camera
    image: np.ndarray | None  # (H, W, 3) uint8: the render; None where only the request is wanted

    @property
    def gesture(self) -> str | None:
        """None for a pose without a name."""
        name = self.attributes.get("gesture", UNNAMED)
        return None if name == UNNAMED else name

    def told(self, thing: str) -> str | None:
        """The colour of "shirt" or "wall", where the captions name it."""
        colour = self.attributes.get(thing)
        return colour if f"{colour} {thing}" in self.captions["short"] else None

    def prompt(self, style: PromptStyle) -> str:
        """A caption of the corpus; "phrase" is the short one with the gesture's own phrase at its end."""
        if style != "phrase":
            return self.captions[style]
        from engine.hand.gesture import load_gestures
        from engine.text import with_phrase

        if self.gesture is None:
            return self.captions["short"]
        return with_phrase(self.captions["short"], load_gestures()[self.gesture].phrase)

    def request(self, style: PromptStyle, sampler: SamplerSpec) -> Request:
        """What every method is asked for."""
        return Request(
            prompt=self.prompt(style),
            gesture=self.gesture,
            hands=self.hands,
            camera=self.camera,
            seed=self.index,
            size=(self.camera.height_px, self.camera.width_px),
            sampler=sampler,
        )


def load_cases(
    folder: Path,
    n: int,
    *,
    split: str = "test",
    gestures: Sequence[str] | None = None,
    images: bool = True,
) -> list[Case]:
    """The first `n` cases of a split, only those of `gestures` where given; fewer where it has fewer.

    Pictures of one gesture are a small part of a corpus. Where each gesture has a corpus of its own beside it
    (`engine.corpus make --gesture ok --out FOLDER-ok`), cases are taken from those in turn.
    """
    if gestures is None:
        return _read(folder, split, range(n), images)
    own = {gesture: folder.with_name(f"{folder.name}-{gesture}") for gesture in gestures}
    if all(any(place.glob(f"{split}-*.parquet")) for place in own.values()):
        return _in_turn([_read(place, split, range(-(-n // len(own))), images) for place in own.values()])[:n]
    return _read(folder, split, _rows_of(folder, split, gestures)[:n], images)


def _rows_of(folder: Path, split: str, gestures: Sequence[str]) -> list[int]:
    from engine.corpus.shards import load_arrays

    attributes = load_arrays(folder, ["attributes"], split=split)["attributes"]
    rows = [i for i, row in enumerate(attributes) if row.get("gesture") in gestures]
    if not rows:
        raise UserError(
            f"The {split} pictures in {folder} show none of {', '.join(gestures)}.", code="no_cases"
        )
    return rows


def _in_turn(sources: Sequence[Sequence[Case]]) -> list[Case]:
    """One case of each source, then the next of each, numbered anew so that no two share a seed."""
    count = len(sources)
    numbered = (
        (place * count + number, case)
        for number, source in enumerate(sources)
        for place, case in enumerate(source)
    )
    return [replace(case, index=index) for index, case in sorted(numbered, key=lambda pair: pair[0])]


def _read(folder: Path, split: str, rows: Sequence[int], images: bool) -> list[Case]:
    """The cases at `rows`, ascending."""
    from engine.corpus.shards import load_arrays

    names = (*COLUMNS, "image") if images else COLUMNS
    columns = load_arrays(folder, names, limit=rows[-1] + 1, split=split)
    return [
        Case(
            index=row,
            captions=columns["captions"][row],
            attributes=columns["attributes"][row],
            hands=from_json(columns["hands"][row]),
            camera=from_json(columns["camera"][row]),
            image=columns["image"][row] if images else None,
        )
        for row in rows
        if row < len(columns["hands"])
    ]
