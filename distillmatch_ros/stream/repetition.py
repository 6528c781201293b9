"""Images that repeat while the other camera's move: slow sensors, closed shutters, cameras that hang.

A pair of which one image is old says nothing about the cameras, however well its images can be registered.
"""

from collections import deque
from copy import copy
from enum import Enum, auto
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame, to_grey
from distillmatch_ros.registration.status import Status

FEW, MANY = 0.03, 0.2
"""Fractions of the pixels: up to the first, telemetry and clocks change; from the second on, noise does."""
EVEN = 0.6
"""Fraction of pixels without curvature above which an image of more than 8 bits is free of noise."""
PERIODS, MOST_PERIODS = 5, 2.5
"""Number of image changes that a camera's period is learned from; periods for which an image may repeat."""
FIRST_PERIOD = 1.5
"""Time for which the first image may repeat while the period is unknown, s."""
_DEPTH_SECONDS = 0.05
"""Time for which a depth image may repeat in any case, s; no more is needed, since the view has to move."""
_ROWS, _COARSE = 4, 16
"""Rows between those that are compared, which takes a tenth of the time that single pixels would; rows and
columns between the pixels that tell most new images."""
_SMALL, _MARGIN = (160, 128), 16
"""Width and height that images are reduced to for motion, and the range of its search there, pixels."""
_LEAST_MOTION, _ALIKE = 1.0, 0.5
"""Shift of a reduced image above which it moved, pixels; correlation up to which two images differ."""


class Freshness(Enum):
    """Whether an image is new, repeats the one before, or has done so for too long."""

    NEW = auto()
    REPEATED = auto()
    FROZEN = auto()


class RepeatWatch:
    """Tells pairs that must not be registered anew since one image is old. Must be used by one thread."""

    def __init__(self, frozen_seconds: float) -> None:
        """Set the time for which an image may repeat, s; 0 disables the detection of frozen streams."""
        self._visible, self._thermal = FrozenDetector(frozen_seconds), FrozenDetector(frozen_seconds)
        self._depth = FrozenDetector(min(frozen_seconds, _DEPTH_SECONDS), exact=True)
        self._sight: _Motion | None = None
        self._heat: _Motion | None = None
        self._since_depth: _Motion | None = None

    def with_seconds(self, frozen_seconds: float) -> "RepeatWatch":
        """A watch with the same state and another time; this one must not be used any more."""
        other = copy(self)
        other._visible, other._thermal = (
            detector.with_seconds(frozen_seconds) for detector in (self._visible, self._thermal)
        )
        other._depth = self._depth.with_seconds(min(frozen_seconds, _DEPTH_SECONDS))
        return other

    def depth_hangs(self, depth: Frame, visible: Frame) -> bool:
        """Add the depth of a pair; whether it repeats for longer than its camera needs, while the view moves.

        What stands still may repeat for ever: depth from a simulator has no noise.
        """
        freshness = self._depth.update(depth)
        if freshness is Freshness.NEW or self._since_depth is None:
            self._since_depth = _Motion(visible)
        return freshness is Freshness.FROZEN and self._since_depth.add(visible)

    def update(self, visible: Frame, thermal: Frame) -> Status | None:
        """Add a pair.

        Returns:
            STALE_THERMAL: the thermal image is frozen. STALE_VISIBLE: the visible one is, while the thermal
            one moves. REPEATED: one image repeats while the other one moves. None for a pair to be
            registered, also if nothing moves.
        """
        of_visible, of_thermal = self._visible.update(visible), self._thermal.update(thermal)
        if of_visible is Freshness.NEW or self._heat is None:
            self._heat = _Motion(thermal)
        if of_thermal is Freshness.NEW or self._sight is None:
            self._sight = _Motion(visible)
        if of_thermal is Freshness.FROZEN:
            return Status.STALE_THERMAL
        if of_visible is not Freshness.NEW and self._heat.add(thermal):
            return Status.STALE_VISIBLE if of_visible is Freshness.FROZEN else Status.REPEATED
        if of_thermal is Freshness.REPEATED and self._sight.add(visible):
            return Status.REPEATED
        return None


