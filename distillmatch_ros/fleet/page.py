"""The page of a fleet: one self-contained HTML file with a row per bag."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import PackageLoader

from distillmatch_ros.base.files import write_text
from distillmatch_ros.base.units import SECOND, Percentiles
from distillmatch_ros.fleet.overview import WORST_FIRST, BagOverview
from distillmatch_ros.reports.advice import Advice
from distillmatch_ros.reports.charts import Chart, Series, line_chart
from distillmatch_ros.reports.contents import Fact, figure
from distillmatch_ros.reports.rendering import render
from distillmatch_ros.reports.verdict import Level, Verdict

NAMED = 5
"""Greatest number of bags that an advice names."""
REMEDY = "The report of such a bag shows when, and what to try."
DAY, HOUR = 86400.0, 3600.0


def write_fleet(bags: Sequence[BagOverview], title: str, path: Path) -> None:
    """Write the page of a fleet.

    Args:
        bags: bags in the order of the table.
        title: heading, such as the name of the table.
        path: HTML file.

    Raises:
        DistillMatchError: it cannot be written.
    """
    levels = [level for level in WORST_FIRST if any(bag.verdict.level is level for bag in bags)]
    values = {
        "title": title,
        "verdict": verdict(bags),
        "problems": (),
        "facts": _facts(bags),
        "charts": _charts(bags),
        "levels": levels,
        "bags": bags,
    }
    write_text(path, render("fleet.html.j2", values, PackageLoader("distillmatch_ros.fleet")))


def verdict(bags: Sequence[BagOverview]) -> Verdict:
    """Judge a fleet: number of bags that need inspection, and the advice that several bags share."""
    looks = sum(bag.needs_look for bag in bags)
    counts = Counter(bag.verdict.level for bag in bags)
    shifted = sum(bag.needs_look and bag.verdict.level is Level.GOOD for bag in bags)
    found = ", ".join(f"{counts[level]} {level}" for level in WORST_FIRST if counts[level])
    reasons = [f"Verdicts on the {len(bags)} bags: {found}."]
    if shifted:
        reasons.append(f"The rig is shifted against the other bags in {shifted} that are good by themselves.")
    level = Level.GOOD if looks == 0 else Level.PARTLY if looks <= len(bags) / 2 else Level.POOR
    headline = "No bag needs inspection." if looks == 0 else f"{looks} of {len(bags)} bags need inspection."
    return Verdict(level, headline, reasons, _advice(bags))


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


def _facts(bags: Sequence[BagOverview]) -> list[Fact]:
    pairs = sum(bag.statuses.total() for bag in bags)
    rejected = sum(bag.rejected for bag in bags)
    facts = [
        Fact(f"{len(bags):,}", "bags"),
        Fact(f"{pairs:,}", "pairs"),
        Fact(f"{rejected / pairs:.1%}" if pairs else figure(None), "of the pairs are rejected"),
    ]
    shifts = [bag.shift_px for bag in bags if bag.shift_px is not None]
    if len(shifts) > 1:
        facts.append(
            Fact(figure(Percentiles.of(shifts).median, " px"), "shift of the rig between bags, median")
        )
    return facts


def _charts(bags: Sequence[BagOverview]) -> list[Chart]:
    timed = [(bag.stamp, bag) for bag in bags if bag.stamp is not None]
    timed.sort(key=lambda each: each[0])
    if not timed:
        return []
    first, last = timed[0][0], timed[-1][0]
    unit, name = (DAY, "days") if last - first > 2 * DAY * SECOND else (HOUR, "hours")
    abscissa = f"{name} since {timed[0][1].begin:%Y-%m-%d %H:%M}"
    places = [((stamp - first) / SECOND / unit, bag) for stamp, bag in timed]

    def chart(title: str, note: str, values: Sequence[tuple[float, float | None]], unit: str) -> Chart:
        points = [(x, y) for x, y in values if y is not None]
        return line_chart(title, note, [Series(title, points, "dots")], abscissa, unit)

    return [
        chart(
            "Registered pairs",
            "Pairs with a homography of their own.",
            [(x, bag.registered_percent) for x, bag in places],
            "%",
        ),
        chart(
            "Shift of the rig",
            "Distance of the thermal corners from their median position over bags with these image sizes.",
            [(x, bag.shift_px) for x, bag in places],
            "px",
        ),
    ]
