"""The numbers of a table: what each is called, which way is better, and how a picture gives it.

A scalar metric is a list of values a picture (none where it does not apply), averaged over all pictures of
a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from engine.evaluate.cases import Case
from engine.evaluate.gestures import GestureClassifier
from engine.evaluate.reading import Reading

Better = Literal["higher", "lower", ""]
Values = Callable[[Case, Reading], Iterable[float]]


@dataclass(frozen=True, kw_only=True)
class Column:
    key: str
    title: str
    better: Better
    digits: int
    meaning: str  # one line under the table
    percent: bool = False  # shares in 0..1, shown times 100

    @property
    def arrow(self) -> str:
        return {"higher": "↑", "lower": "↓", "": ""}[self.better]

    @property
    def scale(self) -> float:
        """What a value is multiplied with to be shown."""
        return 100.0 if self.percent else 1.0


@dataclass(frozen=True, kw_only=True)
class Scalar(Column):
    values: Values


def _of_hands(field: str, scale: float = 1.0) -> Values:
    """A HandReading's field over the requested hands for which a hand was read."""

    def values(case: Case, reading: Reading) -> list[float]:
        found = (getattr(hand, field) for hand in reading.hands if hand.detection is not None)
        return [value * scale for value in found if value is not None]

    return values


def hand_scalars() -> tuple[Scalar, ...]:
    """SesaHand's and Hand1000's hand metrics, and the 3D errors."""
    return (
        Scalar(
            key="hand_conf",
            title="HAND-CONF",
            better="higher",
            digits=3,
            meaning="handedness score of hands found at a threshold of 0, pictures without one ignored",
            values=lambda case, reading: reading.confidences,
        ),
        Scalar(
            key="hand_score",
            title="HC",
            better="higher",
            digits=3,
            meaning="the same a requested hand, 0 where none was found at 0.5",
            values=lambda case, reading: [reading.score(hand) for hand in reading.hands],
        ),
        Scalar(
            key="detected",
            title="detected",
            better="higher",
            digits=1,
            percent=True,
            meaning="requested hands for which MediaPipe found a hand",
            values=lambda case, reading: [float(hand.detection is not None) for hand in reading.hands],
        ),
        Scalar(
            key="error_2d",
            title="2D error",
            better="lower",
            digits=1,
            meaning="mean keypoint distance where detected, percent of the requested hand's box",
            values=_of_hands("error_2d_percent"),
        ),
        Scalar(
            key="mse_2d",
            title="MSE-2D",
            better="lower",
            digits=2,
            meaning="mean squared keypoint distance over the box's side squared, percent, where detected",
            values=_of_hands("mse_2d_percent"),
        ),
        Scalar(
            key="mse_3d",
            title="MSE-3D",
            better="lower",
            digits=2,
            meaning="mean joint distance with the wrists aligned, cm, where detected",
            values=_of_hands("mpjpe_3d_mm", 0.1),
        ),
        Scalar(
            key="pa_mpjpe",
            title="PA-MPJPE",
            better="lower",
            digits=2,
            meaning="joints after Procrustes alignment, mm, where detected",
            values=_of_hands("pa_mpjpe_mm"),
        ),
        Scalar(
            key="pa_mpvpe",
            title="PA-MPVPE",
            better="lower",
            digits=2,
            meaning="vertices after Procrustes alignment, mm, where detected",
            values=_of_hands("pa_mpvpe_mm"),
        ),
        Scalar(
            key="mask_iou",
            title="IoU",
            better="higher",
            digits=3,
            meaning="silhouettes of the requested and the reconstructed hand, 0 where none was found",
            values=lambda case, reading: [hand.mask_iou for hand in reading.hands],
        ),
    )


def gesture_scalar(classifier: GestureClassifier) -> Scalar:
    """A detected hand, any of them, shows the asked gesture; no hand found is a miss."""

    def values(case: Case, reading: Reading) -> list[float]:
        if case.gesture is None:
            return []
        return [float(case.gesture in (classifier.name(d.world_m, d.side) for d in reading.detections))]

    return Scalar(
        key="gesture",
        title="gesture",
        better="higher",
        digits=1,
        percent=True,
        meaning="a detected hand is named as the asked gesture by the landmark classifier",
        values=values,
    )


def colour_scalars() -> tuple[Scalar, ...]:
    return (
        Scalar(
            key="shirt",
            title="shirt",
            better="higher",
            digits=1,
            percent=True,
            meaning="shirt colour as prompted, by pixels",
            values=lambda case, reading: _same(case, "shirt", reading.shirt),
        ),
        Scalar(
            key="wall",
            title="wall",
            better="higher",
            digits=1,
            percent=True,
            meaning="wall colour as prompted, by pixels",
            values=lambda case, reading: _same(case, "wall", reading.wall),
        ),
    )


def _same(case: Case, attribute: str, seen: str) -> list[float]:
    """Nothing for a case whose prompt does not name this colour."""
    asked = case.told(attribute)
    return [float(asked == seen)] if asked else []


def distance_columns(frechet: str, kernel: str) -> tuple[Column, ...]:
    """FID -> FID, KID, FID-H, KID-H; FD-world -> FD-world, KD-world, FD-H-world, KD-H-world."""
    whole, crops = "whole pictures to the held-out renders", "hand crops to those of the held-out renders"
    return tuple(
        Column(key=key, title=title, better="lower", digits=digits, meaning=f"{distance} of {what}")
        for key, title, digits, distance, what in (
            ("frechet", frechet, 2, "Fréchet distance", whole),
            ("kernel", kernel, 4, "unbiased kernel distance", whole),
            ("frechet_h", _on_hands(frechet), 2, "Fréchet distance", crops),
            ("kernel_h", _on_hands(kernel), 4, "unbiased kernel distance", crops),
        )
    )


def _on_hands(name: str) -> str:
    head, dash, network = name.partition("-")
    return f"{head}-H{dash}{network}"


SECONDS = Column(
    key="seconds", title="s", better="", digits=1, meaning="seconds a picture, on the machine that ran it"
)
PSNR = Column(
    key="psnr", title="PSNR", better="higher", digits=1, meaning="dB, of the renders through the autoencoder"
)
CLIP = Column(key="clip", title="CLIP", better="higher", digits=2, meaning="CLIP score, picture and prompt")
