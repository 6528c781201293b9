"""The displayed range of thermal values."""

import math

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.gain_control import Range

RANGE_SECONDS = 1.0
"""Time constant of the range of thermal values in overlays, s."""


class RangeFilter:
    """Smooths the displayed range of thermal values, so that overlays do not flicker."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discard all frames."""
        self.shown: Range | None = None
        """The range of the last frame; None before the first one."""
        self._stamp = 0

    def update(self, own: Range, stamp: int) -> Range:
        """Add a frame by its own range and stamp, ns; returns the range to display it with."""
        shown = self.shown
        elapsed, self._stamp = (stamp - self._stamp) / SECOND, stamp
        # Disjoint ranges: the camera recalibrated, or the scene changed.
        if shown is None or elapsed < 0 or own[0] > shown[2] or own[2] < shown[0]:
            self.shown = own
        else:
            weight = 1 - math.exp(-elapsed / RANGE_SECONDS)
            low, middle, high = (old + weight * (new - old) for old, new in zip(shown, own, strict=True))
            self.shown = low, middle, high
        return self.shown
