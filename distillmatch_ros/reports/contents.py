"""Contents of a report: figures, charts and the table of pairs."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from distillmatch_ros.bags.image_files import ERROR
from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.charts import Chart, Series, Style, heat_map, line_chart, strip
from distillmatch_ros.reports.movement import Movement, coverage, inlier_counts
from distillmatch_ros.reports.recording import REJECTED, Entry, Recording

DASH = "\N{EN DASH}"
CORNERS = ("top left", "top right", "bottom right", "bottom left")
WHY_NOT = {
    REJECTED: "no homography; the recording does not contain the reason",
    ERROR: "an image could not be read",
}


@dataclass(frozen=True)
class Fact:
    """A key figure of the page, and its label."""

    value: str
    label: str


@dataclass(frozen=True)
class Line:
    """A status in the timeline: whether it is good, number and fraction of its pairs, and when they occur."""

    status: str
    is_good: bool
    meaning: str
    pairs: int
    fraction: float
    strip: Markup


@dataclass(frozen=True)
class Column:
    """A column of the table of all pairs: its name, and its text by the entry's number."""

    name: str
    values: Mapping[int, str]


def figure(value: float | None, unit: str = "", digits: int = 1) -> str:
    """Format a value with its unit; a dash for None."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.{digits}f}{unit}"


def meaning_of(status: str) -> str:
    known = Status.named(status)
    return WHY_NOT.get(status, "") if known is None else known.sentence


def _meaning(entries: Sequence[Entry]) -> str:
    """What the status of these pairs means, and how probable they are."""
    known = [entry.probability for entry in entries if entry.probability is not None]
    means = meaning_of(entries[0].status)
    if not known or entries[0].homography is None:
        return means
    return (
        f"{means}; the median pair is {Percentiles.of(known).median:.0%} probable, the least {min(known):.0%}"
    )


def known_of(entry: Entry, attribute: str) -> float | None:
    """A figure of an entry; None if it has none, such as matches without a pass of the network."""
    if attribute in ("matches", "inliers") and not entry.matched:
        return None
    value: float | None = getattr(entry, attribute)
    return value


def facts(recording: Recording, moved: Movement | None) -> list[Fact]:
    entries = recording.entries
    registered = [entry for entry in entries if entry.registered]
    facts = [Fact(f"{len(registered)} of {len(entries)}", "pairs registered from their own images")]
    matched = [entry for entry in registered if entry.matched]
    if matched:
        inliers = Percentiles.of([entry.inliers for entry in matched]).median
        matches = Percentiles.of([entry.matches for entry in matched]).median
        facts.append(
            Fact(f"{inliers:.0f} of {matches:.0f}", "matches are inliers in the median registered pair")
        )
    if (likely := _median([entry.probability for entry in entries])) is not None:
        facts.append(Fact(f"{likely:.0%}", "median probability that a pair is right within 10 px"))
    if moved is not None:
        of = "from the rig at the pair's depth" if moved.by_rig else "from pair to pair"
        facts.append(Fact(figure(moved.scatter, " px"), f"scatter of the corners {of}, median"))
    if (skew := _median([entry.skew_ms for entry in entries])) is not None:
        facts.append(Fact(figure(skew, " ms"), "median skew: thermal image after visible image"))
    if (latency := _median([entry.latency_ms for entry in entries])) is not None:
        of = "from image to homography, live" if recording.live else "of a registration"
        facts.append(Fact(figure(latency, " ms", 0), f"median latency {of}"))
    return facts


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return Percentiles.of(known).median if known else None


def lines(entries: Sequence[Entry]) -> list[Line]:
    places = [entry.place for entry in entries]
    counts = Counter(entry.status for entry in entries)
    # Successful statuses first, then by number.
    good = {status.value for status in Status if status.is_good}
    own = {status.value for status in Status if status.is_own}
    order = sorted(counts, key=lambda status: (status not in own, -counts[status]))
    return [
        Line(
            status,
            status in good,
            _meaning([entry for entry in entries if entry.status == status]),
            counts[status],
            counts[status] / len(entries),
            strip(places, [entry.status == status for entry in entries], f"when pairs are {status}"),
        )
        for status in order
    ]


def charts(recording: Recording, abscissa: str) -> list[Chart]:
    entries = recording.entries

    def series(name: str, attribute: str, style: Style = "line") -> Series:
        values = [(entry.place, known_of(entry, attribute)) for entry in entries]
        return Series(name, [(x, math.nan if y is None else y) for x, y in values], style)

    def known(attribute: str) -> bool:
        return any(known_of(entry, attribute) is not None for entry in entries)

    charts = [
        line_chart(
            "Matches and inliers",
            "Correspondences found, and those that agree with the homography.",
            [series("inliers", "inliers"), series("matches", "matches", "dashed")],
            abscissa,
            "",
        )
    ]
    if known("probability"):
        note = "Probability that the corner error is below 10 px, as estimated by the registrar."
        charts.append(line_chart("Probability", note, [series("probability", "probability")], abscissa, ""))
    if known("skew_ms"):
        note = "Stamp of the thermal image minus stamp of the visible one."
        charts.append(line_chart("Skew", note, [series("skew", "skew_ms", "dots")], abscissa, "ms"))
    if known("latency_ms"):
        note = (
            "From the receipt of the visible image to that of its homography, as measured by the recorder."
            if recording.live
            else "Registration only, without reading and writing."
        )
        charts.append(line_chart("Latency", note, [series("latency", "latency_ms")], abscissa, "ms"))
    return charts


def drift(entries: Sequence[Entry], moved: Movement | None, abscissa: str) -> list[Chart]:
    if moved is None:
        return []
    offsets = dict(zip(moved.numbers, moved.offsets, strict=True))
    charts = []
    for axis, direction in enumerate(("to the right", "downwards")):
        series = [
            Series(
                name,
                [
                    (e.place, float(offsets[e.number][corner, axis]) if e.number in offsets else math.nan)
                    for e in entries
                ],
            )
            for corner, name in enumerate(CORNERS)
        ]
        place = "where the rig has it at the pair's depth" if moved.by_rig else "its median position"
        note = f"Offset of each thermal corner from {place}, in a visible image 640 px wide."
        charts.append(line_chart(f"Drift {direction}", note, series, abscissa, "px"))
    return charts


def coverage_chart(entries: Sequence[Entry]) -> Chart | None:
    counts = inlier_counts(entries)
    if counts is None:
        return None
    height, width = next(entry.thermal_size for entry in entries if entry.registered and entry.thermal_size)
    return heat_map(
        "Coverage of inliers",
        f"Inliers of a registered pair by part of the thermal image, on average; the median pair has some in "
        f"{coverage(entries):.0%} of the parts.",
        counts,
        height / width,
    )


def columns(entries: Sequence[Entry], moved: Movement | None) -> list[Column]:
    """Columns of the table, without those that are empty for all pairs."""
    figures: list[tuple[str, int, Mapping[int, float | None]]] = [
        (name, digits, {entry.number: known_of(entry, attribute) for entry in entries})
        for name, digits, attribute in (
            ("inliers", 0, "inliers"),
            ("matches", 0, "matches"),
            ("probability", 2, "probability"),
            ("skew ms", 1, "skew_ms"),
            ("latency ms", 0, "latency_ms"),
        )
    ]
    shifts = {} if moved is None else moved.by_number
    reasons = {
        entry.number: DASH if entry.rejected_by is None else entry.rejected_by.found for entry in entries
    }
    figures.append(("shift px", 1, {entry.number: shifts.get(entry.number) for entry in entries}))
    numbers = [
        Column(name, {number: figure(value, digits=digits) for number, value in values.items()})
        for name, digits, values in figures
        if any(value is not None for value in values.values())
    ]
    rejected = any(entry.rejected_by is not None for entry in entries)
    return [*numbers, Column("rejected by", reasons)] if rejected else numbers
