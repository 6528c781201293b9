"""The rigs of a fleet: which drives had the same cameras on one plate, and how that changed over time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.reports.recording import Entry
from distillmatch_ros.rig.comparison import Displacement, Geometry, mean_distance
from distillmatch_ros.rig.history import RigHistory
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.trust import AGREE_PX

NAMELESS = ""
"""Group of the drives whose geometry is unknown."""
WEEK = 7 * 24 * 3600.0
CERTAIN = 3.0
"""Standard deviations within which two geometries agree, if that is more than `AGREE_PX`."""
NEARBY_PX = 64.0
"""Distance up to which the geometry of a single drive may be another rig's after a knock, reference px."""
LATEST = 3
"""Drives of a rig that a later one is compared with."""
LEAST_DRIVES, LEAST_WEEKS = 3, 1 / 7
"""Fewest drives of a drift, and shortest time from the first to the last."""


@dataclass(frozen=True, eq=False)
class DriveGeometry:
    """The geometry that a drive had when it began and when it ended, which differ after a knock."""

    begin: Geometry
    end: Geometry

    @classmethod
    def of(cls, entries: Sequence[Entry], told: RigHistory) -> "DriveGeometry | None":
        """By the rig where it maps all pairs, else by the pairs; None with fewer than two registered pairs.

        After a knock the last rig says nothing about the begin, and only later pairs about the end.
        """
        knocks, rig = told.knocks, told.mapping_rig
        since = knocks[-1].seconds if knocks else 0.0
        later = [entry for entry in entries if (entry.seconds or 0.0) >= since]
        end = _of_pairs(later) if rig is None else Geometry.of_rig(rig)
        if not knocks:
            return None if end is None else cls(end, end)
        begin = _of_pairs([entry for entry in entries if (entry.seconds or 0.0) < knocks[0].seconds])
        known = begin or end
        return None if known is None else cls(begin or known, end or known)

    @property
    def is_knocked(self) -> bool:
        """Whether the cameras moved in between."""
        return self.begin is not self.end


def _of_pairs(entries: Sequence[Entry]) -> Geometry | None:
    places = np.array([entry.corners for entry in entries if entry.corners is not None])
    if len(places) < 2:
        return None
    median = np.asarray(np.median(places, axis=0), np.float64)
    scatter = float(np.median(mean_distance(places - median)))
    return Geometry.of_place(median, 1.25 * scatter / float(np.sqrt(len(places))))  # of a median


@dataclass(frozen=True, eq=False)
class RigDrive:
    """A drive as rigs are told apart by it.

    Attributes:
        name: of its bag.
        stamp: of its first pair, ns.
        cameras: the sizes of the images as text; geometries of equal ones are compared.
        geometry: of its cameras.
    """

    name: str
    stamp: int
    cameras: str
    geometry: DriveGeometry


@dataclass(frozen=True)
class Drift:
    """Movement of a rig over weeks.

    Attributes:
        px_per_week: reference pixels of the thermal image's centre.
        px: from the first drive to the last.
        deviation_px: standard deviation of ``px``.
        weeks: time from the first drive to the last.
    """

    px_per_week: float
    px: float
    deviation_px: float
    weeks: float


@dataclass(frozen=True, eq=False)
class Rig:
    """Drives of one geometry, in the order of time.

    Attributes:
        drives: at least one.
        shifts: of each drive's end against the first drive's begin.
        drift: since the last drive in which the cameras were knocked, if one was; None if it is not beyond
            its uncertainty, or there are too few drives.
    """

    drives: Sequence[RigDrive]
    shifts: Sequence[Displacement]
    drift: Drift | None

    @classmethod
    def of(cls, drives: Sequence[RigDrive]) -> "Rig":
        """Of drives in the order of time."""
        first = drives[0].geometry.begin
        shifts = [first.displacement(drive.geometry.end) for drive in drives]
        knocked = [index for index, drive in enumerate(drives) if drive.geometry.is_knocked]
        since = knocked[-1] if knocked else 0
        return cls(drives, shifts, _drift([drive.stamp for drive in drives[since:]], shifts[since:]))

    @property
    def learned(self) -> LearnedRig | None:
        """The rig as its latest drive knew it that did; None if none did."""
        known = [drive.geometry.end.rig for drive in self.drives if drive.geometry.end.rig is not None]
        return known[-1] if known else None

    def gap(self, other: "Rig") -> Displacement:
        """How far another rig's first drive is from the nearest drive of this one."""
        there = other.drives[0].geometry.begin
        gaps = [drive.geometry.end.displacement(there) for drive in self.drives]
        return min(gaps, key=lambda gap: gap.px)


def agree(gap: Displacement) -> bool:
    """Whether two geometries may be those of one rig."""
    return gap.px <= max(AGREE_PX, CERTAIN * gap.deviation_px)


def find_rigs(drives: Sequence[RigDrive]) -> list[Rig]:
    """Tell rigs apart by their geometry.

    A drive belongs to the rig of whose latest drives one ended with the nearest geometry, if the two agree.
    So a rig that drifts stays one, and so does one that is knocked while it is watched.

    Returns:
        The rigs, in the order of their first drives.
    """
    found: list[list[RigDrive]] = []
    for drive in sorted(drives, key=lambda each: each.stamp):
        gaps = [
            (earlier.geometry.end.displacement(drive.geometry.begin), group)
            for group in found
            for earlier in group[-LATEST:]
            if earlier.cameras == drive.cameras
        ]
        near = min(gaps, key=lambda each: each[0].px, default=None)
        if near is not None and agree(near[0]):
            near[1].append(drive)
        else:
            found.append([drive])
    return [Rig.of(group) for group in found]


