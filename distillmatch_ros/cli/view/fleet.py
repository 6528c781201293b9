"""Terminal output of the command fleet."""

from itertools import groupby
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distillmatch_ros.cli.view.common import printable
from distillmatch_ros.fleet.overview import Fleet
from distillmatch_ros.fleet.page import counted
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
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("rig, bag", overflow="fold")
    table.add_column("begin", no_wrap=True)
    for column in ("pairs", "own", "rejected", "slip", "shift"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for rig, group in groupby(bags[:SHOWN], key=lambda bag: bag.rig):
        table.add_section()
        table.add_row(f"[bold]{escape(printable(rig or 'geometry unknown'))}[/]")
        for bag in group:
            level = bag.verdict.level
            px = None if bag.moved is None else bag.moved.slip, None if bag.shift is None else bag.shift.px
            table.add_row(
                escape(printable(bag.name)),
                "-" if bag.begin is None else f"{bag.begin:%Y-%m-%d %H:%M}",
                str(bag.statuses.total()),
                "-" if bag.registered_percent is None else f"{bag.registered_percent:.0f} %",
                str(bag.rejected),
                *("-" if each is None else f"{each:.1f}" for each in px),
                f"[{COLOURS[level]}]{level}[/]{' *' if bag.needs_look else ''}",
            )
    console = Console()
    console.print(table)
    if len(bags) > SHOWN:
        console.print(f"{len(bags) - SHOWN} more bags; --json lists them all")
    for bag in [bag for bag in bags if bag.needs_look][:SHOWN]:
        for reason in bag.reasons:
            console.print(f"* {printable(bag.name)}: {printable(reason)}", highlight=False, markup=False)
    pairs = sum(bag.statuses.total() for bag in bags)
    rejected = sum(bag.rejected for bag in bags)
    looks = sum(bag.needs_look for bag in bags)
    unread = f", {len(fleet.unread)} could not be read" if fleet.unread else ""
    console.print(
        f"{counted(len(bags), 'bag')}, {counted(pairs, 'pair')}, {rejected} rejected; "
        f"{looks} need inspection (*){unread}.\n"
        f"{counted(len(fleet.rigs), 'rig')}; slip within a bag, shift against the rig's first bag, px in a "
        "visible image 640 wide.",
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
