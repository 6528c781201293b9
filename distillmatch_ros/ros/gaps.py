"""Images that were lost between a publisher and the node, by the gaps in their stamps."""

from collections import deque

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.stream.synchroniser import JUMP_BACK

INTERVALS = 30
"""Latest intervals of a stream that are looked at."""
FEWEST_INTERVALS = 10
"""Below these nothing is said."""
PAUSE = 2 * SECOND
"""ns. A longer interval is a camera that paused."""
GAP = 1.5
"""Periods from which on an interval is a gap."""
UNEVEN = 0.24
"""Standard deviation of the intervals that are no gaps, in periods, beyond which nothing can be said."""
FEWEST_GAPS = 0.1
"""Fraction of the intervals that are gaps, below which they are pauses of the camera, as of its shutter."""


class StampGaps:
    """Estimates the period of a stream from its stamps, and how many images the gaps between them hold."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._intervals: deque[int] = deque(maxlen=INTERVALS)

    def add(self, stamp: int) -> None:
        """Take in the stamp (ns) of an image that came; one that came late or twice says nothing."""
        if self._newest is None or stamp < self._newest - JUMP_BACK:
            self._intervals.clear()
        elif stamp <= self._newest:
            return
        elif stamp - self._newest <= PAUSE:
            self._intervals.append(stamp - self._newest)
        self._newest = stamp

    @property
    def lost(self) -> float:
        """Fraction of the latest images that did not come, in [0, 1).

        A loss so regular that no two images in a row come is taken for a slower camera.
        """
        if len(self._intervals) < FEWEST_INTERVALS:
            return 0.0
        intervals = np.array(self._intervals, np.float64)
        period = float(np.percentile(intervals, 10))
        for _ in range(
            3
        ):  # stamps jitter: the mean of the intervals that are no gaps, then of what these are
            period = float(intervals[intervals < GAP * period].mean())
        periods = np.rint(intervals / period)
        uneven = float(np.std(intervals[intervals < GAP * period])) / period
        if uneven > UNEVEN or np.mean(periods > 1) < FEWEST_GAPS:
            return 0.0
        return 1 - len(intervals) / float(periods.sum())
