"""Registered pairs in the terminal: one in full, and how many ended with each status."""

from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from distillmatch_ros.bags.image_files import PairResult
from distillmatch_ros.bags.pictures import BACK
from distillmatch_ros.images.pairs import HEADER
from distillmatch_ros.registration.status import Status


def show_pair(result: PairResult) -> None:
    """Print one pair in full."""
    registration = result.registration
    if registration is None:
        raise ValueError("a failed pair has an error to print, not a registration")
    matches, inliers = len(registration.inliers), int(registration.inliers.sum())
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for side, name in zip(HEADER, result.pair.listed_as, strict=True):
        grid.add_row(side, escape(name))
    grid.add_row("status", f"{coloured(result.status)}  {registration.status.sentence}")
    if (reason := registration.rejected_by) is not None:
        grid.add_row("rejected by", f"{reason.found}\n{reason.cause.sentence}")
        grid.add_row("remedy", reason.cause.remedy)
    grid.add_row("matches", str(matches))
    grid.add_row("inliers", f"{inliers} ({inliers / matches:.0%})" if matches else "0")
    if registration.probability is not None:
        of = "the" if registration.mapping is not None else "the rejected homography's"
        grid.add_row("probability", f"{registration.probability:.0%} that {of} corners are within 10 px")
    if quality := registration.quality:
        grid.add_row("residuals", f"{quality.rms_px:.1f} px RMS, of the inliers")
        grid.add_row("spread", f"{quality.spread:.2f} of the thermal image")
        if quality.peak_prominence is not None and quality.second_peak_ratio is not None:
            edges = (
                f"peak prominence {quality.peak_prominence:.2f}, second peak {quality.second_peak_ratio:.0%}"
            )
            grid.add_row("edges", edges)
    if registration.borders:
        grid.add_row("left out", registration.borders)
    if result.advice is not None:
        grid.add_row("advice", result.advice)
    if result.note is not None:
        grid.add_row("note", escape(result.note))
    if registration.homography is not None:
        grid.add_row("homography", _matrix(registration.homography))
    grid.add_row("latency", _latency(registration.latency_ms))
    for index, path in enumerate(result.pictures):
        grid.add_row("" if index else "pictures", escape(str(path)))
        if result.looks_black and path.stem.endswith("_registered") and f"_{BACK}" not in path.stem:
            grid.add_row("", "[dim]the camera's own values: 16 bits look black in many viewers[/]")
    Console().print(Panel(grid, expand=False))


def show_counts(counts: Mapping[str, int]) -> None:
    """Print how many pairs ended with each status, the most frequent first."""
    table = Table("status", "pairs", "meaning")
    for status, number in sorted(counts.items(), key=lambda item: -item[1]):
        known = Status.named(status)
        means = "an image could not be used" if known is None else known.sentence
        table.add_row(coloured(status), str(number), means)
    Console().print(table)


def coloured(status: str) -> str:
    """A status in rich's markup, coloured by its kind."""
    known = Status.named(status)
    colour = "red" if known is None else known.colour
    return f"[bold {colour}]{status}[/]"


def _matrix(homography: np.ndarray) -> str:
    return "\n".join("  ".join(f"{value:>12.6g}" for value in row) for row in homography)


def _latency(latency_ms: Mapping[str, float]) -> str:
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in latency_ms.items() if stage != "total")
    return f"{latency_ms['total']:.1f} ms  [dim]({stages})[/]"
