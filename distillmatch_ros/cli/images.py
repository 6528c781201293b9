"""Commands that take images: match, evaluate, benchmark."""

from collections import Counter
from dataclasses import asdict
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.bags.image_files import (
    ERROR,
    RECORDS,
    add_records,
    match_files,
    picture_paths,
    write_lines,
)
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import STANDARD_OUTPUT, check_outputs, write_json, write_text
from distillmatch_ros.cli.program import (
    SOME_INPUTS_FAILED,
    Backend,
    JsonFile,
    Model,
    Overwrite,
    Threads,
    Warps,
    fail_with_errors,
)
from distillmatch_ros.cli.view import common
from distillmatch_ros.evaluation import report
from distillmatch_ros.evaluation.accuracy import compare
from distillmatch_ros.evaluation.baselines import BASELINES, CLASSIC, open_baselines
from distillmatch_ros.evaluation.latency import read_images, run_benchmark
from distillmatch_ros.evaluation.warped import ALL, HARD, RIG, SMALL, WIDE
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.images.pairs import PairPaths, list_images, read_csv, read_folder
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.views import Mounting


class PresetName(str, Enum):
    """The presets of an evaluation, as the command line spells them."""

    RIG = RIG.name
    HARD = HARD.name
    SMALL = SMALL.name
    WIDE = WIDE.name


Rotation = Annotated[
    int,
    typer.Option(
        metavar="DEGREES", help="Clockwise rotation that makes this camera's images upright: 0, 90, 180, 270."
    ),
]
Flip = Annotated[
    bool, typer.Option(metavar="", help="This camera's images are mirrored; the flip precedes the rotation.")
]


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
            "bits look black in many viewers), its mask (255 inside the thermal camera's view), and "
            f"{RECORDS}, the input of report.",
        ),
    ] = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
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
        ),
    ] = False,
    max_pixels: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Reject larger images by their header, before decoding them."),
    ] = MAX_PIXELS,
    rgb_rotation: Rotation = 0,
    rgb_flip: Flip = False,
    thermal_rotation: Rotation = 0,
    thermal_flip: Flip = False,
    model: Model = None,
    backend: Backend = "auto",
    threads: Threads = None,
) -> None:
    """Register one pair of images, or all pairs of a CSV or a folder.

    The homography maps thermal pixels to visible pixels. With --json: one JSON object per line, in order.
    """
    listed = (
        _listed_thermal(visible, thermal, pairs)
        if visible_from_thermal
        else _listed_pairs(visible, thermal, pairs)
    )
    if points and json_file is None:
        raise typer.BadParameter("--points needs --json.")
    written = [] if out is None else picture_paths(listed, out)
    taken = [pairs, *_files(listed), None if out is None else out / RECORDS]
    check_outputs(written, overwrite, taken, json_file=json_file)
    mounting = Mounting(Orientation(rgb_rotation, rgb_flip), Orientation(thermal_rotation, thermal_flip))
    single, quiet = pairs is None, json_file == STANDARD_OUTPUT
    counts: Counter[str] = Counter()
    with (
        Registrar.open(model, backend=backend, threads=threads, mounting=mounting) as registrar,
        common.progress(hidden=single or quiet) as bar,
    ):
        results = match_files(
            registrar, listed, out, visible_from_thermal=visible_from_thermal, max_pixels=max_pixels
        )
        if out is not None:
            results = add_records(results, out)
        if json_file is not None:
            results = write_lines(results, json_file, points)
        for result in bar.track(results, total=len(listed), description="registering"):
            counts[result.status] += 1
            if result.error is not None:
                common.complain(result.error, bar.console)
            elif single and not quiet:
                common.show_pair(result)
            elif result.advice is not None:
                common.complain(f"{result.pair.listed_as[1]}: {result.advice}", bar.console)
    if not single and not quiet:
        common.show_counts(counts)
    if counts[ERROR]:
        raise typer.Exit(SOME_INPUTS_FAILED)


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="PAIRS_DIR", help="Aligned pairs: visible/NAME.ext, thermal/NAME.ext.")
    ],
    preset: Annotated[
        list[PresetName],
        typer.Option(
            metavar="rig|hard|small|wide",
            help="Random homographies of a rig, or hard ones; both by default. small: a thermal image of "
            "160x120; wide: the thermal camera sees 1.5 times as much as the visible one.",
            show_default=False,
        ),
    ] = [PresetName.RIG, PresetName.HARD],  # noqa: B006 (typer copies it)
    warps: Warps = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random homographies.")] = 0,
    baselines: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Methods to compare with, or none: {', '.join(BASELINES)}. Those after akaze need "
            "the extra peers.",
        ),
    ] = ",".join(CLASSIC),
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write evaluation.json and evaluation.md.")
    ] = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
    model: Model = None,
    backend: Backend = "auto",
    threads: Threads = None,
) -> None:
    """Evaluate accuracy on aligned pairs, compared with baselines.

    Each thermal image is warped by known homographies; errors are the mean over its corners, in pixels of a
    visible image 640 px wide.
    """
    written = [] if out is None else [out / "evaluation.json", out / "evaluation.md"]
    pairs = read_folder(folder)
    check_outputs(written, overwrite, _files(pairs), json_file=json_file)
    others = open_baselines(_baselines(baselines))
    with (
        Registrar.open(model, backend=backend, threads=threads) as registrar,
        common.progress(hidden=json_file == STANDARD_OUTPUT) as bar,
    ):
        engine = registrar.engine.info
        task = bar.add_task("evaluating", total=len(pairs))
        evaluated = compare(
            {engine.config: partial(registrar.register, search=True, verify=True), **others},
            pairs,
            [known for known in ALL if known.name in preset],
            seed,
            warps,
            on_pair=lambda: bar.advance(task),
        )
    if out is not None:
        write_json(out / "evaluation.json", report.record(evaluated, str(folder), engine))
        write_text(out / "evaluation.md", report.to_markdown(evaluated, str(folder), engine))
    if json_file is not None:
        write_json(json_file, report.record(evaluated, str(folder), engine))
    if json_file != STANDARD_OUTPUT:
        common.show_evaluation(evaluated, str(folder))
    fail_with_errors([pair.reason for pair in evaluated.unreadable])


