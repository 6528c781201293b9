"""TranslationFigures of a translation, as table and JSON."""

from dataclasses import asdict, dataclass
from typing import Any

COLUMNS = ("method", "visible edges", "thermal edges", "histogram", "SSIM", "KID x 1000")
LEGEND = (
    "edges: agreement of gradient directions with the visible (or real thermal) image on its strongest "
    "edges, 0 to 1, ignoring sign; histogram: mean distance of sorted grey values, of 255; SSIM with "
    "the real thermal image; KID: distance to the real thermal images in semantic features, 0 is equal"
)


@dataclass(frozen=True)
class TranslationFigures:
    """TranslationFigures of one method, means over all pairs.

    Attributes:
        method: name of the method.
        visible_edges: normalised gradient agreement with the visible source on the source's edges, 0 to 1.
        thermal_edges: normalised gradient agreement with the real thermal image on that image's edges.
        histogram: earth mover's distance from the real thermal image's histogram, grey levels of 255.
        ssim: structural similarity with the real thermal image.
        kid: kernel inception distance from the real thermal images, on semantic features; an unbiased
            estimate, which may be below 0. None for those images themselves.
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
    """The table of all methods.

    Attributes:
        folder: folder of the aligned pairs.
        pairs: number of pairs.
        steps: optimiser steps of the translation's training.
        figures: one for each method; the real thermal images are last.
    """

    folder: str
    pairs: int
    steps: int
    figures: list[TranslationFigures]

    def summary(self) -> str:
        """Data and weights as one line of text."""
        return f"{self.folder}: {self.pairs} pairs; V2I-GAN after {self.steps} steps"

    def to_markdown(self) -> str:
        """The table as Markdown, for a model card."""
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
        """The figures as plain values, for JSON."""
        return asdict(self)