def _drift(stamps: Sequence[int], shifts: Sequence[Displacement]) -> Drift | None:
    """Slope of the shifts in each direction: median over all pairs of drives (Theil 1950, Sen 1968)."""
    times = (np.array(stamps, np.float64) - stamps[0]) / SECOND / WEEK
    weeks = float(times[-1])
    if len(stamps) < LEAST_DRIVES or weeks < LEAST_WEEKS:
        return None
    offsets = np.array([shift.offset for shift in shifts])
    one, other = np.triu_indices(len(times), 1)
    apart = times[other] - times[one]
    slopes = (offsets[other] - offsets[one])[apart > 0] / apart[apart > 0, None]
    slope = np.median(slopes, axis=0)
    left = offsets - times[:, None] * slope
    noise = 1.4826 * np.median(np.abs(left - np.median(left, axis=0)))
    noise = max(float(noise), float(np.median([shift.deviation_px for shift in shifts])))
    deviation = noise * weeks / max(float(np.linalg.norm(times - times.mean())), 1e-9)
    px = float(np.hypot(*slope)) * weeks
    return Drift(px / weeks, px, deviation, weeks) if px > CERTAIN * deviation else None


@dataclass(frozen=True, eq=False)
class NamedRig:
    """The drives of one group, and the geometries among them.

    Attributes:
        name: of the group.
        all: its drives, in the order of time.
        mounts: the same by geometry, in the order of their first drives; one unless the cameras were mounted
            anew.
        apart: why its only drive may be a rig's that moved, as a sentence; empty if nothing says so.
    """

    name: str
    all: Rig
    mounts: Sequence[Rig]
    apart: str = ""

    @property
    def drives(self) -> Sequence[RigDrive]:
        """Its drives, in the order of time."""
        return self.all.drives

    @property
    def drift(self) -> Drift | None:
        """See `Rig`; None if the cameras were mounted anew."""
        return self.all.drift if len(self.mounts) == 1 else None

    def shift(self, name: str) -> Displacement:
        """Displacement of a drive's geometry from that of the first drive."""
        shifts = zip(self.drives, self.all.shifts, strict=True)
        return next(shift for drive, shift in shifts if drive.name == name)

    def learned(self, name: str) -> LearnedRig | None:
        """The rig as the drives of a drive's geometry know it; None if none does."""
        return self._mount(name).learned

    def reasons(self, name: str) -> list[str]:
        """Why a drive's geometry should be looked at, as sentences."""
        if self.apart:
            return [self.apart]
        usual, own = max(self.mounts, key=lambda mount: len(mount.drives)), self._mount(name)
        if own is usual or own.drives[0].name != name:
            return []
        gap, many = usual.gap(own), len(usual.drives)
        since = "" if len(own.drives) == 1 else f" {len(own.drives)} drives are so, this one first."
        return [
            f"The geometry of the cameras is {gap} from that of {many} of the {len(self.drives)} drives of "
            f"{self.name}: mounted anew, or moved between drives.{since}"
        ]

    def _mount(self, name: str) -> Rig:
        return next(mount for mount in self.mounts if any(drive.name == name for drive in mount.drives))


def name_rigs(drives: Sequence[tuple[str | None, RigDrive]]) -> list[NamedRig]:
    """Group drives to rigs: by their names, and by geometry where they have none.

    Args:
        drives: name of each one's group, and the drive. Cameras of other image sizes are another rig.
    """
    groups: dict[tuple[str, str], list[RigDrive]] = {}
    for name, drive in drives:
        if name is not None:
            groups.setdefault((name, drive.cameras), []).append(drive)
    several = Counter(name for name, _ in groups)
    named = []
    for (name, cameras), group in groups.items():
        group.sort(key=lambda drive: drive.stamp)
        label = name if several[name] == 1 else f"{name}, {cameras}"
        named.append(NamedRig(label, Rig.of(group), find_rigs(group)))
    rigs = find_rigs([drive for name, drive in drives if name is None])
    return named + [
        NamedRig(f"rig {number}", rig, [rig], _apart(rig, rigs)) for number, rig in enumerate(rigs, 1)
    ]


def _apart(rig: Rig, rigs: Sequence[Rig]) -> str:
    """Why the only drive of a rig may be one of another rig after a knock; empty if nothing says so."""
    if len(rig.drives) > 1:
        return ""
    others = [
        (number, other)
        for number, other in enumerate(rigs, 1)
        if len(other.drives) > 1 and other.drives[0].cameras == rig.drives[0].cameras
    ]
    gaps = [(other.gap(rig), number, len(other.drives)) for number, other in others]
    gap, number, drives = min(gaps, key=lambda each: each[0].px, default=(None, 0, 0))
    if gap is None or gap.px > NEARBY_PX:
        return ""
    return (
        f"No other drive has this geometry: it is {gap} from that of rig {number} ({drives} drives). Cameras "
        "that moved look like this, and so does another rig: --group-by tells rigs apart."
    )
