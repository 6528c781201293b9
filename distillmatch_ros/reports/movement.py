"""Movement of the thermal frame in the visible image over a recording, and its coverage by inliers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.registration.probability import RIGHT_PX
from distillmatch_ros.reports.recording import Entry
from distillmatch_ros.rig.comparison import Geometry, mean_distance
from distillmatch_ros.rig.history import UNTOLD, RigHistory
from distillmatch_ros.rig.obstacles import Differences, differences

CELLS = (6, 8)
"""Rows and columns of the cells of the thermal image in which inliers are counted."""
STEADY_PX = 6.0
"""Slip, and median scatter, up to which a rig that maps all pairs counts as rigid, px of a visible image 640
px wide. Pairs' own homographies are right within `RIGHT_PX`, and differ by as much from scene to scene."""
RIG_MODES = "rig", "fixed"
"""Modes in which pairs have the mapping of a known rig."""
SEGMENTS, LEAST_PAIRS = 3, 5
"""Number of time segments of a recording whose medians are compared to detect a slipped mount, and fewest
pairs in each, and of a recording that is judged by its movement."""

STRAY_PX, STRAY = 20.0, 5.0
"""Distance from the pairs around it beyond which a pair strays: pixels of a visible image 640 px wide, and
multiples of `Movement.scatter`."""
_AROUND = 4  # pairs before and after one


@dataclass(frozen=True, eq=False)
class Movement:
    """Positions of the thermal corners in the visible image over the registered pairs.

    Lengths are pixels of a visible image 640 px wide.

    Attributes:
        numbers: numbers of the entries, (N,).
        offsets: float64 (N, 4, 2), offset of each corner from where it should be: top left, top right,
            bottom right, bottom left.
        by_rig: whether corners should be where the rig has them at the pair's own depth; otherwise at their
            median positions.
        steady_px: slip, and median scatter, up to which the mount counts as rigid.
        differ: by how much the pairs' own homographies differ; None if corners are compared with a rig.
    """

    numbers: tuple[int, ...]
    offsets: Float64
    by_rig: bool = False
    steady_px: float = RIGHT_PX
    differ: Differences | None = None

    @property
    def shifts(self) -> Float64:
        """Distance of the corners from where they should be, mean over the four, (N,)."""
        return mean_distance(self.offsets)

    @property
    def by_number(self) -> dict[int, float]:
        """`shifts` by the entry's number."""
        return dict(zip(self.numbers, self.shifts.tolist(), strict=True))

    @property
    def scatter(self) -> float:
        """Median over the pairs of the shift from the median of their time segment."""
        parts = [part - np.median(part, axis=0) for part in self._parts()]
        return float(np.median(np.concatenate([mean_distance(part) for part in parts])))

    @property
    def slip(self) -> float:
        """Greatest distance between the median positions of two time segments, mean over the four corners; 0
        if the recording is too short for segments.
        """
        medians = [np.median(part, axis=0) for part in self._parts()]
        return float(max(mean_distance(a - b) for a in medians for b in medians))

    @property
    def strays(self) -> dict[int, float]:
        """Distance of the pairs that lie far from those before and after them, by the entry's number."""
        limit = max(STRAY_PX, STRAY * self.scatter)
        around = [self.offsets[max(0, i - _AROUND) : i + _AROUND + 1] for i in range(len(self.offsets))]
        apart = mean_distance(self.offsets - np.array([np.median(part, axis=0) for part in around]))
        found = zip(self.numbers, apart.tolist(), strict=True)
        return {number: px for number, px in found if px > limit and self.enough}

    @property
    def enough(self) -> bool:
        """Whether there are enough pairs to tell a rig that moves from pairs of no common rig."""
        return len(self.numbers) >= LEAST_PAIRS

    @property
    def moves(self) -> bool:
        """Whether the mount moves."""
        return self.enough and max(self.slip, self.scatter) > self.steady_px

    def _parts(self) -> list[Float64]:
        parts = SEGMENTS if len(self.offsets) >= SEGMENTS * LEAST_PAIRS else 1
        return list(np.array_split(self.offsets, parts))


def movement(entries: Sequence[Entry], told: RigHistory = UNTOLD) -> Movement | None:
    """Movement of the thermal corners; None with fewer than two registered pairs of known size.

    Args:
        entries: the pairs.
        told: what the drive told of its rig. One that maps all pairs, from some time on, says where corners
            should be at each depth, so that only what the mount does is left; earlier pairs do not count.
    """
    placed = [entry for entry in entries if entry.corners is not None]
    rig = told.mapping_rig
    if rig is not None:
        sizes = {(entry.thermal_size, entry.visible_size) for entry in placed}
        rig = rig if sizes == {(rig.model.thermal.size, rig.model.visible.size)} else None
    if rig is not None and told.known is not None:
        since = told.known.seconds
        placed = [entry for entry in placed if entry.seconds is not None and entry.seconds >= since]
    if len(placed) < 2:
        return None
    places = np.array([entry.corners for entry in placed])
    numbers = tuple(entry.number for entry in placed)
    if rig is None:
        return Movement(numbers, places - np.median(places, axis=0), differ=_differ(placed))
    offsets, _ = Geometry.of_rig(rig).offsets(places)
    steady_px = STEADY_PX if told.mode in RIG_MODES else RIGHT_PX
    return Movement(numbers, offsets, by_rig=True, steady_px=steady_px)


def _differ(placed: Sequence[Entry]) -> Differences | None:
    """How the homographies of pairs differ; None if the images change their size."""
    mappings = [
        HomographyMapping(entry.homography, entry.thermal_size, entry.visible_size)
        for entry in placed
        if entry.homography is not None and entry.thermal_size is not None and entry.visible_size is not None
    ]
    sizes = {(mapping.thermal_size, mapping.visible_size) for mapping in mappings}
    return differences(mappings) if len(sizes) == 1 else None


def inlier_counts(entries: Sequence[Entry]) -> NDArray[np.float64] | None:
    """Mean number of inliers of a registered pair in each cell of the thermal image.

    Returns:
        float64 `CELLS`; None if no matches were recorded.
    """
    counted = [found for entry in entries if (found := _cells(entry)) is not None]
    return np.asarray(np.mean(counted, axis=0), np.float64) if counted else None


def coverage(entries: Sequence[Entry]) -> float | None:
    """Median over the registered pairs of the fraction of cells with inliers; None without matches."""
    counted = [found for entry in entries if (found := _cells(entry)) is not None]
    return float(np.median([np.mean(cells > 0) for cells in counted])) if counted else None


def _cells(entry: Entry) -> NDArray[np.float64] | None:
    if not (entry.registered and entry.matched):
        return None
    if entry.correspondences is None or entry.thermal_size is None:
        return None
    points = entry.correspondences.thermal[entry.correspondences.inliers] + 0.5
    height, width = entry.thermal_size
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], CELLS, ((0, height), (0, width)))
    return np.asarray(counts, np.float64)
