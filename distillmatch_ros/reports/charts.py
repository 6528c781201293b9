"""Charts as inline SVG. Colours are CSS variables, so that they follow the page's theme."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Literal

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

WIDTH, HEIGHT = 4.6, 2.3
"""Size of a chart, inches at 72 units each: text is readable on a phone and not too large on a desktop."""
FONT = 9.5
STEPS = (1, 2, 5, 10)  # round steps along an axis
# Placeholders that are replaced by CSS variables: Matplotlib accepts only colours it can parse.
_COLOURS = {
    "ink": "#010200",
    "soft": "#010201",
    "rule": "#010202",
    "s1": "#010211",
    "s2": "#010212",
    "s3": "#010213",
    "s4": "#010214",
}
_FEW = 60  # points that are drawn larger
SERIES = ("s1", "s2", "s3", "s4")

Style = Literal["line", "dots", "dashed"]


@dataclass(frozen=True)
class Series:
    """Values of one quantity.

    Attributes:
        name: name in the legend.
        points: abscissa and ordinate; a NaN ordinate makes a gap.
        style: ``dots`` for single values; ``dashed`` for reference values.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: Style = "line"


@dataclass(frozen=True)
class Chart:
    """A chart, an explanation, and the names of its series with their colours and styles."""

    title: str
    note: str
    svg: Markup
    legend: Sequence[tuple[str, str, Style]] = ()


def line_chart(
    title: str, note: str, series: Sequence[Series], abscissa: str, unit: str, *, from_zero: bool = True
) -> Chart:
    """Line chart of quantities of one unit over the recording.

    Args:
        title: title of the chart.
        note: explanation.
        series: at most four.
        abscissa: label of the abscissa, such as ``seconds``.
        unit: unit of the ordinate; may be empty.
        from_zero: whether the ordinate includes 0.
    """
    figure, axes = _axes()
    measured = False
    for each, colour in zip(series, SERIES, strict=False):
        x, y = np.array(each.points, np.float64).reshape(-1, 2).T
        measured = measured or bool(np.isfinite(y).any())
        look = {"line": "-", "dots": "none", "dashed": "--"}[each.style]
        alone = _isolated(y) if each.style != "dots" else np.isfinite(y)
        axes.plot(x, y, linestyle=look, color=_COLOURS[colour], linewidth=1.4, solid_capstyle="round")
        size = 4.5 if len(x) <= _FEW else 2.6
        (dots,) = axes.plot(
            x[alone], y[alone], "o", color=_COLOURS[colour], markersize=size, markeredgewidth=0
        )
        dots.set_clip_on(False)  # whole at the rim
    if not measured:
        axes.text(0.5, 0.5, "nothing measured", transform=axes.transAxes, ha="center", color=_COLOURS["soft"])
    if from_zero:
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.0), max(high, 0.0))
    axes.set_xlabel(abscissa, loc="right")
    axes.set_ylabel(unit, rotation=0, ha="left", va="bottom")
    axes.yaxis.set_label_coords(-0.1, 1.03)
    axes.margins(x=0.02)
    legend = [(each.name, colour, each.style) for each, colour in zip(series, SERIES, strict=False)]
    return Chart(title, note, _svg(figure, title), legend if len(series) > 1 else ())


def strip(places: Sequence[float], marked: Sequence[bool], label: str) -> Markup:
    """Timeline of the recording, coloured where pairs are marked.

    Args:
        places: abscissa of each pair, ascending.
        marked: which pairs are coloured.
        label: description for screen readers.
    """
    figure = Figure(figsize=(10, 0.2))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    edges = _edges(places)
    runs = [(edges[start], edges[end] - edges[start]) for start, end in _runs(np.array(marked, np.bool_))]
    axes.broken_barh(runs, (0, 1), facecolors=_COLOURS["s1"], linewidth=0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1)
    return Markup(str(_svg(figure, label)).replace("<svg ", '<svg preserveAspectRatio="none" ', 1))


