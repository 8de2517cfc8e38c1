"""The tables in MODEL_CARD.md: a few columns of what is in assets/results, so that the two cannot disagree."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from engine.evaluate.intervals import Estimate
from engine.evaluate.metrics import Column
from engine.evaluate.report import PLAIN, to_markdown
from engine.evaluate.suites import result_files
from engine.evaluate.tables import Table, TableRow
from engine.types import UserError

BEGIN, END = "<!-- tables: python -m engine.evaluate card -->", "<!-- end of the tables -->"
KEPT = (
    "detected", "error_2d", "pa_mpjpe", "mask_iou", "gesture", "shirt", "frechet", "frechet_h", "psnr",
    "mpjpe", "change",
)  # fmt: skip
FACTS = ("cases", "prompts", "steps", "corpus", "learnt from", "tested on")


def tables(folder: Path) -> str:
    """Markdown of each file's first table: the suites, their ablations, then the rest."""
    paths = result_files(folder)
    return "\n".join(_section(json.loads(path.read_text(encoding="utf-8"))) for path in paths)


def _section(data: dict[str, Any]) -> str:
    told = ", ".join(f"{name} {data['facts'][name]}" for name in FACTS if name in data["facts"])
    table = read_table(data["tables"][0])
    table = dataclasses.replace(table, columns=tuple(c for c in table.columns if c.key in KEPT))
    heading, _, rows = to_markdown(table).partition("\n")
    rows = "\n".join(line for line in rows.splitlines() if line.startswith("|"))
    notes = [note for note in (told, table.note) if note]
    return f"{heading}\n\n{rows}\n\n{'; '.join(notes)}.\n"


def read_table(data: dict[str, Any]) -> Table:
    """A table as `report.to_json` wrote it."""
    return Table(
        name=data["name"],
        title=data["title"],
        note=data["note"],
        columns=tuple(Column(**{key: column[key] for key in PLAIN}) for column in data["columns"]),
        rows=tuple(
            TableRow(
                name=row["name"],
                title=row["title"],
                n=row["n"],
                note=row["note"],
                cells={key: Estimate(**cell) for key, cell in row["cells"].items()},
            )
            for row in data["rows"]
        ),
    )


def replaced(text: str, folder: Path) -> str:
    """`text` with the folder's tables between its two marks."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise UserError(f"The card needs the lines {BEGIN} and {END}.", code="no_marks")
    return f"{before}{BEGIN}\n\n{tables(folder)}\n{END}{after}"
