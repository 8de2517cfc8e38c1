"""Tables of measurements as `python -m engine.evaluate` writes them: assets/results/*.json."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.evaluate.suites import result_files

logger = logging.getLogger(__name__)
_ARROWS = {"higher": "↑", "lower": "↓", "": ""}


@dataclass(frozen=True, kw_only=True)
class Cell:
    value: str
    interval: str = ""
    is_best: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    title: str
    note: str
    is_yardstick: bool
    cells: tuple[Cell, ...]
    count: int  # pictures, hands or crops, whichever is most


@dataclass(frozen=True, kw_only=True)
class Table:
    title: str
    note: str
    columns: tuple[tuple[str, str], ...]  # heading with its arrow, meaning
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Results:
    """One run of the command: the main table, those beside it, and the pictures it drew."""

    facts: dict[str, Any]  # how the numbers were made
    main: Table
    others: tuple[Table, ...]
    chart: Path | None = None
    sheet: Path | None = None


def load_results(folder: Path) -> list[Results]:
    """What is there: suites, ablations, downstream; a file of another shape is left out and named in the log."""
    results = []
    for path in result_files(folder):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            main, *others = map(_table, data["tables"])
            facts = dict(data["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            logger.warning("%s holds no tables", path.name, exc_info=True)
            continue
        chart, sheet = (path.with_suffix(ending) for ending in (".png", ".webp"))
        results.append(
            Results(
                facts=facts,
                main=main,
                others=tuple(others),
                chart=chart if chart.is_file() else None,
                sheet=sheet if sheet.is_file() else None,
            )
        )
    return results


def _table(data: dict[str, Any]) -> Table:
    columns = [c for c in data["columns"] if any(c["key"] in row["cells"] for row in data["rows"])]
    best = {c["key"]: _best(data["rows"], c) for c in columns}
    rows = tuple(
        Row(
            title=row["title"],
            note=row["note"],
            is_yardstick=row["yardstick"],
            cells=tuple(_cell(row["cells"].get(c["key"]), c, best[c["key"]] == row["name"]) for c in columns),
            count=max((cell["n"] for cell in row["cells"].values()), default=0),
        )
        for row in data["rows"]
    )
    headings = tuple((f"{c['title']} {_ARROWS[c['better']]}".strip(), c["meaning"]) for c in columns)
    return Table(title=data["title"], note=data["note"], columns=headings, rows=rows)


def _best(rows: list[dict[str, Any]], column: dict[str, Any]) -> str | None:
    values = {
        row["name"]: row["cells"][column["key"]]["value"]
        for row in rows
        if not row["yardstick"] and column["key"] in row["cells"]
    }
    if not values or not column["better"]:
        return None
    return (max if column["better"] == "higher" else min)(values, key=values.__getitem__)


def _cell(estimate: dict[str, Any] | None, column: dict[str, Any], is_best: bool) -> Cell:
    if estimate is None:
        return Cell(value="–")
    scale = 100 if column["percent"] else 1
    value, low, high = (f"{estimate[k] * scale:.{column['digits']}f}" for k in ("value", "low", "high"))
    return Cell(value=value, interval=f"{low} – {high}", is_best=is_best)
