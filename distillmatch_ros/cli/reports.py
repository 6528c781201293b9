"""The command that writes an HTML report of a registered recording: report."""

from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.files import STANDARD_OUTPUT, check_outputs, write_json
from distillmatch_ros.cli.program import JsonFile, Overwrite
from distillmatch_ros.cli.streams import Rgb, Thermal


def report(
    recording: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="Output of bag, a recording of the node, a folder of match --out, or JSON Lines.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="HTML file to write.")] = Path(
        "report.html"
    ),
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="BAG|DIR",
            help="Source of the camera images: the bag that was registered, or the folder that paths in the "
            "JSON Lines are relative to.",
        ),
    ] = None,
    rgb: Rgb = None,
    thermal: Thermal = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a report that assesses a registration: one HTML file that needs no network connection."""
    from distillmatch_ros.cli.view import streams
    from distillmatch_ros.offline.report.page import Report, write_report
    from distillmatch_ros.offline.report.reading import read_recording

    check_outputs([out, json_file], overwrite)
    judged = Report(read_recording(recording, source, rgb, thermal))
    write_report(judged, out)
    if json_file is not None:
        write_json(json_file, judged.record())
    if json_file != STANDARD_OUTPUT:
        streams.show_verdict(judged.verdict, out)
