"""Terminal output of commands: tables on standard output; progress, hints and errors on standard error."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from distillmatch_ros.base.errors import BREAK

LOG_S = 10.0
"""Interval of the lines that stand for a progress bar in a log."""


def complain(message: str, console: Console | None = None) -> None:
    """Print an error on standard error; the lines of a `DistillMatchError` stay lines."""
    console = console or Console(stderr=True)
    shown = BREAK.join(map(printable, f"error: {message}".split(BREAK)))
    console.print(shown, style="red", soft_wrap=True, markup=False, highlight=False)


def printable(text: str) -> str:
    """A text without control characters, which could change the terminal; they are shown as escapes."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def remark(message: str, console: Console | None = None) -> None:
    """Print a hint as one line on standard error."""
    console = console or Console(stderr=True)
    console.print(printable(message), style="dim", soft_wrap=True, markup=False, highlight=False)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class _Progress(Progress):
    """A progress bar; where standard error is no terminal, a line every `LOG_S` seconds instead."""

    def __init__(self, hidden: bool) -> None:
        console = Console(stderr=True)
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,  # results go to standard output unchanged
            disable=hidden or not console.is_terminal,
        )
        self._told = monotonic()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **fields: Any) -> None:
        super().update(task_id, **fields)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        if self.console.is_terminal or monotonic() - self._told < LOG_S:
            return
        self._told = monotonic()
        task = self._tasks[task_id]
        of = "" if task.total is None else f" of {task.total:g}"
        left = "" if task.time_remaining is None else f", {task.time_remaining:.0f} s left"
        told = f"{task.description}: {task.completed:g}{of}, {task.elapsed or 0:.0f} s{left}"
        remark(told, self.console)


def progress(hidden: bool = False) -> Progress:
    """A progress bar on standard error that is erased at the end; lines if that is no terminal.

    Args:
        hidden: show no bar.
    """
    return _Progress(hidden)


def show_table(summary: str, columns: Sequence[str], rows: Sequence[Sequence[str]], legend: str) -> None:
    """Print a table whose first column names the row, with a line above and a legend below."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    console = Console()
    for text in (summary, table, legend):
        console.print(text, style="dim" if text is legend else None, highlight=False, markup=False)
