"""Terminal output of the command fleet."""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distillmatch_ros.cli.view.common import printable
from distillmatch_ros.fleet.overview import BagOverview
from distillmatch_ros.reports.verdict import Level

SHOWN = 50
"""Greatest number of bags in the table; --json lists all."""
COLOURS = {
    Level.GOOD: "green",
    Level.PARTLY: "yellow",
    Level.MOVES: "yellow",
    Level.POOR: "red",
    Level.EMPTY: "dim",
}


def show_fleet(bags: Sequence[BagOverview], page: Path | None = None) -> None:
    """Print a table of the bags, those that need inspection first, and where their page is."""
    table = Table("bag", "begin", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("OK", "TRACKED", "rejected", "scatter", "slip", "shift"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for bag in bags[:SHOWN]:
        level = bag.verdict.level
        table.add_row(
            escape(printable(bag.name)),
            "-" if bag.begin is None else f"{bag.begin:%Y-%m-%d %H:%M}",
            *(str(bag.statuses[status]) for status in ("OK", "TRACKED")),
            str(bag.rejected),
            *("-" if px is None else f"{px:.1f}" for px in (bag.scatter_px, bag.slip_px, bag.shift_px)),
            f"[{COLOURS[level]}]{level}[/]{' *' if bag.needs_look else ''}",
        )
    console = Console()
    console.print(table)
    if len(bags) > SHOWN:
        console.print(f"{len(bags) - SHOWN} more bags; --json lists them all")
    pairs = sum(bag.statuses.total() for bag in bags)
    number = "1 bag" if len(bags) == 1 else f"{len(bags)} bags"
    looks = sum(bag.needs_look for bag in bags)
    console.print(
        f"{number}, {pairs} pairs, {sum(bag.rejected for bag in bags)} rejected; {looks} need "
        "inspection (*). Scatter, slip\nand shift against the other bags are px in a visible image 640 wide.",
        highlight=False,
    )
    if page is not None:
        console.print(f"page: {page}", highlight=False, markup=False, soft_wrap=True)
