"""Overview of a fleet: result of each bag, movement of its rig, and the bags that need inspection."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Literal

import numpy as np
from typing_extensions import TypedDict

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.advice import STEADY_PX
from distillmatch_ros.reports.movement import movement
from distillmatch_ros.reports.recording import Recording
from distillmatch_ros.reports.verdict import Level, Verdict, judge
from distillmatch_ros.rig.comparison import mean_distance

Cameras = tuple[Size | None, Size | None]
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
        shift_px: offset of the rig from the median of all bags with these image sizes; null if unknown.
        needs_look: the level is not good, or the shift exceeds that of a fixed rig.
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
    shift_px: float | None
    needs_look: bool


@dataclass(frozen=True, eq=False)
class BagOverview:
    """A bag of a fleet. Lengths are pixels of a visible image 640 px wide.

    Attributes:
        name: of the bag.
        stamp: stamp of its first pair, ns; None without pairs.
        statuses: pairs by status.
        rejected: pairs without a homography that their images support.
        verdict: on this bag alone.
        cameras: (height, width) of the visible and the thermal images.
        positions: float64 (4, 2), median positions of the thermal corners in the visible image; None with
            fewer than two registered pairs.
        scatter_px: see `Movement.scatter`; None likewise.
        slip_px: see `Movement.slip`; None likewise.
        shift_px: distance of ``positions`` from their median over all bags with these image sizes, mean over
            the four corners; None likewise.
    """

    name: str
    stamp: int | None
    statuses: Counter[str]
    rejected: int
    verdict: Verdict
    cameras: Cameras
    positions: Float64 | None
    scatter_px: float | None
    slip_px: float | None
    shift_px: float | None = None

    @property
    def needs_look(self) -> bool:
        """Whether the verdict is not good, or the rig is shifted against those of the other bags."""
        return self.verdict.level is not Level.GOOD or (self.shift_px or 0.0) > STEADY_PX

    @property
    def finding(self) -> str:
        """Why it needs inspection, as a sentence; the verdict if it does not."""
        if self.verdict.level is Level.GOOD and self.needs_look:
            return f"The rig is shifted by {self.shift_px:.1f} px against the other bags."
        return self.verdict.headline

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
            "scatter_px": self.scatter_px,
            "slip_px": self.slip_px,
            "shift_px": self.shift_px,
            "needs_look": self.needs_look,
        }


def overview(recordings: Iterable[Recording]) -> list[BagOverview]:
    """Judge each bag of a fleet, and its rig against those of the other bags.

    Args:
        recordings: one per bag; only one at a time is kept in memory.

    Returns:
        The bags, those that need inspection first.
    """
    alone = [_alone(recording) for recording in recordings]
    by_cameras: dict[Cameras, list[Float64]] = {}
    for bag in alone:
        if bag.positions is not None:
            by_cameras.setdefault(bag.cameras, []).append(bag.positions)
    usual = {cameras: np.median(places, axis=0) for cameras, places in by_cameras.items()}
    bags = [
        bag
        if bag.positions is None
        else replace(bag, shift_px=float(mean_distance(bag.positions - usual[bag.cameras])))
        for bag in alone
    ]
    return sorted(bags, key=_urgency)


def _urgency(bag: BagOverview) -> tuple[bool, int, int]:
    return not bag.needs_look, WORST_FIRST.index(bag.verdict.level), bag.stamp or 0


def _alone(recording: Recording) -> BagOverview:
    entries = recording.entries
    moved = movement(entries)
    return BagOverview(
        recording.title,
        entries[0].stamp if entries else None,
        Counter(entry.status for entry in entries),
        sum(entry.judged and not entry.registered for entry in entries),
        judge(recording, moved),
        (entries[0].visible_size, entries[0].thermal_size) if entries else (None, None),
        None if moved is None else moved.positions,
        None if moved is None else moved.scatter,
        None if moved is None else moved.slip,
    )
