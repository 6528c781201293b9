"""Terminal output of bag, report and demo."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.cli.view.registrations import coloured

if TYPE_CHECKING:
    from distillmatch_ros.demo.run import Demo
    from distillmatch_ros.reports.verdict import Verdict


def show_bags(summaries: Sequence[BagSummary]) -> None:
    """Print the result of each bag."""
    for summary in summaries:
        grid = grid_of_facts()
        grid.add_row("bag", escape(summary.bag))
        if summary.out is not None and summary.pairs:
            grid.add_row("written", escape(summary.out))
        read = ", ".join(f"{number} {side}" for side, number in summary.frames.items())
        grid.add_row("frames", read or "none")
        grid.add_row("pairs", f"{summary.pairs}{'  (stopped early)' if summary.interrupted else ''}")
        for reason, number in sorted(summary.dropped.items()):
            grid.add_row("dropped", f"{number} {reason}")
        for status, number in sorted(summary.statuses.items(), key=lambda item: -item[1]):
            grid.add_row("status", f"{number} {coloured(status)}")
        if summary.pairs:
            grid.add_row(
                "rate",
                f"{summary.rate_hz:.1f} pairs/s; registration took {summary.busy:.0%} of the time, the rest "
                "is reading and writing",
            )
        if latency := summary.latency_ms:
            grid.add_row("latency", f"{latency.median:.1f} ms, 95% within {latency.p95:.1f} ms")
        Console().print(Panel(grid, expand=False))


def show_verdict(verdict: "Verdict", page: Path) -> None:
    """Print the verdict of a report, and its file."""
    console = Console()
    console.print(f"{verdict.level}: {verdict.headline}", style="bold", highlight=False, markup=False)
    for reason in verdict.reasons:
        console.print(f"- {reason}", highlight=False, markup=False)
    for advice in verdict.advice:
        console.print(f"{advice.topic}: {advice.seen} {advice.remedy}", highlight=False, markup=False)
    console.print(f"page: {page}", soft_wrap=True, markup=False, highlight=False)


def tell(step: str) -> None:
    """Announce the next step on standard error."""
    Console(stderr=True).print(step, style="dim", highlight=False, markup=False)


def show_demo(demo: "Demo") -> None:
    """Print single pairs and the drive, measured against the known geometry."""
    from distillmatch_ros.demo.agreement import AGREE_PX

    table = Table("", "status", title="two stills, against the known geometry", title_justify="left")
    for column in ("inliers", "rms error", "least possible"):
        table.add_column(column, justify="right")
    for still in demo.stills:
        found = "-" if still.rms_px is None else f"{still.rms_px:.1f} px"
        inliers = str(still.result.record()["inliers"])
        table.add_row(
            still.name, coloured(still.result.status), inliers, found, f"{still.best_rms_px:.1f} px"
        )
    console = Console()
    console.print(table)
    if demo.live is None:
        console.print("The node did not run: ROS 2 is not installed here.")
    else:
        run = demo.live.agreement
        console.print(
            f"The node processed {run.first} of {len(demo.moments)} pairs. For these, the bag run found\n"
            f"{run.identical} of {run.homographies} homographies equal to the last bit, {run.within} within "
            f"{AGREE_PX:g} px.",
            highlight=False,
        )
    megabytes = sum(path.stat().st_size for path in demo.out.rglob("*") if path.is_file()) / 1e6
    console.print(
        f"{demo.out}: bags and images of {megabytes:.0f} MB", soft_wrap=True, markup=False, highlight=False
    )
    console.print(f"page: {demo.page}", soft_wrap=True, markup=False, highlight=False)


def grid_of_facts() -> Table:
    """A table of names and values without lines."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid
