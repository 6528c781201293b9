"""Commands that examine before registration: recordings and images (inspect), this machine (doctor)."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.cli.options import Model, Output
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED
from distillmatch_ros.cli.view import common


def inspect(
    paths: Annotated[
        list[Path], typer.Argument(metavar="BAG|IMAGE...", help="Recordings, or images of either camera.")
    ],
    *,
    output: Output,
) -> None:
    """Show topics, rates, clocks and pixel values of recordings and images, and suggest the next command."""
    from distillmatch_ros.bags.inspection import inspect_paths
    from distillmatch_ros.cli.view.inspection import show_inspection

    output.check()
    found = []
    for each in inspect_paths(paths):
        found.append(each)
        if not output.quiet:
            show_inspection(each)
        if each.error is not None:
            common.complain(each.error)
    output.write([asdict(each) for each in found])
    if any(each.error is not None or each.losses for each in found):
        raise typer.Exit(SOME_INPUTS_FAILED)


def doctor(*, model: Model = None, output: Output) -> None:
    """Examine this installation and machine, and say what to do: the page that a bug report needs.

    Opens the network in each runtime. Exit code 1 if something will not work.
    """
    from distillmatch_ros.cli.view.inspection import show_examination
    from distillmatch_ros.doctor.examination import examine
    from distillmatch_ros.doctor.finding import FAULT

    output.check()
    found = examine(model)
    output.give(asdict(found), lambda: show_examination(found))
    if found.verdict == FAULT:
        raise typer.Exit(SOME_INPUTS_FAILED)
