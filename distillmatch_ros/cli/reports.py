"""Commands that judge what was registered: report, fleet."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from distillmatch_ros.base.errors import DistillMatchError, needing
from distillmatch_ros.base.files import check_kind
from distillmatch_ros.cli.options import Degrees, Output
from distillmatch_ros.cli.program import fail_with_errors
from distillmatch_ros.cli.streams import Rgb, Thermal
from distillmatch_ros.fleet.places import is_url, shown


def report(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="Output of bag, a recording of the node, a folder of match --out, or JSON Lines; or the "
            "table of a fleet, a path or a URL.",
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
    temperature: Degrees = None,
    *,
    output: Output,
) -> None:
    """Write a report that assesses a registration, or a fleet, as one HTML file that needs no network.

    Exits with 1 if a part could not be read or registered; the page, JSON and terminal name it.
    """
    from distillmatch_ros.cli.view import streams
    from distillmatch_ros.reports.page import Report, write_report
    from distillmatch_ros.reports.reading import read_recording

    output.check([out], [Path(recording), source])
    check_kind(out, ".html", ".htm")
    if _is_table(recording):
        if source or rgb or thermal or temperature:
            raise DistillMatchError(
                "a table has no images; leave out --source, --rgb, --thermal and --temperature"
            )
        _judge_fleet(recording, output, out)
        return
    read = read_recording(Path(recording), source, rgb, thermal)
    judged = Report(read if temperature is None else replace(read, temperature=temperature))
    write_report(judged, out)
    output.give(judged.record(), lambda: streams.show_verdict(judged.verdict, out))
    fail_with_errors(judged.recording.problems)


def fleet(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="Folder that bag --table wrote; a path or a URL.")
    ],
    *,
    output: Output,
) -> None:
    """Show results and rig movement of every bag of a fleet, and the bags that need inspection."""
    output.check()
    _judge_fleet(table, output)


def _is_table(place: str) -> bool:
    return is_url(place) or any(Path(place).glob("bag=*"))


def _judge_fleet(table: str, output: Output, page: Path | None = None) -> None:
    """Judge the bags of a table, and show or write the result; exits with 1 if a bag cannot be read."""
    with needing("fleet"):
        from distillmatch_ros.fleet.table_reading import read_table
    from distillmatch_ros.cli.view.fleet import show_fleet
    from distillmatch_ros.fleet.overview import overview
    from distillmatch_ros.fleet.page import write_fleet

    failed: list[DistillMatchError] = []
    bags = overview(read_table(table, failed.append))
    if page is not None:
        write_fleet(bags, shown(table), page)
    output.give([bag.record() for bag in bags], lambda: show_fleet(bags, page))
    fail_with_errors([str(error) for error in failed])
