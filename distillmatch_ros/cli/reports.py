"""Commands that judge what was registered: report, fleet."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distillmatch_ros.base.errors import DistillMatchError, needing
from distillmatch_ros.base.files import check_kind
from distillmatch_ros.cli.options import Degrees, Output
from distillmatch_ros.cli.program import fail_with_errors
from distillmatch_ros.cli.streams import Rgb, Thermal
from distillmatch_ros.fleet.places import is_url, shown

if TYPE_CHECKING:
    from distillmatch_ros.fleet.stored import Readers

GEOMETRY = "geometry"
PAGES = "all", "starred", "none"
OF_A_FLEET = "A fleet"


def _pages(name: str) -> str:
    if name not in PAGES:
        raise typer.BadParameter(f"{name!r} chooses no bags; write one of {', '.join(PAGES)}")
    return name


GroupBy = Annotated[
    str,
    typer.Option(
        metavar="KEY",
        help="What tells rigs apart: geometry, of drives that agree; path, the folder of the bag; path:N, "
        "the Nth part of its path, from the end for -N; or a field of the manifest.",
        rich_help_panel=OF_A_FLEET,
    ),
]
Reports = Annotated[
    str,
    typer.Option(
        metavar="BAGS",
        parser=_pages,
        help=f"Bags that get a page of their own, beside that of the fleet: {', '.join(PAGES)}.",
        rich_help_panel=OF_A_FLEET,
    ),
]


def report(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="Output of bag, a recording of the node, a folder of match --out, or JSON Lines; or the "
            "outputs of many bags: the folder that bag wrote, or its --table, a path or a URL.",
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
    group_by: GroupBy = GEOMETRY,
    reports: Reports = PAGES[0],
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
    if _is_fleet(recording):
        if source or rgb or thermal or temperature:
            raise DistillMatchError(
                "a fleet has images of many bags; leave out --source, --rgb, --thermal and --temperature"
            )
        _judge_fleet(recording, group_by, output, out, reports)
        return
    if group_by != GEOMETRY:
        raise DistillMatchError(f"{recording}: --group-by is for the table of a fleet; leave it out")
    read = read_recording(Path(recording), source, rgb, thermal)
    judged = Report(read if temperature is None else replace(read, temperature=temperature))
    write_report(judged, out)
    output.give(judged.record(), lambda: streams.show_verdict(judged.verdict, out))
    fail_with_errors(judged.recording.problems)


def fleet(
    table: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="Folder that bag wrote, or its --table, which is faster; a path or a URL."
        ),
    ],
    group_by: GroupBy = GEOMETRY,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the fleet's HTML page, and one of each bag beside it."),
    ] = None,
    reports: Reports = PAGES[0],
    *,
    output: Output,
) -> None:
    """Show the bags of a fleet by rig: what was registered, drift, knocks, and why to look at which bag."""
    output.check([report])
    check_kind(report, ".html", ".htm")
    _judge_fleet(table, group_by, output, report, reports)


def _is_fleet(place: str) -> bool:
    from distillmatch_ros.fleet.outputs import holds_outputs

    return is_url(place) or any(Path(place).glob("bag=*")) or holds_outputs(place)


def _find_bags(place: str) -> "Readers":
    from distillmatch_ros.fleet.outputs import find_outputs, holds_outputs

    if not is_url(place) and holds_outputs(place):
        return find_outputs(place)
    with needing("fleet"):
        from distillmatch_ros.fleet.table_reading import find_table
    return find_table(place)


def _judge_fleet(table: str, group_by: str, output: Output, page: Path | None, pages: str) -> None:
    """Judge the bags of a fleet, and show or write the result; exits with 1 if a bag cannot be read."""
    from distillmatch_ros.cli.view.common import progress
    from distillmatch_ros.cli.view.fleet import show_fleet
    from distillmatch_ros.fleet.bag_pages import Pages, chosen, folder_of, write_bag_pages
    from distillmatch_ros.fleet.overview import overview
    from distillmatch_ros.fleet.page import write_fleet
    from distillmatch_ros.fleet.stored import StoredBags

    if page is not None and folder_of(page).exists() and not output.overwrite:
        raise DistillMatchError(
            f"{folder_of(page)}: exists already; pass --overwrite to replace its pages, or name another page"
        )
    bags = StoredBags(_find_bags(table))
    found = overview(bags, group_by)
    if page is not None:
        with progress(output.quiet) as bar:
            task = bar.add_task("writing reports", total=len(chosen(found, Pages(pages))) or None)
            found = write_bag_pages(found, bags, page, Pages(pages), lambda: bar.advance(task))
        write_fleet(found, shown(table), page)
    output.give([bag.record() for bag in found.bags], lambda: show_fleet(found, page))
    fail_with_errors(found.unread)
