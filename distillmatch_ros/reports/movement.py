"""Movement of the thermal frame in the visible image over a recording, and its coverage by inliers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, corners, transform
from distillmatch_ros.reports.recording import Entry

CELLS = (6, 8)
"""Rows and columns of the cells of the thermal image in which inliers are counted."""
SEGMENTS, LEAST_PAIRS = 3, 5
"""Number of time segments of a recording whose medians are compared to detect a slipped mount, and fewest
pairs in each, and of a recording that is judged by its movement."""


@dataclass(frozen=True, eq=False)
class Movement:
    """Positions of the thermal corners in the visible image over the registered pairs.

    Lengths are pixels of a visible image 640 px wide.

    Attributes:
        numbers: numbers of the entries, (N,).
        offsets: float64 (N, 4, 2), offset of each corner from its median position: top left, top right,
            bottom right, bottom left.
        positions: float64 (4, 2), median positions of the corners.
    """

    numbers: tuple[int, ...]
    offsets: Float64
    positions: Float64

    @property
    def shifts(self) -> Float64:
        """Distance of the corners from their median positions, mean over the four, (N,)."""
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
    def enough(self) -> bool:
        """Whether there are enough pairs to tell a rig that moves from pairs of no common rig."""
        return len(self.numbers) >= LEAST_PAIRS

    def _parts(self) -> list[Float64]:
        parts = SEGMENTS if len(self.offsets) >= SEGMENTS * LEAST_PAIRS else 1
        return list(np.array_split(self.offsets, parts))


def mean_distance(offsets: Float64) -> Float64:
    """Length of offsets (..., 4, 2) of the four corners, mean over the corners, (...)."""
    distances: Float64 = np.linalg.norm(offsets, axis=-1).mean(axis=-1)
    return distances


def movement(entries: Sequence[Entry]) -> Movement | None:
    """Movement of the thermal corners; None with fewer than two registered pairs of known size."""
    numbers, places = [], []
    for entry in entries:
        if not entry.registered or entry.homography is None:
            continue
        if entry.visible_size is None or entry.thermal_size is None:
            continue
        mapped = transform(entry.homography, corners(entry.thermal_size))
        numbers.append(entry.number)
        places.append(mapped * REFERENCE_WIDTH / entry.visible_size[1])
    if len(places) < 2:
        return None
    stacked = np.array(places)
    median = np.asarray(np.median(stacked, axis=0), np.float64)
    return Movement(tuple(numbers), stacked - median, median)


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
