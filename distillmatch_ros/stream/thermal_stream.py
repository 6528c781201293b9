"""Filters of the thermal stream alone: frozen images, and the displayed range of values."""

import math
from collections import deque
from copy import copy
from statistics import median

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.gain_control import Range

FEW, MANY = 0.03, 0.2
"""Fractions of the pixels: up to the first, telemetry and clocks change; from the second on, noise does."""
EVEN = 0.6
"""Fraction of pixels without curvature above which an image of more than 8 bits is free of noise."""
PERIODS, PATIENCE = 5, 2.5
"""Number of image changes that a camera's period is learned from; periods for which an image may repeat."""
FIRST_PERIOD = 1.5
"""Time for which the first image may repeat while the period is unknown, s."""
RANGE_SECONDS = 1.0
"""Time constant of the range of thermal values in overlays, s."""


class FrozenDetector:
    """Detects a thermal stream that repeats one image, as behind a closed shutter.

    Due to sensor noise two images differ in most pixels; telemetry rows and clock displays change few. A slow
    camera that is published at a higher rate repeats images too, for its own period, which is learned. Images
    without noise, as from a simulator, are never frozen.
    """

    def __init__(self, frozen_seconds: float) -> None:
        """Set the time for which an image may repeat, s; 0 disables detection."""
        self._frozen_seconds = frozen_seconds
        self.reset()

    def with_seconds(self, frozen_seconds: float) -> "FrozenDetector":
        """A detector with the same state and another time; this one must not be used any more."""
        other = copy(self)
        other._frozen_seconds = frozen_seconds
        return other

    def reset(self) -> None:
        """Discard all frames."""
        self._first: Frame | None = None
        self._periods: deque[float] = deque(maxlen=PERIODS)
        self._noise_free = False

    def update(self, thermal: Frame) -> bool:
        """Add a frame; True if the image has repeated for longer than allowed and than the camera needs."""
        first = self._first
        if first is None or thermal.stamp < first.stamp or thermal.image.shape != first.image.shape:
            self.reset()
            self._first, self._noise_free = thermal, _is_noise_free(thermal)
            return False
        stayed = (thermal.stamp - first.stamp) / SECOND
        changed = _changed(thermal, first)
        if changed > FEW:
            self._noise_free |= changed < MANY and thermal.image.dtype.itemsize > 1
            self._periods.append(stayed)
            self._first = thermal
            return False
        if self._frozen_seconds == 0 or self._noise_free:
            return False
        own = PATIENCE * median(self._periods) if self._periods else FIRST_PERIOD
        return stayed >= max(self._frozen_seconds, own)


def _changed(one: Frame, other: Frame) -> float:
    """Fraction of differing pixels in every second row and column; NaN equals NaN."""
    if one.image.dtype != other.image.dtype:
        return 1.0
    first, second = one.image[::2, ::2], other.image[::2, ::2]
    differing = first != second
    if first.dtype.kind == "f":
        differing &= ~(np.isnan(first) & np.isnan(second))
    return float(differing.mean())


def _is_noise_free(frame: Frame) -> bool:
    """Whether second differences vanish almost everywhere, as only in rendered images."""
    rows = frame.image[::4].astype(np.float32)
    if rows.shape[1] < 3 or frame.image.dtype.itemsize == 1:  # gain control to 8 bits hides noise too
        return False
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # infinity less infinity; sentinels near the greatest float
        curved = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2] != 0
    return float(curved.mean()) < 1 - EVEN


class RangeFilter:
    """Smooths the displayed range of thermal values, so that overlays do not flicker."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discard all frames."""
        self._shown: Range | None = None
        self._stamp = 0

    def update(self, own: Range, stamp: int) -> Range:
        """Add a frame by its own range and stamp, ns; returns the range to display it with."""
        shown = self._shown
        elapsed, self._stamp = (stamp - self._stamp) / SECOND, stamp
        # Disjoint ranges: the camera recalibrated, or the scene changed.
        if shown is None or elapsed < 0 or own[0] > shown[2] or own[2] < shown[0]:
            self._shown = own
        else:
            weight = 1 - math.exp(-elapsed / RANGE_SECONDS)
            low, middle, high = (old + weight * (new - old) for old, new in zip(shown, own, strict=True))
            self._shown = low, middle, high
        return self._shown
