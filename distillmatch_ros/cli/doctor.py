"""The command that examines the installation: doctor."""

from dataclasses import asdict

import typer

from distillmatch_ros.cli.options import Model, Output
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED


def doctor(*, model: Model = None, output: Output) -> None:
    """Examine this installation and machine, and say what to do: the page that a bug report needs.

    Opens the network in each runtime. Exit code 1 if something will not work.
    """
    from distillmatch_ros.cli.view.doctor import show_examination
    from distillmatch_ros.doctor.examination import examine
    from distillmatch_ros.doctor.finding import FAULT

    output.check()
    found = examine(model)
    output.give(asdict(found), lambda: show_examination(found))
    if found.verdict == FAULT:
        raise typer.Exit(SOME_INPUTS_FAILED)
