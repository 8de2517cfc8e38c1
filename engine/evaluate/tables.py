"""Rows of readings to tables: methods beside ceiling, chance and floor, with bootstrap intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.evaluate.cases import Case
from engine.evaluate.crops import crop, crop_boxes
from engine.evaluate.features import Features
from engine.evaluate.frechet import Gaussian, frechet_distance
from engine.evaluate.intervals import Estimate, distance_estimate, mean_estimate
from engine.evaluate.kernel import kernel_distance
from engine.evaluate.metrics import PSNR, SECONDS, Column, Scalar, distance_columns
from engine.evaluate.reading import Reading
from engine.evaluate.run import Row
from engine.evaluate.suites import AUTOENCODER, CEILING, CHANCE
from engine.types import UserError

FLOOR = "floor"
YARDSTICKS = (CEILING, AUTOENCODER, CHANCE, FLOOR)  # rows that are no method and win nothing
BUCKETS = (
    (0.0, 0.25, "small: under 25 %"),
    (0.25, 0.4, "middle: 25 to 40 %"),
    (0.4, 9.9, "large: over 40 %"),
)


@dataclass(frozen=True, kw_only=True)
class TableRow:
    name: str
    title: str
    n: int  # pictures
    cells: dict[str, Estimate] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    note: str = ""


def used(table: Table) -> list[Column]:
    """The columns with at least one number."""
    return [c for c in table.columns if any(c.key in row.cells for row in table.rows)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """One variant's pictures in order of case, as far as they were made."""

    name: str
    title: str
    cases: Sequence[Case]
    rows: Sequence[Row]
    picture: Callable[[int], np.ndarray]  # case index -> (H, W, 3)
    note: str = ""

    @property
    def readings(self) -> Iterator[tuple[Case, Reading]]:
        return ((c, r.reading) for c, r in zip(self.cases, self.rows, strict=True))

    def where(self, keep: Callable[[Case, Reading], bool]) -> Shown:
        """Only the pictures for which `keep` holds."""
        kept = [(c, r) for c, r in zip(self.cases, self.rows, strict=True) if keep(c, r.reading)]
        return dataclasses.replace(self, cases=[c for c, _ in kept], rows=[r for _, r in kept])


@dataclass(frozen=True, eq=False)
class FeatureSets:
    """Features of whole pictures (N, D) and of hand crops (M, D) of one row."""

    whole: np.ndarray
    hands: np.ndarray


def shown(
    name: str,
    title: str,
    cases: Sequence[Case],
    finished: Mapping[int, Row],
    picture: Callable[[int], np.ndarray],
) -> Shown:
    """The cases that have a reading; the note says how many were refused, and the method's sentence."""
    made = [case for case in cases if case.index in finished and finished[case.index].reading is not None]
    refused = [finished[c.index].refused for c in cases if c.index in finished and finished[c.index].refused]
    note = f"{len(refused)} of {len(cases)} cases refused: {refused[0]}" if refused else ""
    rows = [finished[case.index] for case in made]
    return Shown(name=name, title=title, cases=made, rows=rows, picture=picture, note=note)


def feature_sets(part: Shown, features: Features) -> FeatureSets:
    """One rule for both crops: engine.evaluate.crops' "hand"."""
    images, patches = [], []
    for case, reading in part.readings:
        image = part.picture(case.index)
        images.append(image)
        detected = [np.array(d.points_px) for d in reading.detections]
        requested = [(np.array(hand.points_px), hand.detection) for hand in reading.hands]
        patches += [crop(image, box, features.crop_px) for box in crop_boxes("hand", detected, requested)]
    return FeatureSets(features(images), features(patches))


def distance_cells(sets: FeatureSets, real: FeatureSets) -> dict[str, Estimate]:
    """Of the four columns of metrics.distance_columns."""
    return {
        "frechet": distance_estimate(_frechet, sets.whole, real.whole),
        "kernel": distance_estimate(_kernel, sets.whole, real.whole),
        "frechet_h": distance_estimate(_frechet, sets.hands, real.hands),
        "kernel_h": distance_estimate(_kernel, sets.hands, real.hands),
    }


def _frechet(a: np.ndarray, b: np.ndarray) -> float:
    return frechet_distance(Gaussian.of(a), Gaussian.of(b))


def _kernel(a: np.ndarray, b: np.ndarray) -> float:
    return kernel_distance(a, b, subsets=1, subset_size=len(a) + len(b)).mean


def scalar_cells(part: Shown, scalars: Sequence[Scalar]) -> dict[str, Estimate]:
    """Those that apply to at least one picture."""
    cells = {s.key: mean_estimate([v for pair in part.readings for v in s.values(*pair)]) for s in scalars}
    return {key: estimate for key, estimate in cells.items() if estimate is not None}


