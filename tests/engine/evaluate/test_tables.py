"""Tables from made-up readings whose numbers are known."""

from __future__ import annotations

import functools
import json
import re

import numpy as np
import pytest

from engine.evaluate import report, tables
from engine.evaluate.cases import Case
from engine.evaluate.metrics import (
    SECONDS,
    colour_scalars,
    distance_columns,
    gesture_scalar,
    hand_scalars,
)
from engine.evaluate.reading import Detection, HandReading, Reading
from engine.evaluate.run import Row
from engine.types import Camera

CAMERA = Camera.simple(focal_px=60, width_px=64, height_px=64)
POINTS = [[20.0 + i, 30.0 + i % 5] for i in range(21)]
SCALARS = {s.key: s for s in (*hand_scalars(), *colour_scalars())}


class NamesBySide:
    """A classifier for which every left hand says palm."""

    def name(self, world_m, side):
        return "palm" if side == "left" else "fist"


def case(index: int, gesture: str = "palm", shirt: str = "red") -> Case:
    return Case(
        index=index,
        captions={"short": f"a man in a {shirt} shirt in a field"},
        attributes={"gesture": gesture, "shirt": shirt},
        hands=(),
        camera=CAMERA,
        image=None,
    )


def reading(*, found: bool, error: float = 10.0, side="left", shirt="red", size=0.3, conf=(0.9,)) -> Reading:
    detection = Detection(side=side, score=0.8, points_px=POINTS, world_m=[[0.0] * 3] * 21)
    hand = HandReading(points_px=POINTS, size=size)
    if found:
        hand = HandReading(
            points_px=POINTS, size=size, detection=0, error_2d_percent=error, mse_2d_percent=1.0,
            mpjpe_3d_mm=20.0, pa_mpjpe_mm=6.0, pa_mpvpe_mm=None, mask_iou=0.5,
        )  # fmt: skip
    return Reading(
        detections=(detection,) if found else (), confidences=conf, hands=(hand,), shirt=shirt, wall="blue"
    )


def part(
    name: str, readings: list[Reading], *, gestures=None, seed: int = 0, seconds: float = 0.0
) -> tables.Shown:
    rng = np.random.default_rng(seed)
    pictures = {i: rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for i in range(len(readings))}
    cases = [case(i, gesture=(gestures or ["palm"] * len(readings))[i]) for i in range(len(readings))]
    rows = {i: Row(case=i, key="", seconds=seconds, reading=r) for i, r in enumerate(readings)}
    return tables.shown(name, name.upper(), cases, rows, pictures.__getitem__)


class MeanColour:
    """Features: the mean of each quarter of a picture."""

    frechet, kernel, crop_px = "FD-world", "KD-world", 16

    def __call__(self, images):
        x = np.stack(images).astype(np.float64)
        half = x.shape[1] // 2
        return np.concatenate([x[:, :half].mean((1, 2)), x[:, half:].mean((1, 2))], 1)


def test_scalars_of_known_readings():
    two = part("a", [reading(found=True, conf=(0.9, 0.7)), reading(found=False, conf=())])
    cells = tables.scalar_cells(two, list(SCALARS.values()))
    assert cells["hand_conf"].value == pytest.approx(0.8)  # pictures without a hand are ignored
    assert cells["hand_conf"].n == 2
    assert cells["hand_score"].value == pytest.approx(0.4)  # here they count as 0
    assert cells["detected"].value == 0.5
    assert cells["error_2d"].value == 10.0
    assert cells["error_2d"].n == 1
    assert cells["mse_3d"].value == pytest.approx(2.0)  # cm
    assert cells["mask_iou"].value == 0.25
    assert "pa_mpvpe" not in cells  # a hand model of another topology has none
    assert cells["shirt"].value == 1.0
    assert "wall" not in cells  # the prompt names none


def test_gesture_needs_the_asked_one_and_a_hand():
    scalar = gesture_scalar(NamesBySide())
    readings = [reading(found=True), reading(found=True, side="right"), reading(found=False)]
    assert tables.scalar_cells(part("a", readings), [scalar])["gesture"].value == pytest.approx(1 / 3)
    unnamed = part("a", readings, gestures=["none"] * 3)
    assert tables.scalar_cells(unnamed, [scalar]) == {}


def test_groups():
    sizes = part(
        "a", [reading(found=True, size=0.1), reading(found=False, size=0.1), reading(found=True, size=0.9)]
    )
    table = tables.grouped_table("t", "by size", [sizes], SCALARS["detected"], tables.by_hand_size())
    (row,) = table.rows
    assert [row.cells[c.key].value for c in table.columns if c.key in row.cells] == [0.5, 1.0]
    named = part("a", [reading(found=True)] * 4, gestures=["palm", "ok", "ok", "none"])
    table = tables.grouped_table(
        "t", "by gesture", [named], SCALARS["detected"], tables.by_gesture(["ok", "four"])
    )
    assert {key: e.n for key, e in table.rows[0].cells.items()} == {"ok": 2}


