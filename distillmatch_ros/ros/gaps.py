"""Estimates images lost between a publisher and the node by gaps in their stamps."""

from collections import deque

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.stream.synchroniser import JUMP_BACK

INTERVALS = 30
"""Number of latest intervals of a stream that are evaluated."""
FEWEST_INTERVALS = 10
"""Fewest intervals for an estimate."""
PAUSE = 2 * SECOND
"""Longest interval within a stream, ns; a longer one is a pause of the camera."""
GAP = 1.5
"""Length from which on an interval is a gap, in periods."""
UNEVEN = 0.24
"""Greatest standard deviation of the intervals without gaps for an estimate, in periods."""
FEWEST_GAPS = 0.1
"""Fraction of gaps among the intervals below which they are pauses of the camera, such as its shutter's."""


class StampGaps:
    """Estimates the period of a stream from its stamps, and the number of images missing in its gaps."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._intervals: deque[int] = deque(maxlen=INTERVALS)

    def add(self, stamp: int) -> None:
        """Add the stamp (ns) of a received image; late and repeated stamps are ignored."""
        if self._newest is None or stamp < self._newest - JUMP_BACK:
            self._intervals.clear()
        elif stamp <= self._newest:
            return
        elif stamp - self._newest <= PAUSE:
            self._intervals.append(stamp - self._newest)
        self._newest = stamp

    @property
    def lost(self) -> float:
        """Fraction of the latest images that were lost, in [0, 1).

        If losses are so regular that no two consecutive images arrive, it appears as a slower camera.
        """
        if len(self._intervals) < FEWEST_INTERVALS:
            return 0.0
        intervals = np.array(self._intervals, np.float64)
        # An interval that occurred: interpolated between one and two periods, it would be neither.
        period = float(np.percentile(intervals, 10, method="lower"))
        for _ in range(3):  # iterated, since the mean period decides which intervals are gaps
            period = float(intervals[intervals < GAP * period].mean())
        periods = np.rint(intervals / period)
        uneven = float(np.std(intervals[intervals < GAP * period])) / period
        if uneven > UNEVEN or np.mean(periods > 1) < FEWEST_GAPS:
            return 0.0
        return 1 - len(intervals) / float(periods.sum())
