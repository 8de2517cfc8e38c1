"""What `python -m engine.evaluate` does: runs suites, builds their tables, writes results and sheets."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.evaluate import metrics, report, run, tables
from engine.evaluate.cases import Case
from engine.evaluate.features import Features, ScriptedInception
from engine.evaluate.gestures import GestureClassifier
from engine.evaluate.metrics import Scalar
from engine.evaluate.readers import ATTRIBUTES, GESTURES
from engine.evaluate.run import Settings, folder_of, load_picture
from engine.evaluate.suites import CEILING, CHANCE, YARDSTICKS, Suite, Variant
from engine.evaluate.tables import Shown, Table

logger = logging.getLogger(__name__)
RESULTS = Path("assets/results")


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Optional downloads; the shipped networks stand in or the column is left out."""

    inception: Path | None = None
    clip: Path | None = None

    def features(self) -> Features:
        if self.inception:
            return ScriptedInception(self.inception)
        from engine.evaluate.attributes import WorldFeatures

        return WorldFeatures(ATTRIBUTES)


def evaluate(
    suite: Suite,
    variants: Sequence[Variant],
    settings: Settings,
    networks: Networks,
    reference: str | None = None,
) -> list[Table]:
    """Makes what is missing and reads everything: the main table, the differences to `reference` (the suite's if
    None), and the breakdowns.
    """
    available, missing = run.split_available(variants, settings)
    run.run(suite, [*YARDSTICKS, *available], settings)
    parts, others = collect(suite, [*available, *YARDSTICKS], settings)
    by_name = {part.name: part for part in parts}
    scalars = scalars_used()
    main = tables.main_table(
        suite.name,
        suite.title,
        parts,
        real=by_name[CEILING],
        others=others,
        features=networks.features(),
        scalars=scalars,
    )
    if networks.clip:
        main = with_clip(main, parts, suite, networks.clip)
    main = dataclasses.replace(main, note="; ".join([main.note, *missing]).strip("; "))
    paired = tables.paired_table(
        f"{suite.name}-paired", f"{suite.title}, case by case", parts, reference or suite.reference, scalars
    )
    return [main, *([paired] if paired else []), *breakdowns(suite, parts, scalars)]


def scalars_used() -> list[Scalar]:
    return [
        *metrics.hand_scalars(),
        metrics.gesture_scalar(GestureClassifier.load(GESTURES)),
        *metrics.colour_scalars(),
    ]


def breakdowns(suite: Suite, parts: Sequence[Shown], scalars: Sequence[Scalar]) -> list[Table]:
    """Detection and 2D error by the size of the hand; gesture accuracy by gesture."""
    known = {scalar.key: scalar for scalar in scalars}
    by_size = [
        tables.grouped_table(
            f"{suite.name}-{key}-by-size",
            f"{known[key].title} by hand size (box over the picture's side)",
            parts,
            known[key],
            tables.by_hand_size(),
        )
        for key in ("detected", "error_2d")
    ]
    names = suite.gestures or sorted({case.gesture for part in parts for case in part.cases if case.gesture})
    by_gesture = tables.grouped_table(
        f"{suite.name}-by-gesture",
        "Gesture recognised, by gesture",
        parts,
        known["gesture"],
        tables.by_gesture(names),
    )
    return [*by_size, by_gesture]


def collect(suite: Suite, variants: Sequence[Variant], settings: Settings) -> tuple[list[Shown], Shown]:
    """What was made of each variant; and the renders of further cases, which no method was asked for.

    Where the corpus has too few cases for that, the renders' own second half stands in and the first is
    compared with it: the floor is then that of half as many pictures.
    """
    cases = run.suite_cases(suite, settings, doubled=True)
    asked, others = cases[: settings.n], cases[settings.n :]
    if len(others) < len(asked):
        others = asked[len(asked) // 2 :]
    parts = [shown(suite, variant, asked, settings) for variant in variants]
    ceiling = next(variant for variant in variants if variant.name == CEILING)
    return parts, shown(suite, ceiling, others, settings)


def shown(suite: Suite, variant: Variant, cases: Sequence[Case], settings: Settings) -> Shown:
    folder = folder_of(suite, variant, settings)
    return tables.shown(variant.name, variant.title, cases, run.finished(folder), pictures_of(folder))


def pictures_of(folder: Path) -> Callable[[int], np.ndarray]:
    return lambda case: load_picture(folder, case)


def with_clip(table: Table, parts: Sequence[Shown], suite: Suite, folder: Path) -> Table:
    """The table with a CLIP column."""
    from engine.evaluate.clip import ClipScore
    from engine.evaluate.intervals import mean_estimate

    score = ClipScore(folder)
    cells = {}
    for part in parts:
        images = [part.picture(case.index) for case in part.cases]
        if images:
            cells[part.name] = mean_estimate(score(images, [case.prompt(suite.style) for case in part.cases]))
    rows = [
        dataclasses.replace(row, cells={**row.cells, metrics.CLIP.key: cells[row.name]})
        if row.name in cells
        else row
        for row in table.rows
    ]
    return dataclasses.replace(table, columns=(*table.columns, metrics.CLIP), rows=tuple(rows))


def published_table(suite: Suite, variants: Sequence[Variant], settings: Settings, inception: Path) -> Table:
    """The suite's pictures measured as Hand1000's scripts measure; without intervals, as there."""
    from engine.evaluate import published
    from engine.evaluate.intervals import Estimate

    features = ScriptedInception(inception, "hand1000")
    parts, _ = collect(suite, [*variants, *YARDSTICKS], settings)
    real = next(part for part in parts if part.name == CEILING)
    truth = [real.picture(case.index) for case in real.cases]
    rows = []
    for part in (part for part in parts if part.name not in (CEILING, CHANCE) and part.cases):
        values = published.distances([part.picture(case.index) for case in part.cases], truth, features)
        cells = {key: Estimate(v, v, v, len(part.cases)) for key, v in values.items()}
        rows.append(tables.TableRow(name=part.name, title=part.title, n=len(part.cases), cells=cells))
    return Table(
        name=f"{suite.name}-published",
        title="As Hand1000's published scripts measure",
        columns=published.COLUMNS,
        rows=tuple(rows),
        note="torchvision's Inception; not comparable with FID and KID elsewhere",
    )


def facts_of(suite: Suite, settings: Settings) -> dict[str, Any]:
    """How the numbers were made."""
    return {
        "suite": suite.name,
        "profile": settings.profile,
        "cases": settings.n,
        "steps": settings.steps or "as the profile",
        "prompts": suite.style,
        "corpus": settings.data.name,
        "intervals": "95 %, bootstrap",
    }


def sheet(suite: Suite, variants: Sequence[Variant], settings: Settings, path: Path) -> None:
    """The first 64 cases of every variant that has pictures."""
    from engine.evaluate.sheet import write_sheet

    cases = run.suite_cases(suite, settings)
    blocks = []
    for variant in variants:
        part = shown(suite, variant, cases, settings)
        if part.cases:
            blocks.append((variant.title, [case.index for case in part.cases], part.picture))
    write_sheet(blocks, path)
    logger.info("%s: %d methods", path, len(blocks))


def write(tables_: Sequence[Table], suite: Suite, settings: Settings, name: str, out: Path = RESULTS) -> None:
    for path in report.write(tables_, facts_of(suite, settings), out, name):
        logger.info("wrote %s", path)
