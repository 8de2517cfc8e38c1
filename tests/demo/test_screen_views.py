"""Overlay, plan table, grid, charts, tables: pictures and rows from results."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from fake_engine import CATALOGUE, SIZE, result

from demo.views import overlay, plan_table
from demo.views.grid import labelled_grid
from demo.views.plots import line_chart
from demo.views.results import load_results
from engine.types import Request

REQUEST = Request(prompt="a red shirt", size=SIZE)
PLAN = CATALOGUE["sd"].plan(REQUEST)


def test_the_overlay_is_where_the_heat_is():
    """Non-square, and the heat in one corner: swapped axes would put it elsewhere."""
    image = np.full((96, 64, 3), 100, np.uint8)
    heat = np.zeros((12, 8), np.float32)
    heat[1, 6] = 1  # top right
    changed = np.abs(overlay.blend(image, heat).astype(int) - 100).sum(axis=2)
    row, column = np.unravel_index(changed.argmax(), changed.shape)
    assert row < 24
    assert column > 40
    assert changed[60:, :].max() == 0


def test_even_heat_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (96, 64, 3), np.uint8)
    assert np.array_equal(overlay.blend(image, np.full((12, 8), 0.3, np.float32)), image)


def test_one_span_makes_columns_comparable():
    image = np.zeros((8, 8, 3), np.uint8)
    weak = np.linspace(0, 0.1, 16, dtype=np.float32).reshape(4, 4)
    strong = 4 * weak
    span = overlay.span_of([weak, None, strong])
    assert span == (0, pytest.approx(0.4))
    assert overlay.blend(image, weak, span=span).sum() < overlay.blend(image, strong, span=span).sum()
    assert np.array_equal(overlay.blend(image, weak), overlay.blend(image, strong))
    assert overlay.span_of([None]) is None


def test_colours_get_lighter_all_the_way():
    colors = overlay.colorize(np.linspace(0, 1, 50)[None])[0].astype(float)
    lightness = colors @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > 0).all()


def test_heat_of_words_sites_and_hand_words():
    made = result(PLAN)
    hand = overlay.word_heat(made, overlay.HAND_WORDS)
    assert np.array_equal(hand, made.heat[list(made.hand_words)].sum(axis=0))
    assert np.array_equal(overlay.word_heat(made, 1, "up.1"), made.heat_sites["up.1"][1])
    assert overlay.word_heat(made, 99) is None
    assert overlay.word_heat(replace(made, hand_words=()), overlay.HAND_WORDS) is None
    assert overlay.word_index(made, "RED") == 1
    assert overlay.word_index(made, "blue") is None


def test_plans_differ_where_they_differ():
    other = CATALOGUE["controlnet"].plan(replace(REQUEST, seed=5), strength=0.5)
    rows = {row.field: row for row in plan_table.compare({"sd": PLAN, "controlnet": other})}
    assert {field for field, row in rows.items() if row.differs} == {"weights", "seed"}
    assert rows["seed"].values == ("0", "5")
    assert "method" not in rows  # a label, not a difference


def test_a_swapped_part_shows():
    other = replace(PLAN, attention=())
    rows = {row.field: row for row in plan_table.compare({"a": PLAN, "b": other})}
    assert rows["attention[0]"].values == ("Recorder", None)


def test_the_grid_has_every_picture_in_its_place():
    red, blue = (np.full((20, 30, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    picture = labelled_grid([[red, None, blue]], ["one method"], ["seed 1", "seed 2", "seed 3"])
    ys, xs = np.nonzero((picture == (255, 0, 0)).all(axis=2))
    yb, xb = np.nonzero((picture == (0, 0, 255)).all(axis=2))
    assert len(xs) == len(xb) == 600
    assert (np.ptp(ys) + 1, np.ptp(xs) + 1) == (20, 30)
    assert ys.min() == yb.min()
    assert xb.min() - xs.min() == 2 * (30 + 8)


def test_the_chart_is_whole_svg_with_a_line_a_series():
    svg = line_chart(
        {"a & b": [0.1, 0.2, 0.3], "c": [0.0, 0.4, 0.1]}, title="Share", x_label="Step", y_label="Share"
    )
    tree = ElementTree.fromstring(f"<div>{svg}</div>")
    lines = tree.findall(".//polyline")
    assert len(lines) == 2
    assert all(len(line.attrib["points"].split()) == 3 for line in lines)
    assert tree.find("svg").attrib["aria-label"] == "Share"
    tops = [float(pair.split(",")[1]) for pair in lines[1].attrib["points"].split()]
    assert tops[1] < tops[2] < tops[0]  # more is higher


def test_evaluation_tables_are_read_as_they_are_written(tmp_path):
    column = {"key": "fid", "title": "FID", "better": "lower", "digits": 1, "meaning": "m", "percent": False}
    cells = [{"fid": {"value": v, "low": v - 1, "high": v + 1, "n": 9}} for v in (3.0, 5.0, 1.0)]
    rows = [
        {"name": name, "title": name, "note": "", "yardstick": name == "floor", "cells": cell}
        for name, cell in zip(("sd", "sesahand", "floor"), cells, strict=True)
    ]
    table = {"name": "t", "title": "T", "note": "", "columns": [column], "rows": rows}
    (tmp_path / "a.json").write_text(json.dumps({"facts": {"N": 9}, "tables": [table]}))
    (tmp_path / "b.json").write_text("not json")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "x-ablate-y.json").write_text(json.dumps({"facts": {}, "tables": [table, table]}))
    results, ablation = load_results(tmp_path)
    assert len(ablation.others) == 1
    assert results.chart == tmp_path / "a.png"
    assert results.sheet is None
    read = results.main
    assert read.columns == (("FID ↓", "m"),)
    assert [row.cells[0].is_best for row in read.rows] == [True, False, False]  # a floor wins nothing
    assert read.rows[1].cells[0].interval == "4.0 – 6.0"
    assert read.rows[2].is_yardstick
