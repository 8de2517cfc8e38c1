"""The results as HTML with small SVG plots for the owner's page, and as text for the command line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from demo.study.analysis import Analysis, Axis
from demo.study.power import StudyPlan
from demo.study.session import texts
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


Words = dict[str, Any]  # texts.yaml's results, in one language


def words(language: str = "en") -> Words:
    return texts()[language]["results"]


def _of(part: tuple[int, int], w: Words) -> str:
    if not part[1]:
        return w["none_yet"]
    return w["of"].format(part=part[0], all=part[1], share=_percent(part[0] / part[1]))


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


def _overview(a: Analysis, w: Words) -> Table:
    rows = [
        (w["enrolled"], str(a.enrolled)),
        (w["finished"], _of((a.finished, a.enrolled), w)),
        (w["withdrawn"], str(a.withdrawn)),
        (w["excluded"], _of((len(a.excluded), a.enrolled), w)),
        (w["identical"], _of(a.checks["identical"], w)),
        (w["broken"], _of(a.checks["broken"], w)),
        (w["repeated"], _of(a.consistent, w)),
    ]
    return ("", ""), rows


def _ranking(axis: Axis, w: Words) -> Table:
    rows = [(s.method, _values(s.strength), _shares(s.share), f"{s.share.n:g}") for s in axis.ranking]
    return (w["method"], _with_level(w["strength"]), _with_level(w["preferred"]), w["votes"]), rows


def _pairs(axis: Axis, w: Words) -> Table:
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
    names = ("pair", "votes", "ties", "both_bad")
    return (*(w[name] for name in names), _with_level(w["first_preferred"]), "p", "p (Holm)"), rows


def _ratings(axis: Axis, w: Words) -> Table:
    rows = [(method, _values(mean), f"{mean.n:g}") for method, mean in axis.ratings]
    return (w["method"], _with_level(w["mean_rating"]), w["ratings"]), rows


def _with_level(head: str) -> str:
    return f"{head} [{LEVEL:.0%}]"


def _items(a: Analysis, axis: Axis, w: Words) -> Table:
    show = _percent if axis.kind == "pairwise" else _number
    rows = [
        (item, *(f"{show(cells[method][0])} ({cells[method][1]})" for method in a.methods))
        for item, cells in axis.by_item.items()
    ]
    return (w["item"], *a.methods), rows


def _facts(axis: Axis, w: Words) -> str:
    if not axis.votes:
        return w["no_answers"]
    low, middle, high = (_number(value, 1) for value in axis.seconds)
    facts = [
        w["answers"].format(count=axis.votes),
        w["agreement"].format(alpha=_number(axis.alpha)),
        w["response"].format(middle=middle, low=low, high=high),
    ]
    if axis.left_share is not None:
        facts.append(w["left"].format(share=_shares(axis.left_share)))
    return w["join"].join(facts) + w["stop"]


def _notes(a: Analysis, w: Words) -> str:
    return w["ties_excluded" if a.ties == "excluded" else "ties_half"] + w["space"] + w["notes"]


def _reasons(a: Analysis, w: Words) -> list[tuple[str, str]]:
    return [
        (who, w["reasons"][reason.rule].format(value=f"{reason.value:g}"))
        for who, reason in a.excluded.items()
    ]


# --- text ---------------------------------------------------------------------------------------------


def text(a: Analysis) -> str:
    """For a terminal, in English."""
    w = words()
    parts = [w["version_of"].format(study=a.study, version=a.version), _text_table(_overview(a, w))]
    parts += [f"  {w['excluded_one'].format(who=who)}: {why}" for who, why in _reasons(a, w)]
    for axis in a.axes:
        parts.append(f"== {axis.question} ==\n{axis.text} {_facts(axis, w)}")
        tables = (_ranking(axis, w), _pairs(axis, w)) if axis.kind == "pairwise" else (_ratings(axis, w),)
        parts += [_text_table(table) for table in (*tables, _items(a, axis, w))]
    return "\n\n".join([*parts, _notes(a, w)]) + "\n"


def _text_table(table: Table) -> str:
    heads, rows = table
    lines = [row for row in (heads, *rows) if any(row)]
    widths = [max(len(row[column]) for row in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )


def power_text(plan: StudyPlan, language: str = "en") -> str:
    return words(language)["power"].format(
        share=_percent(plan.share),
        wanted=_percent(plan.wanted),
        votes=plan.votes,
        reached=_percent(plan.reached),
        low=_percent(plan.interval.low),
        high=_percent(plan.interval.high),
        ties=_percent(plan.ties),
        pairs=plan.pairs,
        comparisons=plan.comparisons,
        effect=f"{plan.effect:.2f}",
        participants=plan.participants,
    )


# --- HTML ---------------------------------------------------------------------------------------------


def power_html(plan: StudyPlan, language: str = "en") -> str:
    return f"<p>{escape(power_text(plan, language))}</p>"


def html(a: Analysis, language: str = "en") -> str:
    """For the owner's page; its classes are in static/study.css."""
    w = words(language)
    parts = [_html_table(_overview(a, w), w["overview"])]
    if a.excluded:
        listed = "".join(
            f"<li><code>{escape(who)}</code>{w['colon']}{escape(why)}</li>" for who, why in _reasons(a, w)
        )
        parts.append(f"<details><summary>{escape(w['excluded_all'])}</summary><ul>{listed}</ul></details>")
    for axis in a.axes:
        parts.append(
            f"<h2>{escape(axis.question)}</h2><p><q>{escape(axis.text)}</q> {escape(_facts(axis, w))}</p>"
        )
        if axis.kind == "pairwise":
            span = max(
                (abs(b) for s in axis.ranking for b in (s.strength.low, s.strength.high) if math.isfinite(b)),
                default=1,
            )
            strengths = [_interval_svg(s.strength, -span, span, 0) for s in axis.ranking]
            parts.append(_html_table(_ranking(axis, w), w["ranking"], strengths))
            shares = [_interval_svg(pair.share, 0, 1, 0.5) for pair in axis.pairs]
            parts.append(_html_table(_pairs(axis, w), w["all_pairs"], shares))
        else:
            parts.append(
                _html_table(
                    _ratings(axis, w), w["ratings"], [_interval_svg(m, 1, 5, 3) for _, m in axis.ratings]
                )
            )
        table = _html_table(_items(a, axis, w), w["by_item"])
        parts.append(f"<details><summary>{escape(w['by_item'])}</summary>{table}</details>")
    parts.append(
        f"<h2>{escape(w['times'])}</h2>{_histogram_svg(a.seconds, w)}<p class='notes'>{escape(_notes(a, w))}</p>"
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
        f"<div class='table' tabindex='0' role='group' aria-label='{escape(name, quote=True)}'><table>"
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


def _histogram_svg(seconds: Iterable[int], w: Words) -> str:
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
    label = escape(w["histogram"].format(count=sum(counts)), quote=True)
    box = f"viewBox='0 0 {width} {height + 18}'"
    return f"<svg class='histogram' {box} role='img' aria-label='{label}'>{bars}{marks}</svg>"
