"""Tables as Markdown, LaTeX and JSON, with a plot beside them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.evaluate.intervals import Estimate
from engine.evaluate.metrics import Column
from engine.evaluate.plots import plot
from engine.evaluate.tables import YARDSTICKS, Table, used

LATEX_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}
PLAIN = ("key", "title", "better", "digits", "meaning", "percent")


def to_json(tables: Sequence[Table], facts: dict[str, Any]) -> dict[str, Any]:
    """`facts` say how the numbers were made: profile, N, steps, weights, date."""
    return {"facts": facts, "tables": [_table_json(table) for table in tables]}


def _table_json(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "note": table.note,
        "columns": [{key: getattr(column, key) for key in PLAIN} for column in table.columns],
        "rows": [
            {
                "name": row.name,
                "title": row.title,
                "n": row.n,
                "note": row.note,
                "yardstick": row.name in YARDSTICKS,
                "cells": {key: dataclasses.asdict(estimate) for key, estimate in row.cells.items()},
            }
            for row in table.rows
        ],
    }


def to_markdown(table: Table) -> str:
    """Value with its interval; the best method of a column in bold; what the columns mean below."""
    columns = used(table)
    lines = [f"### {table.title}", ""]
    lines.append("| | " + " | ".join(f"{c.title} {c.arrow}".strip() for c in columns) + " | N |")
    lines.append("|---|" + "---|" * (len(columns) + 1))
    best = {column.key: best_row(table, column) for column in columns}
    for row in table.rows:
        cells = [_cell(row.cells.get(c.key), c, best[c.key] == row.name, "**{}**".format) for c in columns]
        lines.append(f"| {row.title} | " + " | ".join([*cells, str(row.n)]) + " |")
    lines.append("")
    lines += [f"- {c.title}: {c.meaning}." for c in columns if c.meaning]
    lines += [f"- {row.title}: {row.note}" for row in table.rows if row.note]
    if table.note:
        lines.append(f"- {table.note}.")
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """A booktabs tabular."""
    columns = used(table)
    best = {column.key: best_row(table, column) for column in columns}
    head = " & ".join(["", *(_escape(c.title) + LATEX_ARROWS[c.better] for c in columns), "N"])
    lines = [r"\begin{tabular}{l" + "r" * (len(columns) + 1) + "}", r"\toprule", head + r" \\", r"\midrule"]
    for row in table.rows:
        cells = [
            _cell(
                row.cells.get(c.key),
                c,
                best[c.key] == row.name,
                r"\textbf{{{}}}".format,
                r"{} \tiny [{}, {}]",
            )
            for c in columns
        ]
        lines.append(" & ".join([_escape(row.title), *cells, str(row.n)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def best_row(table: Table, column: Column) -> str | None:
    rows = [r for r in table.rows if r.name not in YARDSTICKS and column.key in r.cells]
    if not rows or not column.better:
        return None
    pick = max if column.better == "higher" else min
    return pick(rows, key=lambda row: row.cells[column.key].value).name


def _cell(
    estimate: Estimate | None,
    column: Column,
    is_best: bool,
    bold: Callable[[str], str],
    shape: str = "{} [{}, {}]",
) -> str:
    if estimate is None:
        return "–"
    scale = 100 if column.percent else 1
    value, low, high = (
        f"{v * scale:.{column.digits}f}" for v in (estimate.value, estimate.low, estimate.high)
    )
    return shape.format(bold(value) if is_best else value, low, high)


def _escape(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")


def write(tables: Sequence[Table], facts: dict[str, Any], folder: Path, name: str) -> list[Path]:
    """name.json, name.md, name.tex and a plot of the first table."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}{ending}" for ending in (".json", ".md", ".tex", ".png")]
    paths[0].write_text(
        json.dumps(to_json(tables, facts), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    told = ", ".join(f"{key} {value}" for key, value in facts.items())
    paths[1].write_text(f"{told}\n\n" + "\n".join(map(to_markdown, tables)), encoding="utf-8")
    paths[2].write_text("\n".join(map(to_latex, tables)), encoding="utf-8")
    plot(tables[0], paths[3])
    return paths
