"""The command that makes aligned pairs of drives: align. Imports are local: rosbags is slow."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.cli.options import EngineOptions, Output, Settings
from distillmatch_ros.cli.program import fail_with_errors
from distillmatch_ros.cli.streams import (
    Params,
    Rgb,
    Thermal,
    fail_with,
    parameters_of,
    take_drives,
    tell_problems,
)
from distillmatch_ros.cli.view import common

CHOICE = "Which pairs are kept"
FRAMES = "visible", "thermal"


def _frame(name: str) -> str:
    if name not in FRAMES:
        raise typer.BadParameter(f"{name!r} is no camera; choose {' or '.join(FRAMES)}")
    return name


def align(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN...",
            help="Drives of one rig: bags, folders with visible/NAME.ext and thermal/NAME.ext, CSVs of "
            "pairs.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for train/, val/ and align.json.")] = Path(
        "pairs"
    ),
    rgb: Rgb = None,
    thermal: Thermal = None,
    frame: Annotated[
        str,
        typer.Option(
            metavar="CAMERA", parser=_frame, help="Camera whose pixels both images get: visible, thermal."
        ),
    ] = "visible",
    rig: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rig of calibrate or match --rig-out, which maps the pairs."),
    ] = None,
    min_probability: Annotated[
        float,
        typer.Option(
            metavar="P", min=0, max=1, help="Least probability of a registration.", rich_help_panel=CHOICE
        ),
    ] = 0.5,
    min_sharpness: Annotated[
        float,
        typer.Option(
            metavar="FRACTION",
            min=0,
            max=1,
            help="Least sharpness of either image, of the median of its camera's.",
            rich_help_panel=CHOICE,
        ),
    ] = 0.75,
    min_change: Annotated[
        float,
        typer.Option(
            metavar="FRACTION",
            min=0,
            max=1,
            help="Least part of an image that differs from the last pair kept; of near-duplicates the "
            "sharpest is kept.",
            rich_help_panel=CHOICE,
        ),
    ] = 0.05,
    val: Annotated[
        float,
        typer.Option(
            metavar="FRACTION",
            min=0,
            max=1,
            help="Part of each drive, its end, that goes to val/.",
            rich_help_panel=CHOICE,
        ),
    ] = 0.2,
    gap: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Time left out between the two; a pair of a folder counts as 1 s.",
            rich_help_panel=CHOICE,
        ),
    ] = 5.0,
    params: Params = None,
    settings: Settings = None,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Turn drives into aligned pairs to train on: one grid, a mask, train and val of different places.

    What is frozen, contradicted, rejected, improbable, blurred or nearly the same is left out. The command
    train reads both folders as they are.
    """
    from distillmatch_ros.bags.aligned_pairs import RECORD, PairsFolder
    from distillmatch_ros.bags.aligning import Aligning, Choice
    from distillmatch_ros.cli.view.alignment import show_alignment
    from distillmatch_ros.rig.files import RigFile
    from distillmatch_ros.stream.sensors import Sensor

    parameters = parameters_of(params, settings, engine)
    output.check([out / RECORD], [*sources, params, engine.model, rig])
    _check_folder(out, RECORD, sources)
    known = None if rig is None else RigFile.load(rig).rig
    if rig is not None:
        parameters = parameters.changed({"rig_file": str(rig)})
    choice = Choice(Sensor(frame), min_probability, min_sharpness, min_change, val, gap)
    partial_folder = out.absolute().with_name(f".{out.absolute().name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)  # of a run that was killed
    aligning = Aligning(PairsFolder(partial_folder), choice, parameters, known)
    try:
        take_drives(aligning, sources, rgb, thermal, output.quiet, lost="no pairs are written")
        record = aligning.finish()
        aligning.folder.publish(out)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    output.give(record, lambda: show_alignment(record, str(out)))
    tell_problems(aligning.summaries)
    for note in aligning.notes:
        common.remark(note)
    fail_with_errors(aligning.errors)
    fail_with(aligning.summaries)


def _check_folder(out: Path, record: str, sources: list[Path]) -> None:
    """Reject a folder whose content is not of an earlier run, or is an input."""
    place = out.resolve()
    for source in sources:
        if source.resolve().is_relative_to(place):
            raise DistillMatchError(f"{out}: holds the input {source}; name another folder")
    if out.is_dir() and any(out.iterdir()) and not (out / record).is_file():
        raise DistillMatchError(f"{out}: holds other files; name a new folder")
