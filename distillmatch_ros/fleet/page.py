"""The page of a fleet: one self-contained HTML file with a row per bag."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import PackageLoader

from distillmatch_ros.base.files import write_text
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.overview import WORST_FIRST, BagOverview, Fleet
from distillmatch_ros.fleet.rigs import NamedRig
from distillmatch_ros.reports.advice import Advice
from distillmatch_ros.reports.charts import SERIES, Chart, Series, line_chart
from distillmatch_ros.reports.contents import Fact, figure
from distillmatch_ros.reports.rendering import render
from distillmatch_ros.reports.verdict import Level, Verdict

NAMED = 5
"""Greatest number of bags that an advice names."""
REMEDY = "The report of such a bag shows when, and what to try."
DAY, HOUR = 86400.0, 3600.0


def write_fleet(fleet: Fleet, title: str, path: Path) -> None:
    """Write the page of a fleet.

    Args:
        fleet: its bags and rigs.
        title: heading, such as the name of the table.
        path: HTML file.

    Raises:
        DistillMatchError: it cannot be written.
    """
    bags = fleet.bags
    values = {
        "title": title,
        "verdict": verdict(fleet),
        "problems": fleet.unread,
        "facts": _facts(fleet),
        "charts": _charts(fleet),
        "rigs": [_row(rig, fleet) for rig in fleet.rigs],
        "levels": [level for level in WORST_FIRST if any(bag.verdict.level is level for bag in bags)],
        "bags": bags,
    }
    write_text(path, render("fleet.html.j2", values, PackageLoader("distillmatch_ros.fleet")))


def verdict(fleet: Fleet) -> Verdict:
    """Judge a fleet: number of bags that need inspection, and the advice that several bags share."""
    bags = fleet.bags
    looks = sum(bag.needs_look for bag in bags)
    counts = Counter(bag.verdict.level for bag in bags)
    found = ", ".join(f"{counts[level]} {level}" for level in WORST_FIRST if counts[level])
    reasons = [f"Verdicts on the {counted(len(bags), 'bag')}: {found}."] if bags else []
    if fleet.rigs:
        knocked = sum(bool(bag.told.knocks) for bag in bags)
        knocks = f"were knocked in {counted(knocked, 'bag')}" if knocked else "were knocked in no bag"
        reasons.append(f"The bags are of {counted(len(fleet.rigs), 'rig')}; the cameras {knocks}.")
    good = sum(bag.needs_look and bag.verdict.level is Level.GOOD for bag in bags)
    if good:
        registers = (
            "bag that needs inspection registers" if good == 1 else "bags that need inspection register"
        )
        reasons.append(f"{good} {registers} well: look at geometry, drift or what could not be read.")
    drifts = [(rig.name, rig.drift.px_per_week) for rig in fleet.rigs if rig.drift is not None]
    reasons += [f"{name} drifts by {speed:.2f} px a week." for name, speed in drifts]
    bad, total = looks + len(fleet.unread), len(bags) + len(fleet.unread)
    level = Level.GOOD if bad == 0 else Level.PARTLY if bad <= total / 2 else Level.POOR
    return Verdict(level, _headline(looks, fleet), reasons, _advice(bags))


def _headline(looks: int, fleet: Fleet) -> str:
    unread = f"{counted(len(fleet.unread), 'bag')} could not be read"
    if not fleet.bags:
        return f"{unread}, and there is no other."
    needs = "No bag needs" if looks == 0 else f"{looks} of {len(fleet.bags)} bags need"
    return f"{needs} inspection{f', and {unread}' if fleet.unread else ''}."


def counted(number: int, noun: str) -> str:
    """A number of things: ``1 bag``, ``7 bags``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class RigRow:
    """A rig in the table of rigs, as text."""

    name: str
    cameras: str
    drives: int
    known: int
    first: str
    last: str
    knocks: int
    mounts: int
    drift: str
    nearest: str


