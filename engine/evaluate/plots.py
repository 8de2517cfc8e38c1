"""A table as small bar charts, one a column: methods as bars with their intervals, yardsticks as lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.evaluate.metrics import Column
from engine.evaluate.suites import AUTOENCODER, CEILING, CHANCE
from engine.evaluate.tables import FLOOR, YARDSTICKS, Table, TableRow, used

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 4
CHART_INCHES = (3.4, 2.6)
DPI = 110
LINES = {CEILING: "-", AUTOENCODER: "-.", CHANCE: ":", FLOOR: "--"}


def plot(table: Table, path: Path) -> None:
    """The columns that have numbers, as a PNG; nothing for a table without any."""
    from matplotlib.figure import Figure

    columns = used(table)
    if not columns:
        return
    methods = [row for row in table.rows if row.name not in YARDSTICKS]
    yardsticks = [row for row in table.rows if row.name in YARDSTICKS]
    across = min(ACROSS, len(columns))
    down = -(-len(columns) // across)
    width, height = CHART_INCHES
    figure = Figure(figsize=(width * across, height * down), layout="constrained")
    charts = list(figure.subplots(down, across, squeeze=False).flat)
    for axes, column in zip(charts, columns, strict=False):
        _draw(axes, column, methods, yardsticks)
    for axes in charts[len(columns) :]:
        axes.remove()
    lines = {line.get_label(): line for axes in figure.axes for line in axes.get_legend_handles_labels()[0]}
    if lines:
        figure.legend(lines.values(), lines.keys(), fontsize=7, loc="outside lower center", ncols=len(lines))
    figure.savefig(path, dpi=DPI)


def _draw(axes: Axes, column: Column, methods: Sequence[TableRow], yardsticks: Sequence[TableRow]) -> None:
    for place, row in enumerate(methods):
        if estimate := row.cells.get(column.key):
            value, low, high = (v * column.scale for v in (estimate.value, estimate.low, estimate.high))
            reach = [[max(value - low, 0)], [max(high - value, 0)]]
            axes.bar(place, value, yerr=reach, color=f"C{place}", capsize=3)
    for row in yardsticks:
        if estimate := row.cells.get(column.key):
            height = estimate.value * column.scale
            axes.axhline(height, color="0.4", linestyle=LINES[row.name], linewidth=1, label=row.title)
    axes.set_title(f"{column.title} {column.arrow}", fontsize=9)
    axes.set_xlim(-0.6, len(methods) - 0.4)
    names = [row.title for row in methods]
    axes.set_xticks(range(len(methods)), names, rotation=35, ha="right", fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
