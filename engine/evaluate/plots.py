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

ACROSS = 6
CHART_WIDTH_INCHES, BAR_INCHES, FRAME_INCHES = 2.1, 0.27, 0.75
NAMES_INCHES = 1.6
DPI = 110
LINES = {CEILING: "-", AUTOENCODER: "-.", CHANCE: ":", FLOOR: "--"}


def plot(table: Table, path: Path) -> None:
    """The columns in which methods have a better and a worse, as a PNG; nothing for a table without any."""
    from matplotlib.figure import Figure

    methods = [row for row in table.rows if row.name not in YARDSTICKS]
    yardsticks = [row for row in table.rows if row.name in YARDSTICKS]
    columns = [c for c in used(table) if c.better and any(c.key in row.cells for row in methods)]
    if not columns:
        return
    across = min(ACROSS, len(columns))
    down = -(-len(columns) // across)
    size = (
        NAMES_INCHES + CHART_WIDTH_INCHES * across,
        (FRAME_INCHES + BAR_INCHES * len(methods)) * down + 0.3,
    )
    figure = Figure(figsize=size, layout="constrained")
    charts = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
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
            axes.barh(place, value, xerr=reach, height=0.7, color=f"C{place}", error_kw={"linewidth": 1})
    for row in yardsticks:
        if estimate := row.cells.get(column.key):
            place = estimate.value * column.scale
            axes.axvline(place, color="0.4", linestyle=LINES[row.name], linewidth=1, label=row.title)
    axes.set_title(f"{column.title} {column.arrow}", fontsize=9)
    axes.set_ylim(len(methods) - 0.4, -0.6)  # the first method on top
    axes.set_yticks(range(len(methods)), [row.title for row in methods])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
