"""The waiting frames of one sensor, and what became of the others."""

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")

INTERVALS = 30
"""Number of latest intervals of a sensor; the shortest one predicts the earliest time of its next frame."""


class Reason(str, Enum):
    """Why a frame was dropped.

    UNMATCHED: no frame of the other sensor was within the tolerance, or its nearest was paired with another.
    LATE: older than a frame of its sensor that was already paired or dropped.
    DUPLICATE_STAMP: same time as another frame of its sensor.
    CLOCK_RESET: waiting when a clock jumped back, or when the synchroniser was reset.
    OVERFLOW: waiting when its sensor's buffer became full, without frames from the other sensor.
    """

    UNMATCHED = "UNMATCHED"
    LATE = "LATE"
    DUPLICATE_STAMP = "DUPLICATE_STAMP"
    CLOCK_RESET = "CLOCK_RESET"
    OVERFLOW = "OVERFLOW"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Arrival(Generic[Item]):
    """A received frame.

    Attributes:
        stamp: time of exposure as the camera reports it, ns.
        received: time of receipt by a clock common to both sensors, ns.
        item: the frame itself.
    """

    stamp: int
    received: int
    item: Item


@dataclass(frozen=True)
class Waiting(Generic[Item]):
    """A waiting frame: its time, and how many frames the other sensor had sent before it arrived."""

    time: int
    arrival: Arrival[Item]
    others: int


class WaitingFrames(Generic[Item]):
    """The waiting frames of one sensor, oldest first, and the state of its clock.

    Attributes:
        waiting: sorted by time, without equal times.
        received: number of received frames.
        dropped: number of dropped frames by reason.
        newest: latest time since the clock last jumped back.
    """

    def __init__(self) -> None:
        self.waiting: list[Waiting[Item]] = []
        self.received = 0
        self.dropped: Counter[Reason] = Counter()
        self.newest: int | None = None
        self._decided: int | None = None
        self._intervals: deque[int] = deque(maxlen=INTERVALS)

    @property
    def soonest(self) -> int:
        """Earliest expected time of further frames, unless they are late."""
        assert self.newest is not None, "called only for a sensor with frames"
        return self.newest + min(self._intervals, default=0)

    def file(self, entry: Waiting[Item]) -> bool:
        """Count a frame, and insert it unless it is late or a duplicate; returns whether it was inserted."""
        self.received += 1
        place = bisect_left(self.waiting, entry.time, key=lambda waiting: waiting.time)
        here = self.waiting[place].time if place < len(self.waiting) else None
        if entry.time in (here, self._decided):
            self.dropped[Reason.DUPLICATE_STAMP] += 1
            return False
        if self._decided is not None and entry.time < self._decided:
            self.dropped[Reason.LATE] += 1
            return False
        self.waiting.insert(place, entry)
        if self.newest is None:
            self.newest = entry.time
        elif entry.time > self.newest:
            self._intervals.append(entry.time - self.newest)
            self.newest = entry.time
        return True

    def take(self) -> Waiting[Item]:
        """Remove and return the oldest frame."""
        entry = self.waiting.pop(0)
        self._decided = entry.time
        return entry

    def drop(self, reason: Reason) -> None:
        """Drop the oldest frame."""
        self.take()
        self.dropped[reason] += 1

    def forget(self) -> None:
        """Drop all frames and the clock's time; the intervals are kept."""
        while self.waiting:
            self.drop(Reason.CLOCK_RESET)
        self.newest = self._decided = None