def main_table(
    name: str,
    title: str,
    parts: Sequence[Shown],
    *,
    real: Shown,
    others: Shown,
    features: Features,
    scalars: Sequence[Scalar],
) -> Table:
    """`parts` against `real`; `others` are renders of other cases: their distance to `real` is the floor."""
    if len(real.rows) < 2 or len(others.rows) < 2:
        raise UserError("A table needs four held-out pictures or more.", code="too_few")
    truth = feature_sets(real, features)
    rows = []
    for part in parts:
        cells = scalar_cells(part, scalars)
        if part.name not in (CEILING, CHANCE) and len(part.rows) > 1:
            cells |= distance_cells(feature_sets(part, features), truth)
        if seconds := mean_estimate([row.seconds for row in part.rows if row.seconds]):
            cells["seconds"] = seconds
        if coded := mean_estimate([row.psnr_db for row in part.rows if row.psnr_db is not None]):
            cells["psnr"] = coded
        n = len(part.rows)
        rows.append(TableRow(name=part.name, title=part.title, n=n, cells=cells, note=part.note))
    floor = distance_cells(feature_sets(others, features), truth)
    rows.append(TableRow(name=FLOOR, title="other held-out renders (floor)", n=len(others.rows), cells=floor))
    columns = (*distance_columns(features.frechet, features.kernel), *scalars, PSNR, SECONDS)
    return Table(name=name, title=title, columns=columns, rows=tuple(rows))


def grouped_table(
    name: str,
    title: str,
    parts: Sequence[Shown],
    scalar: Scalar,
    groups: Mapping[str, Callable[[Case, Reading], bool]],
) -> Table:
    """One scalar a group of pictures: hand sizes, gestures."""
    columns = tuple(
        Column(
            key=key, title=key, better=scalar.better, digits=scalar.digits, meaning="", percent=scalar.percent
        )
        for key in groups
    )
    rows = []
    for part in parts:
        cells = {}
        for key, keep in groups.items():
            if estimate := scalar_cells(part.where(keep), [scalar]).get(scalar.key):
                cells[key] = estimate
        rows.append(TableRow(name=part.name, title=part.title, n=len(part.rows), cells=cells))
    return Table(name=name, title=title, columns=columns, rows=tuple(rows), note=scalar.meaning)


def paired_table(
    name: str, title: str, parts: Sequence[Shown], reference: str, scalars: Sequence[Scalar]
) -> Table | None:
    """Each method minus the reference over the cases that both have a number for.

    The cases differ more than the methods do, so a difference is surer than two means: its interval tells methods
    apart that the main table's cannot. Detection is part of no other column here: a hand must be found in both.
    """
    by_name = {part.name: part for part in parts if part.name not in YARDSTICKS}
    if reference not in by_name or len(by_name) < 2:
        return None
    base = by_name[reference]
    rows = []
    for part in by_name.values():
        if part is base:
            continue
        cells = {}
        for scalar in scalars:
            there, here = _by_case(base, scalar), _by_case(part, scalar)
            both = sorted(there.keys() & here.keys())
            if estimate := mean_estimate([here[i] - there[i] for i in both]):
                cells[scalar.key] = estimate
        rows.append(TableRow(name=part.name, title=part.title, n=len(part.rows), cells=cells))
    note = f"each method minus {base.title}, over the cases that both have; an interval without 0 tells them apart"
    columns = tuple(
        Column(
            key=s.key, title=f"Δ {s.title}", better=s.better, digits=s.digits, meaning="", percent=s.percent
        )
        for s in scalars
    )
    return Table(name=name, title=title, columns=columns, rows=tuple(rows), note=note)


def _by_case(part: Shown, scalar: Scalar) -> dict[int, float]:
    """Case index -> the mean of the scalar's values in that picture; only cases that have some."""
    values = {case.index: list(scalar.values(case, reading)) for case, reading in part.readings}
    return {index: float(np.mean(v)) for index, v in values.items() if v}


def by_hand_size() -> dict[str, Callable[[Case, Reading], bool]]:
    """By the longer side of the first requested hand's box, as a share of the picture's side."""

    def between(low: float, high: float) -> Callable[[Case, Reading], bool]:
        return lambda case, reading: bool(reading.hands) and low <= reading.hands[0].size < high

    return {title: between(low, high) for low, high, title in BUCKETS}


def by_gesture(gestures: Sequence[str]) -> dict[str, Callable[[Case, Reading], bool]]:
    def asked(gesture: str) -> Callable[[Case, Reading], bool]:
        return lambda case, reading: case.gesture == gesture

    return {gesture: asked(gesture) for gesture in gestures}