def heat_map(title: str, note: str, counts: NDArray[np.float64], aspect: float) -> Chart:
    """Heat map of the cells of an image; ``aspect`` is its height divided by its width."""
    figure = Figure(figsize=(WIDTH, WIDTH * aspect))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    highest = max(float(counts.max()), 1e-9)
    rows, columns = counts.shape
    for row in range(rows):
        for column in range(columns):
            value = counts[row, column]
            axes.add_patch(
                Rectangle((column, row), 1, 1, facecolor=_COLOURS["s1"], alpha=0.05 + 0.55 * value / highest)
            )
            text = f"{value:.0f}" if value >= 0.95 or value < 0.05 else f"{value:.1f}"
            colour = _COLOURS["ink"]
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=FONT)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    return Chart(title, note, _svg(figure, title))


def arrows(
    title: str,
    note: str,
    fields: Sequence[tuple[str, NDArray[np.float64]]],
    size: tuple[int, int],
    factor: float,
) -> Chart:
    """Fields of arrows over an image.

    Args:
        title: title of the chart.
        note: explanation.
        fields: name, and (N, 4) of each: x, y, and the arrow in pixels of the image; at most four.
        size: (height, width) of the image.
        factor: by which arrows are drawn longer than they are.
    """
    height, width = size
    figure = Figure(figsize=(WIDTH, WIDTH * height / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.add_patch(Rectangle((0, 0), width, height, fill=False, edgecolor=_COLOURS["rule"]))
    for (_, field), colour in zip(fields, SERIES[1::-1], strict=False):
        x, y, along, down = np.reshape(field, (-1, 4)).T
        xs, ys = (np.stack(pair, axis=1) for pair in ((x, x + factor * along), (y, y + factor * down)))
        for start, end in zip(xs, ys, strict=True):
            axes.plot(start, end, color=_COLOURS[colour], linewidth=1.3, solid_capstyle="round")
        axes.plot(x, y, "o", color=_COLOURS[colour], markersize=2.4, markeredgewidth=0)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    legend: list[tuple[str, str, Style]] = [
        (name, colour, "line") for (name, _), colour in zip(fields, SERIES[1::-1], strict=False)
    ]
    return Chart(title, note, _svg(figure, title), legend)


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT))
    axes = figure.add_axes((0.1, 0.17, 0.88, 0.71))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_COLOURS["soft"])
    axes.grid(axis="y", color=_COLOURS["rule"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=FONT, labelcolor=_COLOURS["soft"])
    axes.xaxis.label.set(color=_COLOURS["soft"], size=FONT)
    axes.yaxis.label.set(color=_COLOURS["soft"], size=FONT)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    return figure, axes


def _svg(figure: Figure, label: str) -> Markup:
    """Convert a figure to an ``<svg>`` element that uses the page's font and colours."""
    out = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' width="[\d.]+pt"| height="[\d.]+pt"| version="1.1"', "", text, count=3)
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)  # the format depends on the release
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\1{_slug(label)}-", text)
    for name, colour in _COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return Markup(text.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1).strip())


def _slug(label: str) -> str:
    return re.sub(r"\W+", "-", label.lower()).strip("-")


def _isolated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Finite values between two that are not: a line through them would not be visible."""
    finite = np.pad(np.isfinite(values), 1)
    alone: NDArray[np.bool_] = finite[1:-1] & ~finite[:-2] & ~finite[2:]
    return alone


def _edges(places: Sequence[float]) -> NDArray[np.float64]:
    """Boundaries between pairs, halfway between their places, with the start and the end."""
    values = np.array(places, np.float64)
    step = float(np.median(np.diff(values))) if len(values) > 1 else 1.0
    step = step if math.isfinite(step) and step > 0 else 1.0
    middles = (values[1:] + values[:-1]) / 2
    return np.concatenate([[values[0] - step / 2], middles, [values[-1] + step / 2]])


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index and the index after the last of each run of marks."""
    changes = np.flatnonzero(np.diff(np.pad(marked, 1).astype(np.int8)))
    return list(zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True))
