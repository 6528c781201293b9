"""The command that examines the installation: doctor."""

from dataclasses import asdict

import typer

from distillmatch_ros.base.files import STANDARD_OUTPUT, check_outputs, write_json
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED, JsonFile, Model, Overwrite


def doctor(model: Model = None, json_file: JsonFile = None, overwrite: Overwrite = False) -> None:
    """Examine this installation and machine, and say what to do: the page that a bug report needs.

    Opens the network in each runtime. Exit code 1 if something will not work.
    """
    from distillmatch_ros.cli.view.doctor import show_examination
    from distillmatch_ros.doctor.examination import examine
    from distillmatch_ros.doctor.finding import FAULT

    check_outputs([], overwrite, json_file=json_file)
    found = examine(model)
    if json_file != STANDARD_OUTPUT:
        show_examination(found)
    if json_file is not None:
        write_json(json_file, asdict(found))
    if found.verdict == FAULT:
        raise typer.Exit(SOME_INPUTS_FAILED)