def test_differences_are_taken_case_by_case():
    """Cases that differ by 40 points, methods that differ by 2: the interval of the difference is exact."""
    errors = [10.0, 50.0, 30.0, 20.0]
    base = part("base", [reading(found=True, error=e) for e in errors])
    better = part("better", [reading(found=i != 3, error=e - 2) for i, e in enumerate(errors)])
    table = tables.paired_table("t", "T", [base, better], "base", [SCALARS["error_2d"], SCALARS["detected"]])
    (row,) = table.rows
    error = row.cells["error_2d"]
    assert (error.value, error.low, error.high, error.n) == (-2.0, -2.0, -2.0, 3)  # the fourth has no hand
    assert row.cells["detected"].value == -0.25
    assert tables.paired_table("t", "T", [base, better], "absent", list(SCALARS.values())) is None


@functools.cache
def main_table() -> tables.Table:
    real = part("renders", [reading(found=True)] * 20, seed=1)
    others = part("renders", [reading(found=True)] * 20, seed=2)
    same = part("same", [reading(found=True)] * 20, seed=1, seconds=2.0)
    poor = part("poor", [reading(found=i % 2 == 0, error=30.0) for i in range(20)], seed=3)
    dark = part("dark", [reading(found=False)] * 20, seed=4)
    darker = tables.dataclasses.replace(dark, picture=lambda i: dark.picture(i) // 3)
    return tables.main_table(
        "toy", "Toy & table", [same, poor, darker, real], real=real, others=others, features=MeanColour(),
        scalars=list(SCALARS.values()),
    )  # fmt: skip


def test_main_table_has_methods_ceiling_and_floor():
    table = main_table()
    rows = {row.name: row.cells for row in table.rows}
    assert [row.name for row in table.rows] == ["same", "poor", "dark", "renders", "floor"]
    assert [c.title for c in table.columns[:4]] == ["FD-world", "KD-world", "FD-H-world", "KD-H-world"]
    assert rows["same"]["frechet"].value == pytest.approx(0, abs=1e-6)
    assert 0 < rows["floor"]["frechet"].value < rows["dark"]["frechet"].value / 10
    assert rows["dark"]["frechet_h"].n == 20  # an undetected hand is cropped where it was asked for
    assert "frechet" not in rows["renders"]
    assert rows["same"]["seconds"].value == 2.0
    assert "seconds" not in rows["poor"]


def test_refused_cases_are_told():
    cases = [case(0), case(1)]
    rows = {
        0: Row(case=0, key="", reading=reading(found=True)),
        1: Row(case=1, key="", refused="No gesture."),
    }
    shown = tables.shown("a", "A", cases, rows, lambda i: np.zeros((8, 8, 3), np.uint8))
    assert [c.index for c in shown.cases] == [0]
    assert shown.note == "1 of 2 cases refused: No gesture."


def test_names_of_distances():
    def titles(*names):
        return [c.title for c in distance_columns(*names)]

    assert titles("FID", "KID") == ["FID", "KID", "FID-H", "KID-H"]
    assert titles("FD-world", "KD-world") == ["FD-world", "KD-world", "FD-H-world", "KD-H-world"]


def test_reports(tmp_path):
    table = main_table()
    paths = report.write([table], {"profile": "toy", "cases": 20}, tmp_path, "toy")
    assert [p.suffix for p in paths] == [".json", ".md", ".tex", ".png"]
    assert all(p.stat().st_size > 100 for p in paths)
    data = json.loads(paths[0].read_text())
    assert data["facts"] == {"profile": "toy", "cases": 20}
    poor = next(row for row in data["tables"][0]["rows"] if row["name"] == "poor")
    assert poor["cells"]["detected"]["value"] == 0.5
    markdown = paths[1].read_text()
    header = next(line for line in markdown.splitlines() if line.startswith("| |"))
    lines = [line for line in markdown.splitlines() if re.match(r"\| (SAME|POOR|DARK|REND|other)", line)]
    assert len(lines) == 5
    assert {line.count("|") for line in [header, *lines]} == {header.count("|")}
    assert "| **100.0** [100.0, 100.0] |" in lines[0]  # the best method; the ceiling wins nothing
    assert "**" not in lines[3]
    assert "**" not in lines[4]
    assert "PA-MPVPE" not in markdown  # a column without a number
    latex = paths[2].read_text()
    assert latex.count(r"\\") == 6  # a head and five rows
    assert "toprule" in latex


def test_best_follows_the_direction():
    table = main_table()
    columns = {c.key: c for c in table.columns}
    assert report.best_row(table, columns["error_2d"]) == "same"
    assert report.best_row(table, columns["detected"]) == "same"
    assert report.best_row(table, SECONDS) is None
