"""Accuracy and latency in the terminal."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distillmatch_ros.cli.view.common import printable
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation.accuracy import AccuracyReport
from distillmatch_ros.evaluation.comparison import Comparison
from distillmatch_ros.evaluation.latency import Benchmark
from distillmatch_ros.evaluation.rig import DriveAccuracy
from distillmatch_ros.evaluation.statistics import Group


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
