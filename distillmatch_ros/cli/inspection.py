"""The command that examines recordings and images before registration: inspect."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.cli.options import Output
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
