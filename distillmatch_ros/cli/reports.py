"""The command that makes a page of what was registered: report."""

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
            help="What bag wrote, a recording of the node, a folder of match --out, or JSON Lines.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="BAG|DIR",
            help="Where the camera images are: the bag that was registered, or the folder that the paths in "
            "the JSON Lines are relative to.",
        ),
    ] = None,
    rgb: Rgb = None,
    thermal: Thermal = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a page that shows whether registration was good: one HTML file, readable without a network."""
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
