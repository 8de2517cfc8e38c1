"""Small charts as SVG text: sharp at any size, coloured by the page's theme, readable by a screen reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 34
SERIES_COLORS = ("#6366f1", "#0d9488", "#d97706", "#db2777", "#2563eb", "#65a30d", "#9333ea", "#dc2626")


def line_chart(
    series: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str, percent: bool = True
) -> str:
    """One line a series over 1, 2, 3, …; y from 0. `title` is what a screen reader says."""
    longest = max((len(values) for values in series.values()), default=0)
    top = _nice_ceiling(max((max(values, default=0) for values in series.values()), default=0))
    plot_w, plot_h = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(index: int) -> float:
        return _LEFT + plot_w * (index / max(longest - 1, 1))

    def y(value: float) -> float:
        return _TOP + plot_h * (1 - value / top)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in range(5):
        value = top * tick / 4
        label = f"{100 * value:.3g}%" if percent else f"{value:.3g}"
        parts.append(f'<path class="rule" d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    for index in sorted({0, (longest - 1) // 2, longest - 1} if longest else set()):
        parts.append(f'<text x="{x(index):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{index + 1}</text>')
    parts.append(
        f'<text x="{_LEFT + plot_w / 2}" y="{_HEIGHT - 3}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(10 {_TOP + plot_h / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    for color, (name, values) in zip(_cycle(SERIES_COLORS), series.items(), strict=False):
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2.2">'
            f"<title>{escape(name)}</title></polyline>"
        )
    return "".join(parts) + "</svg>" + legend(list(series))


def legend(names: Sequence[str]) -> str:
    """The lines' colours and names, in the order of line_chart's series."""
    items = zip(_cycle(SERIES_COLORS), names, strict=False)
    spans = "".join(f'<span><i style="background:{c}"></i>{escape(name)}</span>' for c, name in items)
    return f'<p class="legend">{spans}</p>'


def _nice_ceiling(value: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `value`."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 < value:
        power *= 10
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= value)


def _cycle(colors: Sequence[str]):
    while True:
        yield from colors