def _row(rig: NamedRig, fleet: Fleet) -> RigRow:
    bags = {bag.name: bag for bag in fleet.bags}
    own = [bags[drive.name] for drive in rig.drives]
    days = [f"{bag.begin:%Y-%m-%d}" for bag in (own[0], own[-1]) if bag.begin is not None]
    others = [
        (other.all.gap(rig.all), other.name)
        for other in fleet.rigs
        if other is not rig and other.drives[0].cameras == rig.drives[0].cameras
    ]
    near = min(others, key=lambda each: each[0].px, default=None)
    drift = rig.drift
    return RigRow(
        name=rig.name,
        cameras=rig.drives[0].cameras,
        drives=len(own),
        known=sum(bag.told.rig is not None for bag in own),
        first=days[0] if days else "",
        last=days[-1] if days else "",
        knocks=sum(len(bag.told.knocks) for bag in own),
        mounts=len(rig.mounts),
        drift="none found"
        if drift is None
        else f"{drift.px_per_week:.2f} px a week, {drift.px:.1f} px in all",
        nearest="" if near is None else f"{near[1]}, {near[0].px:.0f} px",
    )


def _advice(bags: Sequence[BagOverview]) -> list[Advice]:
    """One advice per topic, the most frequent first, with the bags that it concerns."""
    concerned: dict[str, list[str]] = {}
    for bag in bags:
        for topic in {advice.topic: None for advice in bag.verdict.advice}:
            concerned.setdefault(topic, []).append(bag.name)
    return [
        Advice(topic, f"{len(names)} of {len(bags)} bags: {_named(names)}.", REMEDY)
        for topic, names in sorted(concerned.items(), key=lambda item: -len(item[1]))
    ]


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _facts(fleet: Fleet) -> list[Fact]:
    bags = fleet.bags
    pairs = sum(bag.statuses.total() for bag in bags)
    rejected = sum(bag.rejected for bag in bags)
    facts = [
        Fact(f"{len(bags):,}", "bag" if len(bags) == 1 else "bags"),
        Fact(f"{len(fleet.rigs):,}", "rig" if len(fleet.rigs) == 1 else "rigs"),
        Fact(f"{pairs:,}", "pairs"),
        Fact(f"{rejected / pairs:.1%}" if pairs else figure(None), "of the pairs are rejected"),
    ]
    if fastest := [rig.drift.px_per_week for rig in fleet.rigs if rig.drift is not None]:
        facts.append(Fact(figure(max(fastest), " px", 2), "drift of a rig in a week, the greatest"))
    return facts


def _charts(fleet: Fleet) -> list[Chart]:
    stamped = [(bag.stamp, bag) for bag in fleet.bags if bag.stamp is not None]
    timed = sorted(stamped, key=lambda each: each[0])
    if not timed:
        return []
    (first, earliest), (last, _) = timed[0], timed[-1]
    unit, name = (DAY, "days") if last - first > 2 * DAY * SECOND else (HOUR, "hours")
    abscissa = f"{name} since {earliest.begin:%Y-%m-%d %H:%M}"
    places = {bag.name: (stamp - first) / SECOND / unit for stamp, bag in timed}
    registered = [
        (places[bag.name], each) for _, bag in timed if (each := bag.registered_percent) is not None
    ]
    note = "Pairs with a homography of their own."
    charts = [
        line_chart("Registered pairs", note, [Series("bags", registered, "dots")], abscissa, "%"),
    ]
    rigs = sorted((rig for rig in fleet.rigs if len(rig.drives) > 1), key=lambda rig: -len(rig.drives))
    shown = rigs[: len(SERIES)]
    series = [
        Series(
            rig.name,
            [
                (places[drive.name], shift.px)
                for drive, shift in zip(rig.drives, rig.all.shifts, strict=True)
                if drive.name in places
            ],
            "dots",
        )
        for rig in shown
    ]
    if series:
        some = "" if len(shown) == len(rigs) else f" The {len(shown)} rigs with most drives."
        note = (
            "Displacement of each drive's geometry from that of its rig's first drive, at the same depth, in "
            f"a visible image 640 px wide. A slope is drift, a step a mount that moved.{some}"
        )
        charts.append(line_chart("Drift of the rigs", note, series, abscissa, "px"))
    return charts
