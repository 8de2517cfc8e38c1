"""The results as HTML with small SVG plots for the owner's page, and as text for the command line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from demo.study.analysis import Analysis, Axis
from demo.study.power import StudyPlan
from demo.study.statistics import LEVEL, Estimate

_PLOT_PX = 240  # width of a plot of one interval
_ROW_PX = 22


# --- numbers ------------------------------------------------------------------------------------------


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else "–"


def _shares(estimate: Estimate) -> str:
    return f"{_percent(estimate.value)} [{_percent(estimate.low)}, {_percent(estimate.high)}]"


def _values(estimate: Estimate) -> str:
    return f"{_number(estimate.value)} [{_number(estimate.low)}, {_number(estimate.high)}]"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _of(part: tuple[int, int]) -> str:
    return f"{part[0]} of {part[1]} ({_percent(part[0] / part[1])})" if part[1] else "none yet"


def as_json(analysis: Analysis) -> dict[str, Any]:
    """Every number, with None where one is not defined."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return plain(dataclasses.asdict(analysis))


# --- tables: what both forms show ---------------------------------------------------------------------

Table = tuple[Sequence[str], list[Sequence[str]]]  # heads, rows


def _overview(a: Analysis) -> Table:
    rows = [
        ("enrolled", str(a.enrolled)),
        ("finished", _of((a.finished, a.enrolled))),
        ("withdrawn, data deleted", str(a.withdrawn)),
        ("excluded by the rules", _of((len(a.excluded), a.enrolled))),
        ("identical pairs recognised", _of(a.checks["identical"])),
        ("broken hands recognised", _of(a.checks["broken"])),
        ("repeated pairs answered the same", _of(a.consistent)),
    ]
    return ("", ""), rows


def _ranking(axis: Axis) -> Table:
    rows = [(s.method, _values(s.strength), _shares(s.share), f"{s.share.n:g}") for s in axis.ranking]
    return ("method", f"strength [{LEVEL:.0%}]", f"preferred [{LEVEL:.0%}]", "votes"), rows


def _pairs(axis: Axis) -> Table:
    rows = [
        (
            f"{pair.first} – {pair.second}",
            f"{pair.wins} : {pair.losses}",
            str(pair.ties),
            str(pair.both_bad),
            _shares(pair.share),
            _p(pair.p),
            _p(pair.p_holm),
        )
        for pair in axis.pairs
    ]
    return ("pair", "votes", "ties", "both bad", f"first preferred [{LEVEL:.0%}]", "p", "p (Holm)"), rows


def _ratings(axis: Axis) -> Table:
    rows = [(method, _values(mean), f"{mean.n:g}") for method, mean in axis.ratings]
    return ("method", f"mean of 1–5 [{LEVEL:.0%}]", "ratings"), rows


def _items(a: Analysis, axis: Axis) -> Table:
    show = _percent if axis.kind == "pairwise" else _number
    rows = [
        (item, *(f"{show(cells[method][0])} ({cells[method][1]})" for method in a.methods))
        for item, cells in axis.by_item.items()
    ]
    return ("item", *a.methods), rows


def _facts(axis: Axis) -> str:
    if not axis.votes:
        return "No answers yet."
    low, middle, high = axis.seconds
    facts = [
        f"{axis.votes} answers",
        f"agreement (Krippendorff's alpha) {_number(axis.alpha)}",
        f"response time {_number(middle, 1)} s, quartiles {_number(low, 1)} and {_number(high, 1)} s",
    ]
    if axis.left_share is not None:
        facts.append(f"left chosen {_shares(axis.left_share)}")
    return "; ".join(facts) + "."


def _notes(a: Analysis) -> str:
    ties = "left out of shares" if a.ties == "excluded" else "counted as half a vote for each"
    return (
        f"Ties and both-bad answers are {ties}. "
        "Shares: Wilson's interval; where participants voted more than once, with the design effect between "
        "participants and Student's quantile. Strength: maximum likelihood, interval by bootstrap over "
        "participants. p: exact two-sided binomial test of the decided votes, and adjusted for the number of "
        "pairs. Practice and check pairs are not counted."
    )


# --- text ---------------------------------------------------------------------------------------------


def text(a: Analysis) -> str:
    """For a terminal."""
    parts = [f"{a.study}, version {a.version}", _text_table(_overview(a))]
    parts += [f"  excluded {who}: {why}" for who, why in a.excluded.items()]
    for axis in a.axes:
        parts.append(f"== {axis.question} ==\n{axis.text} {_facts(axis)}")
        tables = (_ranking(axis), _pairs(axis)) if axis.kind == "pairwise" else (_ratings(axis),)
        parts += [_text_table(table) for table in (*tables, _items(a, axis))]
    return "\n\n".join([*parts, _notes(a)]) + "\n"


