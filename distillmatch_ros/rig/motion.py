"""The time between two streams by how their cameras move: both turn at the same moment.

No image of one camera is compared with one of the other; the speeds of their pictures are.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import Float64

REACH = 0.5
"""Greatest offset that is looked for, s."""
WIDTH = 160
"""Pixels across, at which motion is measured."""

_BLUR = 25  # pixels, of the mean that is subtracted: brightness does not move with the scene
_CLEAR = 0.3  # response of the correlation: 0.9 of a picture that moved, at most 0.2 of two places
_STEP = 0.005  # s, between offsets that are tried
_LEAST_STEPS = 40  # measured speeds of each stream
_LEAST_CORRELATION, _LEAST_FALL = 0.6, 0.03  # of the best offset, and from it to those 0.15 s away
_SMOOTH_FALL = 0.01  # the same, where it is twice what is missing to a correlation of 1
_PARTS = 4  # of a drive, whose offsets tell how certain the whole's is


@dataclass(frozen=True)
class TimeOffset:
    """Visible minus thermal stamp of the same moment, as parameter ``thermal_offset`` wants it.

    Attributes:
        seconds: the offset.
        deviation: its standard deviation, s.
        correlation: of the two cameras' speeds, at most 1.
    """

    seconds: float
    deviation: float
    correlation: float

    def differs_from(self, seconds: float) -> bool:
        """Whether it is not a given offset, beyond doubt and beyond 5 ms."""
        return abs(self.seconds - seconds) > max(3 * self.deviation, 0.005)


class MotionMeter:
    """Measures how the picture of one camera moves."""

    def __init__(self, kept: int | None = None) -> None:
        """Start without images; only so many of the latest speeds are kept, or all."""
        self._last: tuple[NDArray[np.float32], int] | None = None
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=kept)
        self.way: Float64 = np.zeros(2)
        """(2,), how far the picture has moved altogether, x and y in px of one `WIDTH` across."""
        self.is_clear = False
        """Whether the last image showed what the one before did, moved as a whole."""

    def add(self, grey: NDArray[np.uint8], stamp: int) -> bool:
        """Add the next image, uint8 (H, W), with its stamp in ns; whether its motion could be measured."""
        height, width = grey.shape
        small = cv2.resize(grey, (WIDTH, round(WIDTH * height / width)), interpolation=cv2.INTER_AREA)
        detail = small.astype(np.float32)
        detail -= cv2.blur(detail, (_BLUR, _BLUR))
        last, self._last = self._last, (detail, stamp)
        self.is_clear = False
        if last is None or last[0].shape != detail.shape or stamp <= last[1]:
            return False
        window = cv2.createHanningWindow(detail.shape[::-1], cv2.CV_32F)
        (x, y), response = cv2.phaseCorrelate(last[0], detail, window)
        self.is_clear = response > _CLEAR
        seconds = (stamp - last[1]) / SECOND
        self._rows.append(((stamp + last[1]) / 2 / SECOND, x / seconds, y / seconds))
        self.way = self.way + np.array([x, y])
        return True

    @property
    def speeds(self) -> Float64:
        """Time in s, and speed in x and y, (N, 3)."""
        return np.array(self._rows, np.float64).reshape(-1, 3)


def time_offset(visible: Float64, thermal: Float64) -> TimeOffset | None:
    """The offset between two streams.

    Args:
        visible: `MotionMeter.speeds` of the visible camera.
        thermal: of the thermal camera.

    Returns:
        None if the motion does not tell: too short, too even, or not the same in both.
    """
    if min(len(visible), len(thermal)) < _LEAST_STEPS:
        return None
    found = _best(visible, thermal)
    if found is None:
        return None
    parts = [_best(visible, part) for part in np.array_split(thermal, _PARTS)]
    offsets = [part[0] for part in parts if part is not None]
    deviation = float(np.std(offsets, ddof=1) / np.sqrt(len(offsets))) if len(offsets) > 1 else REACH
    return TimeOffset(found[0], max(deviation, 0.001), found[1])


def _best(visible: Float64, thermal: Float64) -> tuple[float, float] | None:
    """The best offset, s, and the correlation there; None if none stands out."""
    offsets = np.arange(-REACH, REACH + _STEP / 2, _STEP)
    values = _correlations(visible, thermal, offsets)
    best = int(values.argmax())
    away = round(0.15 / _STEP)
    around = [values[index] for index in (best - away, best + away) if 0 <= index < len(values)]
    if not 0 < best < len(values) - 1 or values[best] < _LEAST_CORRELATION:
        return None
    fall = float(values[best]) - max(around)
    if fall < min(_LEAST_FALL, max(_SMOOTH_FALL, 2 * (1 - float(values[best])))):  # an even turn falls slowly
        return None
    before, peak, after = values[best - 1 : best + 2]
    fraction = 0.5 * (before - after) / (before - 2 * peak + after - 1e-12)
    return float(offsets[best] + fraction * _STEP), float(peak)


def _correlations(visible: Float64, thermal: Float64, offsets: Float64) -> Float64:
    """Correlation of the speeds at each offset, (offsets,); -1 where they overlap too little."""
    times = thermal[:, 0] + offsets[:, None]
    inside = (times >= visible[0, 0]) & (times <= visible[-1, 0])
    enough = inside.sum(axis=1) >= _LEAST_STEPS / _PARTS
    inside, times = inside[enough, :, None], times[enough]
    own = np.broadcast_to(thermal[:, 1:], (*times.shape, 2))
    other = np.stack([np.interp(times, visible[:, 0], visible[:, axis]) for axis in (1, 2)], axis=-1)
    own, other = (_without_jumps(np.where(inside, values, np.nan)) for values in (own, other))
    energy = np.nansum(own**2, axis=(1, 2)) * np.nansum(other**2, axis=(1, 2))
    found = np.full(len(offsets), -1.0)
    found[enough] = np.nansum(own * other, axis=(1, 2)) / np.sqrt(np.maximum(energy, 1e-18))
    return found


def _without_jumps(speeds: Float64) -> Float64:
    """Speeds (offsets, N, 2) about their median, cut where a picture that changed looks like a leap."""
    centred = speeds - np.nanmedian(speeds, axis=1, keepdims=True)
    limit = 6 * np.nanmedian(np.abs(centred), axis=1, keepdims=True) + 1e-9
    return np.clip(centred, -limit, limit)
