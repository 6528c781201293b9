"""Overview of a fleet: result of each bag, its rig among those of the other bags, and what to look at."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Literal

from typing_extensions import TypedDict

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.grouping import GEOMETRY, grouping
from distillmatch_ros.fleet.rigs import NAMELESS, DriveGeometry, NamedRig, RigDrive, name_rigs
from distillmatch_ros.fleet.stored import StoredBags
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.movement import STEADY_PX, Movement, movement
from distillmatch_ros.reports.recording import Recording, cameras
from distillmatch_ros.reports.verdict import Level, Verdict, judge
from distillmatch_ros.rig.comparison import Displacement
from distillmatch_ros.rig.history import RigHistory, Use
from distillmatch_ros.rig.learning import LearnedRig

WORST_FIRST = (Level.POOR, Level.EMPTY, Level.MOVES, Level.PARTLY, Level.GOOD)


class OverviewRecord(TypedDict):
    """A bag of a fleet as a JSON object.

    Attributes:
        bag: its name.
        begin: stamp of its first pair, ISO 8601 in UTC; null without pairs.
        pairs: number of pairs.
        ok: pairs with status OK.
        tracked: pairs with status TRACKED.
        rejected: pairs without a homography that their images support.
        level: verdict: good, partly, moves, poor or empty.
        headline: the verdict in a sentence.
        topics: topics of the advice, such as ``clock``.
        scatter_px: see `Movement.scatter`; null if unknown.
        slip_px: see `Movement.slip`; null if unknown.
        rig: the group of drives that it belongs to; empty if its geometry is unknown.
        rig_use: what the rig that the drive knew was for: maps, guards; null if none was known.
        known_s: when that rig was known, since the first pair; null likewise.
        knocks: number of times that the cameras moved against each other.
        shift_px: displacement of the geometry, at the same depth, from that of the rig's first drive; null
            if unknown.
        shift_deviation_px: its standard deviation; null likewise.
        drift_px_per_week: of the rig, over all its drives; null if none is found.
        reasons: why it should be looked at, as sentences; empty if nothing is wrong.
        needs_look: whether there are reasons.
        report: the bag's page, relative to that of the fleet; null if none was written.
    """

    bag: str
    begin: str | None
    pairs: int
    ok: int
    tracked: int
    rejected: int
    level: Literal["good", "partly", "moves", "poor", "empty"]
    headline: str
    topics: list[str]
    scatter_px: float | None
    slip_px: float | None
    rig: str
    rig_use: Use | None
    known_s: float | None
    knocks: int
    shift_px: float | None
    shift_deviation_px: float | None
    drift_px_per_week: float | None
    reasons: list[str]
    needs_look: bool
    report: str | None


@dataclass(frozen=True, eq=False)
class BagOverview:
    """A bag of a fleet. Lengths are pixels of a visible image 640 px wide.

    Attributes:
        name: of the bag.
        stamp: stamp of its first pair, ns; None without pairs.
        statuses: pairs by status.
        rejected: pairs without a homography that their images support.
        verdict: on this bag; its movement by the fleet's rig if it knew none.
        moved: its movement; None with fewer than two registered pairs.
        told: what it told of its rig.
        drive: its geometry; None if unknown.
        problems: what could not be read.
        source: place of the bag when it was registered; empty if unknown.
        out: place of its output; likewise.
        rig: the group of drives that it belongs to; `NAMELESS` if its geometry is unknown.
        shift: displacement of its geometry from that of the rig's first drive; None likewise.
        drift_px_per_week: of its rig; None if none is found.
        reasons: why it should be looked at, as sentences.
        report: link to its page; None if there is none.
    """

    name: str
    stamp: int | None
    statuses: Counter[str]
    rejected: int
    verdict: Verdict
    moved: Movement | None
    told: RigHistory
    drive: RigDrive | None
    problems: Sequence[str] = ()
    source: str = ""
    out: str = ""
    rig: str = NAMELESS
    shift: Displacement | None = None
    drift_px_per_week: float | None = None
    reasons: tuple[str, ...] = ()
    report: str | None = None

    @property
    def needs_look(self) -> bool:
        """Whether there are reasons to look at it."""
        return bool(self.reasons)

    @property
    def registered_percent(self) -> float | None:
        """Percentage of pairs with a homography, of those whose images decided on it; None without any."""
        found = sum(self.statuses[status.value] for status in Status if status.is_own)
        judged = found + self.rejected
        return 100 * found / judged if judged else None

    @property
    def begin(self) -> datetime | None:
        """Time of its first pair, in UTC."""
        return None if self.stamp is None else datetime.fromtimestamp(self.stamp / SECOND, timezone.utc)

    @property
    def known_s(self) -> float | None:
        """When its rig was known, s since the first pair; None if none was."""
        return None if self.told.known is None else self.told.known.seconds

    def record(self) -> OverviewRecord:
        """The bag as a JSON object."""
        return {
            "bag": self.name,
            "begin": self.begin.isoformat() if self.begin is not None else None,
            "pairs": self.statuses.total(),
            "ok": self.statuses["OK"],
            "tracked": self.statuses["TRACKED"],
            "rejected": self.rejected,
            "level": self.verdict.level.value,
            "headline": self.verdict.headline,
            "topics": sorted({advice.topic for advice in self.verdict.advice}),
            "scatter_px": None if self.moved is None else self.moved.scatter,
            "slip_px": None if self.moved is None else self.moved.slip,
            "rig": self.rig,
            "rig_use": self.told.use,
            "known_s": self.known_s,
            "knocks": len(self.told.knocks),
            "shift_px": None if self.shift is None else self.shift.px,
            "shift_deviation_px": None if self.shift is None else self.shift.deviation_px,
            "drift_px_per_week": self.drift_px_per_week,
            "reasons": list(self.reasons),
            "needs_look": self.needs_look,
            "report": self.report,
        }


@dataclass(frozen=True, eq=False)
class Fleet:
    """The bags of a fleet, and its rigs: those with something to look at first, then by time.

    Attributes:
        bags: those that were read.
        rigs: of these bags.
        unread: why each of the others could not be read, or registered.
    """

    bags: Sequence[BagOverview]
    rigs: Sequence[NamedRig]
    unread: Sequence[str] = ()


def overview(bags: StoredBags, group_by: str = GEOMETRY) -> Fleet:
    """Judge each bag of a fleet, and its rig against those of the other bags.

    Args:
        bags: only one at a time is kept in memory.
        group_by: by what drives are grouped to rigs; see `grouping`.

    Raises:
        DistillMatchError: see `grouping`.
    """
    key = grouping(group_by)
    alone, drives = [], []
    for each in bags:
        bag = _alone(each.recording)
        alone.append(bag)
        if bag.drive is not None:
            drives.append((key(each), bag.drive))
    rigs = name_rigs(drives)
    by_drive = {drive.name: rig for rig in rigs for drive in rig.drives}
    judged = [_of_rig(bag, by_drive[bag.name], bags) if bag.name in by_drive else bag for bag in alone]
    judged = [replace(bag, reasons=tuple(_reasons(bag, by_drive.get(bag.name)))) for bag in judged]
    worst = {rig: min(map(_urgency, group)) for rig, group in _by_rig(judged).items()}
    judged.sort(key=lambda bag: (worst[bag.rig], bag.rig, *_urgency(bag)))
    order = list(dict.fromkeys(bag.rig for bag in judged))
    return Fleet(judged, sorted(rigs, key=lambda rig: order.index(rig.name)), bags.unread)


def _by_rig(bags: Sequence[BagOverview]) -> dict[str, list[BagOverview]]:
    groups: dict[str, list[BagOverview]] = {}
    for bag in bags:
        groups.setdefault(bag.rig, []).append(bag)
    return groups


def _urgency(bag: BagOverview) -> tuple[bool, int, int]:
    return not bag.needs_look, WORST_FIRST.index(bag.verdict.level), bag.stamp or 0


def _alone(recording: Recording) -> BagOverview:
    entries = recording.entries
    moved = movement(entries, recording.rig)
    geometry = DriveGeometry.of(entries, recording.rig)
    drive = None
    if geometry is not None:
        sizes = cameras([entry for entry in entries if entry.corners is not None])
        drive = RigDrive(recording.title, entries[0].stamp or 0, sizes, geometry)
    return BagOverview(
        recording.title,
        entries[0].stamp if entries else None,
        Counter(entry.status for entry in entries),
        sum(entry.judged and not entry.registered for entry in entries),
        judge(recording, moved),
        moved,
        recording.rig,
        drive,
        recording.problems,
        str(recording.provenance.get("bag") or ""),
        str(recording.provenance.get("out") or ""),
    )


def _of_rig(bag: BagOverview, rig: NamedRig, bags: StoredBags) -> BagOverview:
    """A bag among the drives of its rig; its movement is judged by their rig if it knew none itself."""
    bag = replace(
        bag,
        rig=rig.name,
        shift=rig.shift(bag.name),
        drift_px_per_week=None if rig.drift is None else rig.drift.px_per_week,
    )
    learned = rig.learned(bag.name)
    if learned is None or bag.verdict.level is not Level.MOVES or bag.told.mapping_rig or bag.told.knocks:
        return bag
    return _judged_by(bag, bags.read(bag.name), learned)


def _judged_by(bag: BagOverview, recording: Recording, learned: LearnedRig) -> BagOverview:
    """A bag whose movement is measured from a rig that other drives know."""
    moved = movement(recording.entries, RigHistory(mode="live", use="maps", rig=learned))
    return replace(bag, moved=moved, verdict=judge(recording, moved))


def _reasons(bag: BagOverview, rig: NamedRig | None) -> Iterator[str]:
    """Why a bag should be looked at."""
    verdict = bag.verdict
    if verdict.level is not Level.GOOD and not _is_fixed_in_peace(bag):
        seen = [] if bag.told.knocks else [advice.seen for advice in verdict.advice]
        yield " ".join([verdict.headline, *seen[:1]])
    if rig is not None:
        yield from rig.reasons(bag.name)
        if rig.drift is not None and rig.drift.px > STEADY_PX and rig.drives[-1].name == bag.name:
            yield (
                f"{rig.name} has drifted by {rig.drift.px:.1f} px (standard deviation "
                f"{rig.drift.deviation_px:.1f}) in {rig.drift.weeks:.1f} weeks: calibrate it again."
            )
    if bag.problems:
        more = "" if len(bag.problems) == 1 else f" (and {len(bag.problems) - 1} more)"
        yield f"Could not be read or paired in full{more}: {bag.problems[0]}"


def _is_fixed_in_peace(bag: BagOverview) -> bool:
    """Whether a homography was given for all pairs, and nothing was found against it."""
    given = bag.told.mode == "fixed" and bag.statuses["FIXED"] > 0
    return given and bag.verdict.level is Level.EMPTY and not bag.told.is_doubted