def _text_table(table: Table) -> str:
    heads, rows = table
    lines = [row for row in (heads, *rows) if any(row)]
    widths = [max(len(row[column]) for row in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )


def power_text(plan: StudyPlan) -> str:
    return (
        f"To find a preference of {_percent(plan.share)} with a chance of {_percent(plan.wanted)} (two-sided "
        f"sign test at 5 %), each pair needs {plan.votes} decided votes (power {_percent(plan.reached)}; "
        f"Wilson's interval would be {_percent(plan.interval.low)} to {_percent(plan.interval.high)}). "
        f"With {_percent(plan.ties)} ties, {plan.pairs} pairs, {plan.comparisons} comparisons each and a "
        f"design effect of {plan.effect:.2f}, that takes {plan.participants} participants."
    )


# --- HTML ---------------------------------------------------------------------------------------------


def power_html(plan: StudyPlan) -> str:
    return f"<p>{escape(power_text(plan))}</p>"


def html(a: Analysis) -> str:
    """For the owner's page; its classes are in static/study.css."""
    parts = [_html_table(_overview(a), "overview")]
    if a.excluded:
        listed = "".join(
            f"<li><code>{escape(who)}</code>: {escape(why)}</li>" for who, why in a.excluded.items()
        )
        parts.append(f"<details><summary>Excluded participants</summary><ul>{listed}</ul></details>")
    for axis in a.axes:
        parts.append(
            f"<h2>{escape(axis.question)}</h2><p><q>{escape(axis.text)}</q> {escape(_facts(axis))}</p>"
        )
        if axis.kind == "pairwise":
            span = max(
                (abs(b) for s in axis.ranking for b in (s.strength.low, s.strength.high) if math.isfinite(b)),
                default=1,
            )
            strengths = [_interval_svg(s.strength, -span, span, 0) for s in axis.ranking]
            parts.append(_html_table(_ranking(axis), "ranking", strengths))
            shares = [_interval_svg(pair.share, 0, 1, 0.5) for pair in axis.pairs]
            parts.append(_html_table(_pairs(axis), "pairs", shares))
        else:
            parts.append(
                _html_table(_ratings(axis), "ratings", [_interval_svg(m, 1, 5, 3) for _, m in axis.ratings])
            )
        parts.append(f"<details><summary>By item</summary>{_html_table(_items(a, axis), 'items')}</details>")
    parts.append(
        f"<h2>Response times</h2>{_histogram_svg(a.seconds)}<p class='notes'>{escape(_notes(a))}</p>"
    )
    return "".join(parts)


def _html_table(table: Table, name: str, plots: Sequence[str] | None = None) -> str:
    heads, rows = table
    extra = plots or [""] * len(rows)
    head = (
        "".join(f"<th scope='col'>{escape(h)}</th>" for h in (*heads, *([""] if plots else [])))
        if any(heads)
        else ""
    )
    body = "".join(
        f"<tr><th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}"
        f"{f'<td>{plot}</td>' if plots else ''}</tr>"
        for row, plot in zip(rows, extra, strict=True)
    )
    return (
        f"<div class='table' tabindex='0' role='group' aria-label='{name}'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _interval_svg(estimate: Estimate, low: float, high: float, middle: float) -> str:
    """A dot with its interval on an axis from low to high, and a line at what means no preference."""
    if not estimate.n:
        return ""

    def x(value: float) -> float:
        return 4 + (_PLOT_PX - 8) * (min(max(value, low), high) - low) / ((high - low) or 1)

    y = _ROW_PX / 2
    return (
        f"<svg class='interval' viewBox='0 0 {_PLOT_PX} {_ROW_PX}' width='{_PLOT_PX}' height='{_ROW_PX}' "
        "aria-hidden='true'>"
        f"<line class='middle' x1='{x(middle):.1f}' x2='{x(middle):.1f}' y1='0' y2='{_ROW_PX}'/>"
        f"<line x1='{x(estimate.low):.1f}' x2='{x(estimate.high):.1f}' y1='{y}' y2='{y}'/>"
        f"<circle cx='{x(estimate.value):.1f}' cy='{y}' r='4'/></svg>"
    )


def _histogram_svg(seconds: Iterable[int]) -> str:
    """Answers by whole seconds; the last bar holds all that took longer."""
    longest, bar, height = 30, 16, 90
    counts = [0] * (longest + 1)
    for value in seconds:
        counts[min(value, longest)] += 1
    top = max(counts) or 1
    bars = "".join(
        f"<rect x='{i * bar + 1}' width='{bar - 2}' y='{height * (1 - c / top):.1f}' "
        f"height='{height * c / top:.1f}'>"
        f"<title>{i}{'+' if i == longest else ''} s: {c}</title></rect>"
        for i, c in enumerate(counts)
    )
    marks = "".join(
        f"<text x='{i * bar + bar / 2}' y='{height + 14}'>{i}{'+' if i == longest else ''}</text>"
        for i in range(0, longest + 1, 5)
    )
    width = bar * (longest + 1)
    label = f"Histogram of response times in seconds; {sum(counts)} answers"
    box = f"viewBox='0 0 {width} {height + 18}'"
    return f"<svg class='histogram' {box} role='img' aria-label='{label}'>{bars}{marks}</svg>"
