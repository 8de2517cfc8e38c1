"""One picture of a corpus with all that is known about it, whatever the corpus: ours or a reader's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.types import Camera, HandPose

CAPTION_STYLES = ("short", "wordy", "gesture")


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """SesaHand's four parts of a prompt (section 4.1)."""

    pose: str
    action: str
    hand_action: str
    environment: str


@dataclass(frozen=True, kw_only=True)
class Captions:
    short: str  # who and where, never the gesture: what the web's captions say
    wordy: str  # as a vision-language model writes
    gesture: str  # short, with the exact phrase of the gesture


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What a corpus does not know stays empty or None."""

    key: str  # unique in its corpus, e.g. "train-000017"
    image: np.ndarray  # (H, W, 3) uint8
    hands: tuple[HandPose, ...] = ()  # camera frame
    camera: Camera | None = None
    mesh: np.ndarray | None = None  # (H, W, 3) uint8, SesaHand's mesh image of `hands`
    keypoints_px: tuple[np.ndarray, ...] = ()  # (21, 2) a hand, as annotated, NaN where hidden
    boxes_px: tuple[np.ndarray, ...] = ()  # (4,) a hand: left, top, right, bottom, as annotated
    captions: Captions = Captions(short="", wordy="", gesture="")
    semantics: Semantics | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)  # shirt, wall, gesture, ...
