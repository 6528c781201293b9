"""The command that registers images: match."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from distillmatch_ros.bags.image_files import (
    ERROR,
    RECORDS,
    PairResult,
    add_records,
    match_files,
    write_lines,
)
from distillmatch_ros.bags.pictures import picture_paths
from distillmatch_ros.bags.rerun_file import recording
from distillmatch_ros.base.files import check_suffix
from distillmatch_ros.cli.options import IMAGES, Degrees, EngineOptions, OrientationOptions, Output
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED
from distillmatch_ros.cli.rig_options import RigOptions
from distillmatch_ros.cli.view import common, registrations
from distillmatch_ros.images.pairs import PairPaths, files_of, list_images, read_csv, read_folder
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.status import Status


def match(
    visible: Annotated[Path | None, typer.Argument(metavar="VISIBLE", help="Visible image.")] = None,
    thermal: Annotated[Path | None, typer.Argument(metavar="THERMAL", help="Thermal image.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|DIR",
            help="Many pairs: a CSV with the header visible,thermal and paths relative to it, or a folder "
            "with visible/NAME.ext and thermal/NAME.ext.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write an overlay, the matches, the registered thermal image with the camera's values (16 "
            "bits look black in many viewers), its mask (255 inside the thermal camera's view), the visible "
            f"image in the thermal frame, and {RECORDS}, the input of report.",
        ),
    ] = None,
    *,
    output: Output,
    rig: RigOptions,
    rerun: Annotated[
        Path | None,
        typer.Option(
            metavar="RRD",
            help="Also write a recording for the viewer of Rerun, one step of its timeline for each pair. "
            "Needs the extra rerun.",
        ),
    ] = None,
    points: Annotated[
        bool, typer.Option("--points", metavar="", help="Include every correspondence in --json.")
    ] = False,
    visible_from_thermal: Annotated[
        bool,
        typer.Option(
            "--visible-from-thermal",
            metavar="",
            help="Use the visible image inside the thermal camera's radiometric JPEG (FLIR): give THERMAL "
            "alone, or --pairs with a folder of such files.",
            rich_help_panel=IMAGES,
        ),
    ] = False,
    max_pixels: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Reject larger images by their header, before decoding them.",
            rich_help_panel=IMAGES,
        ),
    ] = MAX_PIXELS,
    temperature: Degrees = None,
    upright: OrientationOptions,
    engine: EngineOptions,
) -> None:
    """Register one pair of images, or all pairs of a CSV or a folder.

    The homography maps thermal pixels to visible pixels. With --json: one JSON object per line, in order.
    """
    listed = (
        _listed_thermal(visible, thermal, pairs)
        if visible_from_thermal
        else _listed_pairs(visible, thermal, pairs)
    )
    if points and output.json_file is None:
        raise typer.BadParameter("--points needs --json.")
    if temperature is not None and out is None:
        raise typer.BadParameter("--temperature needs --out.")
    rig.check(pairs)
    check_suffix(rerun, ".rrd")
    written = [*([] if out is None else picture_paths(listed, out)), rig.rig_out, rerun]
    taken = [pairs, rig.depth, *files_of(listed), None if out is None else out / RECORDS]
    output.check(written, taken)
    single = pairs is None
    counts: Counter[str] = Counter()
    contradicted: list[Rejection] = []
    with (
        engine.open(upright.orientations) as registrar,
        common.progress(hidden=single or output.quiet) as bar,
        ExitStack() as files,
    ):
        known = rig.open(registrar, listed, visible_from_thermal, max_pixels, bar)
        results = match_files(
            registrar,
            listed,
            out,
            rig=known,
            parallax=rig.parallax,
            depth=rig.depth,
            visible_from_thermal=visible_from_thermal,
            max_pixels=max_pixels,
            temperature=temperature,
            on_pair=None if rerun is None else files.enter_context(recording(rerun)).add_pair,
        )
        if out is not None:
            results = add_records(results, out)
        if output.json_file is not None:
            results = write_lines(results, output.json_file, points)
        for result in bar.track(results, total=len(listed), description="registering"):
            counts[result.status] += 1
            if (rejection := result.rejected_by) is not None and rejection.status is Status.CONTRADICTED:
                contradicted.append(rejection)
            _tell(result, bar, in_full=single and not output.quiet)
    if not single and not output.quiet:
        registrations.show_counts(counts)
    misfit = None if single else rig.misfit(contradicted, counts[Status.OK])
    if misfit is not None:
        common.complain(misfit)
    if counts[ERROR] or misfit is not None:
        raise typer.Exit(SOME_INPUTS_FAILED)


def _tell(result: PairResult, bar: Progress, in_full: bool) -> None:
    """Print what a person has to know of a pair, or all of it."""
    if result.error is not None:
        common.complain(result.error, bar.console)
    elif in_full:
        registrations.show_pair(result)
    else:
        for hint in (result.advice, result.note):
            if hint is not None:
                common.remark(f"{result.pair.listed_as[1]}: {hint}", bar.console)


def _listed_pairs(visible: Path | None, thermal: Path | None, pairs: Path | None) -> list[PairPaths]:
    if pairs is not None:
        if visible is not None:
            raise typer.BadParameter("Give VISIBLE THERMAL or --pairs, not both.")
        return read_folder(pairs) if pairs.is_dir() else read_csv(pairs)
    if visible is None or thermal is None:
        raise typer.BadParameter("Give VISIBLE THERMAL, or --pairs with a CSV or a folder.")
    if visible.is_dir() and thermal.is_dir():
        raise typer.BadParameter(
            "Two folders: name the one that holds both, as visible/NAME and thermal/NAME, with --pairs; "
            "where they are called otherwise, a CSV lists the pairs."
        )
    return [PairPaths.of(visible, thermal)]


def _listed_thermal(first: Path | None, second: Path | None, pairs: Path | None) -> list[PairPaths]:
    """Files that hold both images of a pair: the single argument, or all images of the folder."""
    if second is not None or (first is None) == (pairs is None):
        raise typer.BadParameter("With --visible-from-thermal give THERMAL alone, or --pairs with a folder.")
    if first is not None:
        return [PairPaths.of(first, first)]
    assert pairs is not None, "one of the two is given"
    return [PairPaths.of(path, path) for path in list_images(pairs)]