def _files(pairs: list[PairPaths]) -> list[Path]:
    return [file for pair in pairs for file in (pair.visible, pair.thermal)]


def _baselines(text: str) -> list[str]:
    """The names in a comma-separated list."""
    names = [] if text == "none" else [name.strip().lower() for name in text.split(",")]
    if unknown := [name for name in names if name not in BASELINES]:
        raise typer.BadParameter(
            f"--baselines has {unknown[0]!r}; write none alone, or some of {', '.join(BASELINES)}"
        )
    return names


def benchmark(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="PAIRS_DIR", help="Pairs to register; by default a rendered street."),
    ] = None,
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Timed registrations, after a warm-up.")] = 50,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
    model: Model = None,
    backend: Backend = "auto",
    threads: Threads = None,
) -> None:
    """Measure latency by stage on 640x512 pairs, start-up time and memory."""
    check_outputs([], overwrite, json_file=json_file)
    pairs = [] if folder is None else read_folder(folder)[:runs]
    try:
        images = read_images(pairs)
    except DistillMatchError as error:
        common.complain(str(error))
        raise typer.Exit(SOME_INPUTS_FAILED) from error
    with common.progress(hidden=json_file == STANDARD_OUTPUT) as bar:
        task = bar.add_task("measuring", total=runs)
        measured = run_benchmark(
            model,
            images,
            source="synthetic street" if folder is None else str(folder),
            backend=backend,
            threads=threads,
            runs=runs,
            on_run=lambda: bar.advance(task),
        )
    if json_file is not None:
        write_json(json_file, asdict(measured))
    if json_file != STANDARD_OUTPUT:
        common.show_benchmark(measured)


def _listed_pairs(visible: Path | None, thermal: Path | None, pairs: Path | None) -> list[PairPaths]:
    if pairs is not None:
        if visible is not None:
            raise typer.BadParameter("Give VISIBLE THERMAL or --pairs, not both.")
        return read_folder(pairs) if pairs.is_dir() else read_csv(pairs)
    if visible is None or thermal is None:
        raise typer.BadParameter("Give VISIBLE THERMAL, or --pairs with a CSV or a folder.")
    return [PairPaths.of(visible, thermal)]


def _listed_thermal(first: Path | None, second: Path | None, pairs: Path | None) -> list[PairPaths]:
    """Files that hold both images of a pair: the single argument, or all images of the folder."""
    if second is not None or (first is None) == (pairs is None):
        raise typer.BadParameter("With --visible-from-thermal give THERMAL alone, or --pairs with a folder.")
    if first is not None:
        return [PairPaths.of(first, first)]
    assert pairs is not None, "one of the two is given"
    return [PairPaths.of(path, path) for path in list_images(pairs)]
