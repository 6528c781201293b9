"""The command that learns a rig: calibrate. Imports are local: rosbags is slow."""

from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_kind
from distillmatch_ros.cli.options import EngineOptions, Output, Settings
from distillmatch_ros.cli.program import fail_with_errors
from distillmatch_ros.cli.streams import (
    Params,
    Rgb,
    Thermal,
    complete_topic,
    fail_with,
    parameters_of,
    take_drives,
    tell_problems,
)
from distillmatch_ros.cli.view import common

OTHER_TOOLS = "Files of other tools"
FORMATS = "camera-info", "kalibr", "urdf", "static-transform"


def calibrate(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN...",
            help="Drives of one rig, near and far scenes, in motion: bags, folders with visible/NAME.ext and "
            "thermal/NAME.ext, CSVs of pairs.",
        ),
    ],
    rgb: Rgb = None,
    thermal: Thermal = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Calibration file to write.")] = Path(
        "calibration.yaml"
    ),
    baseline_m: Annotated[
        float | None,
        typer.Option(
            metavar="METRES",
            min=1e-3,
            help="Distance between the two lenses. It gives the rig its scale, which images do not tell.",
        ),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC",
            help="Depth images or LiDAR points in the bags, which tell the distance between the lenses.",
            autocompletion=complete_topic,
        ),
    ] = None,
    initial: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Start from this rig: a file of calibrate, Kalibr (camchain), OpenCV or MATLAB.",
            rich_help_panel=OTHER_TOOLS,
        ),
    ] = None,
    fixed: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Keep what this file tells: a rig as above, or a camera (CameraInfo YAML); may be repeated.",
            rich_help_panel=OTHER_TOOLS,
        ),
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT=FILE",
            help=f"Write the rig for another tool too; may be repeated: {', '.join(FORMATS)}.",
            rich_help_panel=OTHER_TOOLS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write an HTML page: residuals over the image, distortion, depths, coverage, and where to "
            "drive.",
        ),
    ] = None,
    params: Params = None,
    settings: Settings = None,
    *,
    output: Output,
    engine: EngineOptions,
) -> None:
    """Calibrate the two cameras as a rig from drives; where no rig holds, fit one homography.

    Pairs left out of the fit decide between the two. The node takes the file as rig_file (mode rig) or
    calibration_file (mode fixed), and match as --rig.
    """
    from distillmatch_ros.bags import calibration
    from distillmatch_ros.bags.drives import Drives
    from distillmatch_ros.cli.view.calibration import show_calibration
    from distillmatch_ros.rig.exchange.formats import write_format
    from distillmatch_ros.rig.files import RigFile

    if depth is not None and baseline_m is not None:
        raise typer.BadParameter("Give --baseline-m or --depth, not both.")
    # Full passes: one for each pair, and no answer from an earlier calibration.
    parameters = parameters_of(params, settings, engine).changed({"pass_seconds": 0.0, "mode": "live"})
    exports = [_export(text) for text in export or []]
    read = [*sources, params, engine.model, initial, *(fixed or [])]
    output.check([out, report, *(file for _, file in exports)], read)
    check_kind(out, ".yaml", ".yml")
    check_kind(report, ".html", ".htm")
    drives = Drives(parameters)
    take_drives(drives, sources, rgb, thermal, output.quiet, "no calibration is written", depth)
    found = calibration.calibrate(drives, drives.take(initial, fixed or []), depth is not None)
    if found.rig is not None and baseline_m is not None:
        found = found.with_baseline(baseline_m)
    if found.scale is not None:
        common.remark(str(found.scale))
    if found.rig is None and depth is not None:
        common.complain("--depth is not used: there is no rig that it could tell the scale of")
    if exports and found.rig is None:
        raise DistillMatchError(f"--export: there is no rig ({found.against}), so nothing is written")
    if found.rig is not None:
        RigFile.of(found.rig, len(drives.observations)).save(out)
        for name, file in exports:
            write_format(name, file, found.rig.model)
    else:
        assert found.homography is not None, "without a rig there is a homography"
        found.homography.save(out)
    if report is not None:
        from distillmatch_ros.reports.calibration import write_calibration_page  # and Matplotlib

        write_calibration_page(found, drives, out.name, report)
    output.give(
        calibration.record(found, drives, str(out)), lambda: show_calibration(found, drives, str(out))
    )
    tell_problems(drives.summaries)
    for note in drives.notes:
        common.remark(note)
    if found.doubt is not None:
        common.complain(f"{out}: {found.doubt}")
    fail_with_errors(drives.errors)
    fail_with(drives.summaries)


def _export(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    if name not in FORMATS or not file:
        raise typer.BadParameter(f"--export {text}: write FORMAT=FILE, FORMAT one of {', '.join(FORMATS)}")
    return name, Path(file)