class FrozenDetector:
    """Detects a stream that repeats one image, as behind a closed shutter or from a camera that hangs.

    Due to sensor noise two images differ in most pixels; telemetry rows and clock displays change few. A slow
    camera that is published at a higher rate repeats images too, for its own period, which is learned. Images
    without noise, as from a simulator, are never frozen, unless each image has to be another one.
    """

    def __init__(self, frozen_seconds: float, *, exact: bool = False) -> None:
        """Start without frames.

        Args:
            frozen_seconds: time for which an image may repeat, s; 0 disables detection.
            exact: whether a single value that differs makes an image new, and images without noise count, as
                for depth: it shows no clock, may be unknown but for a few pixels, and nearly all of it even.
        """
        self._frozen_seconds = frozen_seconds
        self._exact = exact
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

    def update(self, frame: Frame) -> Freshness:
        """Add a frame; frozen if it has repeated for longer than allowed and than the camera needs."""
        first = self._first
        if first is None or frame.stamp < first.stamp or frame.image.shape != first.image.shape:
            self.reset()
            self._first, self._noise_free = frame, _is_noise_free(frame)
            return Freshness.NEW
        stayed = (frame.stamp - first.stamp) / SECOND
        changed = _changed(frame, first)
        if changed > (0 if self._exact else FEW):
            self._noise_free |= changed < MANY and frame.image.dtype.itemsize > 1
            self._periods.append(stayed)
            self._first = frame
            return Freshness.NEW
        if self._frozen_seconds == 0 or (self._noise_free and not self._exact):
            return Freshness.REPEATED
        own = MOST_PERIODS * median(self._periods) if self._periods else FIRST_PERIOD
        is_frozen = stayed >= max(self._frozen_seconds, own)
        return Freshness.FROZEN if is_frozen else Freshness.REPEATED


def _changed(one: Frame, other: Frame) -> float:
    """Fraction of differing values in every fourth row, or fewer; NaN equals NaN."""
    if one.image.dtype != other.image.dtype:
        return 1.0
    coarse = _differing(one.image[::_COARSE, ::_COARSE], other.image[::_COARSE, ::_COARSE])
    return coarse if coarse > 2 * MANY else _differing(one.image[::_ROWS], other.image[::_ROWS])


def _differing(first: NDArray[Any], second: NDArray[Any]) -> float:
    differing = first != second
    if first.dtype.kind == "f":
        differing &= ~(np.isnan(first) & np.isnan(second))
    return float(np.count_nonzero(differing) / differing.size)


def _is_noise_free(frame: Frame) -> bool:
    """Whether second differences vanish almost everywhere, as only in rendered images."""
    rows = frame.image[::4].astype(np.float32)
    hidden = frame.image.dtype.itemsize == 1  # gain control to 8 bits hides noise too
    if hidden or rows.size == 0 or rows.shape[1] < 3:
        return False
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # infinity less infinity; sentinels near the greatest float
        curved = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2] != 0
    return float(curved.mean()) < 1 - EVEN


class _Motion:
    """How far one camera's image has moved since a frame; what moves in a small part of it does not count."""

    def __init__(self, frame: Frame) -> None:
        self._since = frame
        self._then: NDArray[np.float32] | None = None  # made when it is asked for: most frames are new
        self._shift = np.zeros(2)

    def add(self, frame: Frame) -> bool:
        """Add a later frame; whether the image is displaced, or shows another scene."""
        if self._then is None:
            self._then = _reduced(self._since)
        then, now = self._then, _reduced(frame)
        inner = now[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        correlations = cv2.matchTemplate(then, inner, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(correlations.argmax(), correlations.shape)
        step = np.array([column, row]) - float(_MARGIN)
        if not (_shows_scene(then) and _shows_scene(now)):
            return False
        if correlations[row, column] < _ALIKE:
            return True
        if np.hypot(*step) > _MARGIN / 3:  # the next step begins here, before the view has changed
            self._then, self._shift = now, self._shift + step
            step = np.zeros(2)
        return bool(np.hypot(*(self._shift + step)) > _LEAST_MOTION)


def _reduced(frame: Frame) -> NDArray[np.float32]:
    grey = to_grey(frame.image)
    values = grey.astype(np.float32)
    if grey.dtype.kind == "f":
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    return np.asarray(cv2.resize(values, _SMALL, interpolation=cv2.INTER_AREA), np.float32)


def _shows_scene(reduced: NDArray[np.float32]) -> bool:
    """Whether neighbouring pixels are alike, as not in noise, and differ, as not in a uniform image."""
    centred = reduced - reduced.mean()
    energy = float((centred[:, 1:] ** 2).mean())
    return energy > 0 and float((centred[:, 1:] * centred[:, :-1]).mean()) > _ALIKE * energy
