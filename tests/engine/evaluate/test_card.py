from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.evaluate.card import BEGIN, END, read_table, replaced
from engine.evaluate.intervals import Estimate
from engine.evaluate.metrics import Column
from engine.evaluate.report import to_json
from engine.evaluate.tables import Table, TableRow
from engine.types import UserError

ROOT = Path(__file__).parents[3]
TABLE = Table(
    name="t",
    title="A table",
    note="a note",
    columns=(
        Column(key="detected", title="detected", better="higher", digits=1, meaning="m", percent=True),
        Column(key="seconds", title="s", better="", digits=1, meaning="m"),
    ),
    rows=(
        TableRow(
            name="sd",
            title="SD",
            n=4,
            cells={"detected": Estimate(0.5, 0.25, 0.75, 4), "seconds": Estimate(9, 8, 10, 4)},
        ),
        TableRow(name="renders", title="ceiling", n=4, cells={"detected": Estimate(1, 1, 1, 4)}),
    ),
)


@pytest.fixture
def folder(tmp_path):
    data = to_json([TABLE], {"cases": 4, "corpus": "plain", "profile": "p"})
    (tmp_path / "p-structure.json").write_text(json.dumps(data))
    (tmp_path / "downstream.json").write_text(json.dumps(data).replace("A table", "The last"))
    (tmp_path / "p-ablate-a.json").write_text(json.dumps(data).replace("A table", "An ablation"))
    return tmp_path


def test_a_table_comes_back_from_its_json():
    assert read_table(json.loads(json.dumps(to_json([TABLE], {})))["tables"][0]) == TABLE


def test_the_card_gets_the_tables_between_its_marks(folder):
    text = replaced(f"before\n{BEGIN}\nold\n{END}\nafter\n", folder)
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| SD | **50.0** [25.0, 75.0] | 4 |" in text  # without the seconds
    assert "cases 4, corpus plain; a note." in text
    assert text.index("A table") < text.index("An ablation") < text.index("The last")
    assert replaced(text, folder) == text
    with pytest.raises(UserError):
        replaced("no marks", folder)


def test_the_shipped_card_says_what_the_results_say():
    """`python -m engine.evaluate card` was run after the last table."""
    card = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert replaced(card, ROOT / "assets/results") == card
