"""The command that registers images: match."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from math import inf
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.progress import Progress

from distillmatch_ros.bags.depth_scale import scale_of_files
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
from distillmatch_ros.bags.rig_learning import learn_from_files
from distillmatch_ros.base.files import check_suffix
from distillmatch_ros.cli.options import AUTO, Degrees, EngineOptions, Output
from distillmatch_ros.cli.program import SOME_INPUTS_FAILED
from distillmatch_ros.cli.view import common, registrations
from distillmatch_ros.images.orientation import Orientation, Orientations
from distillmatch_ros.images.pairs import PairPaths, files_of, list_images, read_csv, read_folder
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import MAX_FRAMES, LearnedRig
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.regions import Parallax
from distillmatch_ros.rig.trust import FAR_PX

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
            "bits look black in many viewers), its mask (255 inside the thermal camera's view), the visible "
            f"image in the thermal frame, and {RECORDS}, the input of report.",
        ),
    ] = None,
    *,
    output: Output,
    rig: Annotated[
        str | None,
        typer.Option(
            metavar="auto|FILE",
            help="All pairs are of one rig. auto: learn it from them first, and use it if it fits pairs that "
            "were left out better than their own homographies; or a file from --rig-out. It also maps pairs "
            "that have no homography of their own (status FIXED), and none whose own is far off it "
            "(CONTRADICTED).",
        ),
    ] = None,
    rig_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rig that --rig auto learned, YAML.")
    ] = None,
    parallax: Annotated[
        Parallax,
        typer.Option(
            metavar="plane|regions",
            help="With --rig: map everything as on one plane, or find the depth of regions by edges too.",
        ),
    ] = Parallax.PLANE,
    depth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="With --rig: a depth image registered to the visible one (16 bits: millimetres; "
            "floating point: metres), or a folder of them by the visible images' names. Near things are "
            "mapped by it, what they hide is left out, and --out has a point cloud (PLY).",
        ),
    ] = None,
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
        ),
    ] = False,
    max_pixels: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Reject larger images by their header, before decoding them."),
    ] = MAX_PIXELS,
    temperature: Degrees = None,
    rgb_rotation: Rotation = 0,
    rgb_flip: Flip = False,
    thermal_rotation: Rotation = 0,
    thermal_flip: Flip = False,
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
    _check_rig(rig, rig_out, depth, parallax, pairs)
    check_suffix(rerun, ".rrd")
    written = [*([] if out is None else picture_paths(listed, out)), rig_out, rerun]
    taken = [pairs, depth, *files_of(listed), None if out is None else out / RECORDS]
    output.check(written, taken)
    upright = Orientations(Orientation(rgb_rotation, rgb_flip), Orientation(thermal_rotation, thermal_flip))
    single = pairs is None
    counts: Counter[str] = Counter()
    contradicted: list[Rejection] = []
    with (
        engine.open(upright) as registrar,
        common.progress(hidden=single or output.quiet) as bar,
        ExitStack() as files,
    ):
        known = None
        if rig is not None:
            known, used = _open_rig(rig, registrar, listed, depth, visible_from_thermal, max_pixels, bar)
            if known is not None and rig_out is not None:
                RigFile.of(known, used).save(rig_out)
        results = match_files(
            registrar,
            listed,
            out,
            rig=known,
            parallax=parallax,
            depth=depth,
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
    misfits = rig not in (None, AUTO) and not single and len(contradicted) > counts[Status.OK]
    if misfits:
        common.complain(_misfit(f"{rig}", contradicted, counts[Status.OK], depth is not None))
    if counts[ERROR] or misfits:
        raise typer.Exit(SOME_INPUTS_FAILED)


def _check_rig(
    rig: str | None, rig_out: Path | None, depth: Path | None, parallax: Parallax, pairs: Path | None
) -> None:
    """Check that the options about a rig go together."""
    if rig_out is not None and rig != AUTO:
        raise typer.BadParameter("--rig-out needs --rig auto.")
    if rig is None and (depth is not None or parallax is not Parallax.PLANE):
        raise typer.BadParameter("--depth and --parallax need --rig.")
    if depth is not None and parallax is not Parallax.PLANE:
        raise typer.BadParameter("Give --depth or --parallax regions, not both.")
    if rig == AUTO and pairs is None:
        raise typer.BadParameter("--rig auto needs --pairs.")


def _open_rig(
    rig: str,
    registrar: Registrar,
    listed: Sequence[PairPaths],
    depth: Path | None,
    visible_from_thermal: bool,
    max_pixels: int,
    bar: Progress,
) -> tuple[LearnedRig | None, int]:
    """The rig of a file, or learned from the pairs, in metres if depth tells the scale.

    Returns:
        The rig, None if evidence is for the pairs' own homographies; and the number of pairs it was learned
        from, 0 for a file.
    """
    used = 0
    if rig == AUTO:
        task = bar.add_task("learning the rig", total=min(len(listed), MAX_FRAMES))
        known, evidence, used = learn_from_files(
            registrar,
            listed,
            depth=depth,
            visible_from_thermal=visible_from_thermal,
            max_pixels=max_pixels,
            on_pair=lambda: bar.advance(task),
        )
        bar.remove_task(task)
        for line in str(evidence).splitlines():
            common.remark(line, bar.console)
        if evidence.kind == "pair":
            return None, used
    else:
        known = RigFile.load(Path(rig)).rig
    if depth is not None and not known.model.is_metric:
        scale = scale_of_files(known, listed, depth, visible_from_thermal, max_pixels)
        known = known.with_baseline(scale.metres, scale.origins)
        common.remark(str(scale), bar.console)
    elif known.measured:
        common.remark(str(Scale.of(known.model, known.measured)), bar.console)
    return known, used


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


def _misfit(file: str, contradicted: Sequence[Rejection], confirmed: int, by_depth: bool) -> str:
    """Why a rig's file is not that of the pairs."""
    gaps = [inf if each.value is None else each.value for each in contradicted]
    return (
        f"{file}: does not fit these pairs: {len(gaps)} contradict it, {confirmed} confirm it; the former "
        f"lie {median(gaps):.0f} px from it as the median, and {FAR_PX:g} px are allowed; calibrate anew "
        "with `distillmatch calibrate`, or name the file of these cameras"
        f"{'; and check that the depth is of these images' if by_depth else ''}"
    )


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
