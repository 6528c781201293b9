"""The pages of a fleet's bags, to which the page of the fleet links."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from distillmatch_ros.base.enums import StrEnum
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import make_folder
from distillmatch_ros.fleet.overview import BagOverview, Fleet
from distillmatch_ros.fleet.stored import StoredBags
from distillmatch_ros.reports.from_bag import read_bag
from distillmatch_ros.reports.page import Report, write_report
from distillmatch_ros.reports.recording import Recording


class Pages(StrEnum):
    """Bags that get a page: all, those with something to look at, or none."""

    ALL = "all"
    STARRED = "starred"
    NONE = "none"


def folder_of(page: Path) -> Path:
    """The folder of the bags' pages, beside the page of their fleet."""
    return page.with_name(f"{page.stem}_reports")


def chosen(fleet: Fleet, pages: Pages) -> list[BagOverview]:
    """The bags that get a page."""
    return [bag for bag in fleet.bags if pages is Pages.ALL or (pages is Pages.STARRED and bag.needs_look)]


def write_bag_pages(
    fleet: Fleet, bags: StoredBags, page: Path, pages: Pages, on_bag: Callable[[], None] = lambda: None
) -> Fleet:
    """Write a page for each chosen bag.

    Args:
        fleet: the fleet.
        bags: reads its bags.
        page: page of the fleet; see `folder_of`.
        pages: which bags get one.
        on_bag: called after each page, for a progress bar.

    Returns:
        The fleet with links from its page.

    Raises:
        DistillMatchError: a page cannot be written.
    """
    folder, links = folder_of(page), {}
    for bag in chosen(fleet, pages):
        make_folder(folder)
        file = f"{quote(bag.name, safe=' ')}.html"
        write_report(_judged_like(bag, _richest(bag, bags)), folder / file)
        links[bag.name] = f"{quote(folder.name)}/{quote(file)}"
        on_bag()
    return replace(fleet, bags=[replace(bag, report=links.get(bag.name)) for bag in fleet.bags])


def _richest(bag: BagOverview, bags: StoredBags) -> Recording:
    """The bag's recording with matches and pictures if it and its source lie where it was registered."""
    out, source = Path(bag.out), Path(bag.source)
    with suppress(DistillMatchError, OSError):
        if out.is_file():
            read = read_bag(out, source if bag.source and source.exists() else None)
            if len(read.entries) == bag.statuses.total():
                return replace(read, title=bag.name)
    return bags.read(bag.name)


def _judged_like(bag: BagOverview, recording: Recording) -> Report:
    """The report with the fleet's verdict, which knows the other drives, and its reasons."""
    more = [reason for reason in bag.reasons if bag.verdict.headline not in reason]
    return Report(recording, bag.moved, replace(bag.verdict, reasons=[*bag.verdict.reasons, *more]))
