"""The time between two streams by how the pairs' homography swings: within a second of the first motion.

While the cameras turn, a late image shows what its camera saw before. The homography of the pair is then off
by how far the picture of the other camera has moved since, and comes back when the cameras rest. That of two
cameras in time stays where it is, however fast they turn.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.motion import REACH, TimeOffset

LIKELY_S = 0.3
"""Greatest latency that is feared before anything is known of it, s."""

_STEP = 0.025  # s, between latencies that are tried
_LEAST, _SPAN_S = 5, 2.5  # pairs that are needed, and time for which they are kept
_GAP_S = 0.35  # between pairs, beyond which motion is unknown
_SWING_PX = 1.5  # least standard deviation of the homography's place; the tracking alone moves it by 0.5
_FOLLOWS_PX = 3.0  # least motion of the late picture
_LEFT, _SUSPECTED_LEFT = 0.15, 0.5
"""Greatest part of its variance that the pictures' motion may leave, if an offset is told or only suspected:
of 893 pairs in time it left less of none, of those whose latency changes from pair to pair a third."""


@dataclass(frozen=True)
class _Place:
    """A pair: see `Swing.add`."""

    seconds: float
    visible: Float64
    thermal: Float64
    centre: Float64
    to_visible: Float64


class Swing:
    """Compares where the thermal image's centre lies in the visible one with how far both pictures moved."""

    def __init__(self) -> None:
        """Start without pairs."""
        self._places: deque[_Place] = deque()

    def add(
        self, seconds: float, visible: Float64, thermal: Float64, centre: Float64, to_visible: Float64
    ) -> None:
        """Add a pair.

        Args:
            seconds: its time, s.
            visible: (2,), how far the visible picture has moved since some time, reference pixels.
            thermal: (2,), likewise the thermal one, in any unit.
            centre: (2,), place of the thermal image's centre in the visible one, reference pixels.
            to_visible: (2, 2), motion of the thermal picture in its unit to reference pixels.
        """
        places = self._places
        if places and not 0 < seconds - places[-1].seconds <= _GAP_S:
            places.clear()
        places.append(_Place(seconds, visible, thermal, centre, to_visible))
        while seconds - places[0].seconds > _SPAN_S:
            places.popleft()

    @property
    def span_s(self) -> float:
        """Time for which pairs are known without a gap, s."""
        return self._places[-1].seconds - self._places[0].seconds if self._places else 0.0

    def clear(self) -> None:
        """Discard all pairs: from the last one to the next, motion is unknown."""
        self._places.clear()

    def offset(self, before: TimeOffset | None = None) -> TimeOffset | None:
        """The offset that explains how the homography moved.

        Args:
            before: what was found before. It stays while cameras rest, and if the motion does not tell.
        """
        found = self._explained(_LEFT)
        if found is not None or before is None or len(self._places) < _LEAST:
            return found or before
        return None if not self._swings and self._expects(before.seconds) else before

    def suspected(self) -> TimeOffset | None:
        """The offset that explains at least half of how the homography moved."""
        return self._explained(_SUSPECTED_LEFT)

    def displacement_px(self, seconds: float) -> float | None:
        """How far an offset displaces the homography of the last pair, reference pixels.

        None with fewer than two pairs, which tell no motion.
        """
        if len(self._places) < 2:
            return None
        return float(np.hypot(*self._displaced(np.array([seconds]))[0, -1]))

    def longest(self) -> float:
        """The greatest latency of either camera that the pairs do not exclude, s; of those up to `LIKELY_S`.

        A latency is excluded by motion with which the homography would have swung, and did not.
        """
        if len(self._places) < 2:
            return LIKELY_S
        centres = self._centres
        late = np.arange(2 * _STEP, LIKELY_S + _STEP / 2, _STEP)
        most = float(_variance(centres)) + _SWING_PX**2
        possible = [late[_variance(centres - self._displaced(sign * late)) <= most] for sign in (-1, 1)]
        return float(np.concatenate([*possible, [0.0]]).max())

    @property
    def _swings(self) -> bool:
        return float(_variance(self._centres)) >= _SWING_PX**2

    @property
    def _centres(self) -> Float64:
        return np.array([place.centre for place in self._places])

    def _explained(self, most: float) -> TimeOffset | None:
        """The offset that leaves least of how the homography moved; None if more than a part is left."""
        if len(self._places) < _LEAST or not self._swings:
            return None
        centres = self._centres
        swing = float(_variance(centres))
        left, seconds, displaced = min(self._best(centres, sign) for sign in (-1, 1))
        if left > most * swing or self._is_knock(late_thermal=seconds < 0):
            return None
        deviation = abs(seconds) * np.sqrt(left / (len(centres) * max(displaced, 1e-9)))
        return TimeOffset(seconds, max(float(deviation), _STEP / 2), float(np.sqrt(1 - left / swing)))

    def _is_knock(self, *, late_thermal: bool) -> bool:
        """Whether only one picture moved, all at once: the late one would have to follow."""
        follows, leads = self._moved(is_thermal=late_thermal), self._moved(is_thermal=not late_thermal)
        latest = np.hypot(*np.diff(leads[-3:], axis=0).T)
        has_followed = bool(np.hypot(*(follows - follows[0]).T).max() >= _FOLLOWS_PX)
        return not has_followed and bool(latest.min() < _SWING_PX)

    def _best(self, centres: Float64, sign: int) -> tuple[float, float, float]:
        """What the best latency of one camera leaves of the variance, that offset, and what it explains."""
        late = np.arange(2 * _STEP, REACH + _STEP / 2, _STEP)
        displaced = self._displaced(sign * late)
        left = _variance(centres - displaced)
        best = int(left.argmin())
        return float(left[best]), sign * float(late[best]), float(_variance(displaced[best]))

    def _expects(self, offset: float) -> bool:
        """Whether the homography would have swung by twice what was seen, or more, with an offset."""
        return float(_variance(self._displaced(np.array([offset])))[0]) > (2 * _SWING_PX) ** 2

    def _displaced(self, offsets: Float64) -> Float64:
        """What offsets (L,) of one sign do to the homography at each pair (N): (L, N, 2), reference pixels.

        A camera that is late shows what it saw before: the other one's picture has moved since.
        """
        times = np.array([place.seconds for place in self._places])
        is_thermal = bool(offsets[0] < 0)
        moved = self._moved(is_thermal=not is_thermal) * (1 if is_thermal else -1)
        reach = REACH + _STEP  # before the first pair, motion is taken to be what it was then
        before = moved[0] - reach * (moved[1] - moved[0]) / (times[1] - times[0])
        known, way = np.concatenate([[times[0] - reach], times]), np.concatenate([[before], moved])
        then = times - np.abs(offsets)[:, None]
        where = [np.interp(then, known, way[:, axis]) for axis in (0, 1)]
        return np.asarray(moved - np.stack(where, axis=-1), np.float64)

    def _moved(self, *, is_thermal: bool) -> Float64:
        """How far the picture of one camera had moved at each pair, (N, 2), reference pixels."""
        if not is_thermal:
            return np.array([place.visible for place in self._places])
        return np.array([place.thermal for place in self._places]) @ self._places[-1].to_visible.T


def _variance(points: Float64) -> Float64:
    """Mean square distance of (..., N, 2) from their mean, (...)."""
    return np.asarray(np.square(points - points.mean(axis=-2, keepdims=True)).sum(axis=-1).mean(axis=-1))
