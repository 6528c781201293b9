"""Terminal output of the command fleet."""

from itertools import zip_longest
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distillmatch_ros.cli.view.common import printable
from distillmatch_ros.fleet.overview import Fleet
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


def show_fleet(fleet: Fleet, page: Path | None = None) -> None:
    """Print a table of the bags by rig, why to look at which, and where their page is."""
    bags = fleet.bags
    table = Table("rig", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("bag", overflow="fold")
    table.add_column("begin")
    for column in ("pairs", "own", "rejected", "slip", "shift"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for bag, following in zip_longest(bags[:SHOWN], bags[1:SHOWN]):
        level = bag.verdict.level
        px = None if bag.moved is None else bag.moved.slip, None if bag.shift is None else bag.shift.px
        table.add_row(
            escape(printable(bag.rig)),
            escape(printable(bag.name)),
            "-" if bag.begin is None else f"{bag.begin:%Y-%m-%d %H:%M}",
            str(bag.statuses.total()),
            "-" if bag.registered_percent is None else f"{bag.registered_percent:.0f} %",
            str(bag.rejected),
            *("-" if each is None else f"{each:.1f}" for each in px),
            f"[{COLOURS[level]}]{level}[/]{' *' if bag.needs_look else ''}",
            end_section=following is not None and following.rig != bag.rig,
        )
    console = Console()
    console.print(table)
    if len(bags) > SHOWN:
        console.print(f"{len(bags) - SHOWN} more bags; --json lists them all")
    for bag in [bag for bag in bags if bag.needs_look][:SHOWN]:
        for reason in bag.reasons:
            console.print(f"* {printable(bag.name)}: {printable(reason)}", highlight=False, markup=False)
    pairs = sum(bag.statuses.total() for bag in bags)
    rigs = f"{len(fleet.rigs)} rig{'' if len(fleet.rigs) == 1 else 's'}"
    number = "1 bag" if len(bags) == 1 else f"{len(bags)} bags"
    looks = sum(bag.needs_look for bag in bags)
    console.print(
        f"{number}, {pairs} pairs, {sum(bag.rejected for bag in bags)} rejected; {looks} need inspection (*)."
        f"\n{rigs}; slip within a bag, shift against the rig's first bag, px in a visible image 640 wide.",
        highlight=False,
    )
    for name, drift in [(rig.name, rig.drift) for rig in fleet.rigs]:
        if drift is not None:
            console.print(
                f"{printable(name)} drifts by {drift.px_per_week:.2f} px a week, {drift.px:.1f} px in "
                f"{drift.weeks:.1f} weeks",
                highlight=False,
                markup=False,
            )
    if page is not None:
        console.print(f"page: {page}", highlight=False, markup=False, soft_wrap=True)
