"""Terminal output of all commands: results on standard output, progress and errors on standard error."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from time import monotonic
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
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

from distillmatch_ros.bags.image_files import PairResult
from distillmatch_ros.bags.pictures import BACK
from distillmatch_ros.base.errors import BREAK
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation.accuracy import AccuracyReport
from distillmatch_ros.evaluation.comparison import Comparison
from distillmatch_ros.evaluation.latency import Benchmark
from distillmatch_ros.evaluation.rig import DriveAccuracy
from distillmatch_ros.evaluation.statistics import Group
from distillmatch_ros.images.pairs import HEADER
from distillmatch_ros.registration.status import Status

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
        grid.add_row("spread", f"{quality.spread:.2f} of the thermal image, {quality.rms_px:.1f} px RMS")
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
    table = Table("status", "pairs", "")
    for status, number in sorted(counts.items(), key=lambda item: -item[1]):
        known = Status.named(status)
        means = "an image could not be used" if known is None else known.sentence
        table.add_row(coloured(status), str(number), means)
    Console().print(table)


def show_evaluation(
    evaluated: AccuracyReport,
    folder: str,
    groups: Sequence[Group] = (),
    versus: Sequence[Comparison] = (),
) -> None:
    """Print the tables of an evaluation, within 80 columns."""
    console = Console()
    console.print(report.summary(evaluated, folder), highlight=False, markup=False)
    for table in report.tables(evaluated, groups, versus):
        if table.title:
            console.print(table.title, highlight=False, markup=False)
        console.print(_sections(table))
        console.print(table.legend, style="dim", highlight=False, markup=False)


def show_drives(accuracies: Sequence[DriveAccuracy], folder: str) -> None:
    """Print the accuracy of a rig by drive."""
    title = f"{folder}: left between edges by own homographies and by the rig, median (90 %), px of 640"
    table = Table("drive", title=printable(title), title_justify="left", box=SIMPLE_HEAD)
    for column in ("pairs", "with own", "own", "rig", "rig on the rest"):
        table.add_column(column, justify="right")
    for each in accuracies:
        edges = (
            "-" if np.isnan(left.edges_px) else f"{left.edges_px:.2f} ({left.edges_p90_px:.2f})"
            for left in (each.pair, each.rig, each.rig_on_others)
        )
        table.add_row(escape(each.drive), str(each.pairs), str(each.alone), *edges)
    Console().print(table)


def _sections(text: report.Table) -> Table:
    """A table with a line where the first name changes."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(text.columns):
        table.add_column(column, justify="left" if index < text.names else "right")
    for row, following in zip_longest(text.rows, text.rows[1:], fillvalue=text.rows[-1]):
        table.add_row(*map(escape, row), end_section=following[0] != row[0])
    return table


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


def show_benchmark(measured: Benchmark) -> None:
    """Print the table of a benchmark and the machine it was measured on."""
    table = Table("stage")
    for column in ("median ms", "p95 ms"):
        table.add_column(column, justify="right")
    for stage, ms in measured.stages.items():
        table.add_row(stage, f"{ms.median:.1f}", f"{ms.p95:.1f}", style="bold" if stage == "total" else None)
    model = measured.model
    peak = "unknown" if measured.peak_memory_mib is None else f"{measured.peak_memory_mib:.0f} MiB"
    console = Console()
    console.print(table)
    console.print(
        f"{model.config} {model.precision} at {model.width}x{model.height}; {model.device}\n"
        f"{measured.processor}, {measured.usable_cores} of {measured.cores} cores usable\n"
        f"{measured.source}: {measured.registered} of {measured.runs} runs registered\n"
        "total: from two 640x512 images to the homography\n"
        f"import and open the engine: {measured.open_ms:.0f} ms; peak memory of a process: {peak}",
        highlight=False,
        markup=False,
    )


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
