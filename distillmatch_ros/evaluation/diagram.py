"""The reliability diagram of a calibrated probability, as SVG."""

from collections.abc import Sequence
from io import BytesIO

import matplotlib as mpl
from matplotlib.figure import Figure

from distillmatch_ros.evaluation.probability import Bin

SIDE = 4.0
"""Width and height, inches of 72 SVG units each."""
AREA_PER_SAMPLE, LEAST_AREA, GREATEST_AREA = 1.5, 16, 400
"""Area of a mark by the samples of its bin, square points."""


def reliability_svg(bins: Sequence[Bin]) -> bytes:
    """Draw the fraction of correct homographies over the stated probability, ideally equal.

    Args:
        bins: the diagram; the area of a mark grows with its number of samples.

    Returns:
        SVG, the same for the same bins.
    """
    figure = Figure(figsize=(SIDE, SIDE), layout="constrained")
    axes = figure.add_subplot(aspect="equal", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.plot((0, 1), (0, 1), "--", color="0.6", linewidth=1)
    for one in bins:
        place = (one.probability, one.right)
        area = min(max(AREA_PER_SAMPLE * one.samples, LEAST_AREA), GREATEST_AREA)
        axes.scatter(*place, area, color="C0", alpha=0.8, linewidth=0)
        beside = area**0.5 / 2 + 3
        axes.annotate(str(one.samples), place, (beside, -beside), textcoords="offset points", fontsize=8)
    axes.set_xlabel("stated probability")
    axes.set_ylabel("fraction correct")
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    drawn = BytesIO()
    # Text stays text, and nothing depends on the time or on chance.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "reliability"}):
        figure.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()
