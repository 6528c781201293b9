"""What is measured of a translation, as people and as programs read it."""

from dataclasses import asdict, dataclass
from typing import Any

COLUMNS = ("method", "visible edges", "thermal edges", "histogram", "SSIM", "KID x 1000")
LEGEND = (
    "edges: how far gradients keep the direction of the visible (or real thermal) image's on its strongest "
    "edges, 0 to 1, whatever their sign; histogram: mean distance of sorted grey values, of 255; SSIM with "
    "the real thermal image; KID: distance to the real thermal images in semantic features, 0 is none"
)


@dataclass(frozen=True)
class Figures:
    """How one method did, means over all pairs.

    Attributes:
        method: its name.
        visible_edges: normalised gradient agreement with the visible source on the source's edges, 0 to 1.
        thermal_edges: the same with the real thermal image on that image's edges.
        histogram: earth mover's distance from the real thermal image's histogram, grey levels of 255.
        ssim: with the real thermal image.
        kid: kernel inception distance from the real thermal images, on semantic features; unbiased, so that
            it may fall below 0. None for those images themselves.
    """

    method: str
    visible_edges: float
    thermal_edges: float
    histogram: float
    ssim: float
    kid: float | None

    def row(self) -> tuple[str, ...]:
        """One row of `COLUMNS`."""
        return (
            self.method,
            f"{self.visible_edges:.3f}",
            f"{self.thermal_edges:.3f}",
            f"{self.histogram:.1f}",
            f"{self.ssim:.3f}",
            "-" if self.kid is None else f"{1000 * self.kid:.2f}",
        )


@dataclass(frozen=True)
class Measured:
    """The table.

    Attributes:
        folder: aligned pairs that were measured on.
        pairs: how many.
        steps: optimiser steps behind the translation.
        figures: one for each method; the real thermal images come last.
    """

    folder: str
    pairs: int
    steps: int
    figures: list[Figures]

    def summary(self) -> str:
        """What was measured, in a line."""
        return f"{self.folder}: {self.pairs} pairs; V2I-GAN after {self.steps} steps"

    def to_markdown(self) -> str:
        """For a model card."""
        lines = [
            f"{self.summary()}.",
            "",
            "| " + " | ".join(COLUMNS) + " |",
            "|---|" + "---:|" * (len(COLUMNS) - 1),
            *("| " + " | ".join(figures.row()) + " |" for figures in self.figures),
            "",
            f"{LEGEND}.",
        ]
        return "\n".join(lines) + "\n"

    def record(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
