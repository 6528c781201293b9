"""Terminal output of doctor."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distillmatch_ros.doctor.examination import Examination
from distillmatch_ros.doctor.finding import FAULT, NOTE, OK

MARKS = {OK: "[green]ok[/]", NOTE: "[yellow]note[/]", FAULT: "[bold red]fault[/]"}


def show_examination(found: Examination) -> None:
    """Print one line per finding, and below it what to do."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in found.findings:
        grid.add_row(MARKS[finding.state], finding.about, escape(finding.value))
        if finding.remedy is not None:
            grid.add_row("", "", f"[dim]{escape(finding.remedy)}[/]")
    Console().print(grid)
