"""Plots as SVG text. Colours are CSS variables of the page that holds them, so that they follow its theme."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

WIDTH, HEIGHT = 520, 210
LEFT, RIGHT, TOP, BOTTOM = 56, 8, 10, 34  # margins of the plotted area, px
DOT = 2.6

Look = Literal["line", "dots", "dashed"]


@dataclass(frozen=True)
class Series:
    """One quantity over time.

    Attributes:
        name: for the legend.
        points: x and y; NaN in y leaves a gap.
        look: ``dots`` are joined by a faint line; ``dashed`` is for what others are measured against.
    """

    name: str
    points: Sequence[tuple[float, float]]
    look: Look = "line"


@dataclass(frozen=True)
class _Scale:
    """Values low..high onto pixels start..end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def line_chart(title: str, series: Sequence[Series], x_label: str, unit: str) -> str:
    """Draw quantities that share a unit, the ordinate beginning at 0 or at the lowest negative value.

    Args:
        title: read out by screen readers.
        series: at most four; without a finite point the chart says that nothing was measured.
        x_label: what the abscissa is, such as ``s``.
        unit: of the ordinate.

    Returns:
        An ``<svg>`` element.
    """
    finite = [point for each in series for point in each.points if math.isfinite(point[1])]
    opening = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
        'xmlns="http://www.w3.org/2000/svg">'
    )
    if not finite:
        return f"{opening}{_text(WIDTH / 2, HEIGHT / 2, 'middle', 'nothing measured')}</svg>"
    y_ticks = ticks(min(0.0, *(y for _, y in finite)), max(y for _, y in finite))
    x_low, x_high = min(x for x, _ in finite), max(x for x, _ in finite)
    x = _Scale(x_low, max(x_high, x_low + 1e-9), LEFT, WIDTH - RIGHT)
    y = _Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [opening, *_grid(y_ticks, y, unit), *_abscissa(ticks(x_low, x_high), x, x_label)]
    for number, each in enumerate(series, 1):
        parts += _drawn(each, f"s{number}", x, y)
    return "".join([*parts, "</svg>"])


def legend(series: Sequence[Series]) -> str:
    """Names of the series beside their colours, as an HTML list."""
    items = [
        f'<li><i class="s{number} {each.look}"></i>{escape(each.name)}</li>'
        for number, each in enumerate(series, 1)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers that enclose low..high, about ``count`` steps of 1, 2 or 5 times a power of ten."""
    span = high - low or abs(high) or 1.0
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


def _grid(y_ticks: Sequence[float], y: _Scale, unit: str) -> list[str]:
    parts = []
    for value in y_ticks:
        place = y(value)
        kind = "axis" if value == y_ticks[0] else "grid"
        parts.append(f'<path class="{kind}" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>')
        label = f"{value:g} {unit}" if value == y_ticks[-1] else f"{value:g}"
        parts.append(_text(LEFT - 8, place + 4, "end", label))
    return parts


def _abscissa(x_ticks: Sequence[float], x: _Scale, label: str) -> list[str]:
    inside = [value for value in x_ticks if x.low <= value <= x.high]
    numbers = [_text(x(value), HEIGHT - BOTTOM + 18, "middle", f"{value:g}") for value in inside]
    return [*numbers, _text(WIDTH - RIGHT, HEIGHT - 2, "end", label)]


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _drawn(series: Series, css: str, x: _Scale, y: _Scale) -> list[str]:
    parts = []
    for run in _runs(series.points):
        places = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in run)
        parts.append(f'<polyline class="{css} {series.look}" points="{places}"/>')
    if series.look == "dots":
        parts += [
            f'<circle class="{css}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="{DOT}"/>'
            for a, b in series.points
            if math.isfinite(b)
        ]
    return parts


def _runs(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Stretches of finite points."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
