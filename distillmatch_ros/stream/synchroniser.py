"""Time synchronisation: pairs visible and thermal frames, and counts dropped frames by reason.

Of all frames the two nearest in time become a pair, then the nearest two of the remaining frames, and so on;
pairs never cross. A pair is returned as soon as no later frame can change it.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Literal, TypeVar

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND

Item = TypeVar("Item")

JUMP_BACK = SECOND
"""ns. A frame this much older than the newest of its side means that a clock was set back, or that a bag
starts again; a smaller step back is a late frame."""
INTERVALS = 30
"""Number of latest intervals of a side; the shortest one predicts the earliest time of its next frame."""


class Side(str, Enum):
    """One of the two cameras."""

    VISIBLE = "visible"
    THERMAL = "thermal"

    def __str__(self) -> str:
        return self.value

    @property
    def other(self) -> "Side":
        return Side.THERMAL if self is Side.VISIBLE else Side.VISIBLE


class Reason(str, Enum):
    """Why a frame was dropped.

    UNMATCHED: no frame of the other side was within the tolerance, or its nearest was paired with another.
    LATE: older than a frame of its side that was already paired or dropped.
    DUPLICATE_STAMP: same time as another frame of its side.
    CLOCK_RESET: waiting when a clock jumped back, or when the synchroniser was reset.
    OVERFLOW: waiting when its side's buffer became full, without frames from the other side.
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
        received: time of receipt by a clock common to both sides, ns.
        item: the frame itself.
    """

    stamp: int
    received: int
    item: Item


@dataclass(frozen=True)
class Pair(Generic[Item]):
    """Two simultaneous frames; ``skew`` is the thermal frame's time minus the visible frame's, ns.

    Times are stamps, or times of receipt when pairing by arrival, and include the thermal offset.
    """

    visible: Arrival[Item]
    thermal: Arrival[Item]
    skew: int


@dataclass(frozen=True)
class PairCounts:
    """Snapshot of the number of frames since the synchroniser was made.

    For each side ``received == paired + sum(dropped) + waiting``.

    Attributes:
        received: frames received, by side.
        paired: pairs returned.
        dropped: frames dropped, by side and reason; reasons that did not occur are absent.
        waiting: frames waiting for a partner, by side.
    """

    received: Mapping[Side, int]
    paired: int
    dropped: Mapping[Side, Mapping[Reason, int]]
    waiting: Mapping[Side, int]


class Synchroniser(Generic[Item]):
    """Pairs two streams of frames. Must be used by one thread at a time.

    At most ``depth`` frames of each side are kept.
    """

    def __init__(
        self,
        tolerance: int,
        thermal_offset: int = 0,
        by: Literal["stamp", "arrival"] = "stamp",
        depth: int = 30,
    ) -> None:
        """Start with empty buffers.

        Args:
            tolerance: greatest magnitude of a pair's skew, ns; 0 pairs equal times.
            thermal_offset: added to the thermal frames' times, ns.
            by: time of a frame: its stamp, or its time of receipt.
            depth: greatest number of waiting frames of each side.

        Raises:
            DistillMatchError: a value is not allowed.
        """
        if tolerance < 0:
            raise DistillMatchError(f"pairing tolerance {tolerance} ns is negative; choose 0 or more")
        if by not in ("stamp", "arrival"):
            raise DistillMatchError(f"pairing by {by!r} is unknown; choose stamp or arrival")
        if depth < 1:
            raise DistillMatchError(f"pairing depth {depth} keeps no frame; choose 1 or more")
        self._tolerance = tolerance
        self._offset = {Side.VISIBLE: 0, Side.THERMAL: thermal_offset}
        self._by = by
        self._depth = depth
        self._visible: _Queue[Item] = _Queue()
        self._thermal: _Queue[Item] = _Queue()
        self._queues = {Side.VISIBLE: self._visible, Side.THERMAL: self._thermal}
        self._paired = 0

    def add(self, side: Side, arrival: Arrival[Item]) -> list[Pair[Item]]:
        """Add a frame, and return the pairs that are final now, oldest first."""
        queue, other = self._queues[side], self._queues[side.other]
        time = (arrival.stamp if self._by == "stamp" else arrival.received) + self._offset[side]
        if queue.newest is not None and time < queue.newest - JUMP_BACK:
            self.reset()
        filed = queue.file(_Waiting(time, arrival, other.received))
        if not filed:
            return []
        pairs = self._settle_all(closed=False)
        self._drop_hopeless(queue, other)
        self._drop_hopeless(other, queue)
        if len(queue.waiting) > self._depth:
            others_came = other.received > queue.waiting[0].others
            queue.drop(Reason.UNMATCHED if others_came else Reason.OVERFLOW)
        return pairs

    def flush(self) -> list[Pair[Item]]:
        """Return the pairs among all waiting frames, oldest first, at the end of the streams."""
        return self._settle_all(closed=True)

    def reset(self) -> None:
        """Discard all frames and the clocks' times; the counts are kept."""
        for queue in self._queues.values():
            queue.forget()

    @property
    def counts(self) -> PairCounts:
        """Numbers of frames so far."""
        return PairCounts(
            received={side: queue.received for side, queue in self._queues.items()},
            paired=self._paired,
            dropped={side: dict(queue.dropped) for side, queue in self._queues.items()},
            waiting={side: len(queue.waiting) for side, queue in self._queues.items()},
        )

    def _settle_all(self, closed: bool) -> list[Pair[Item]]:
        return list(self._settle(len(self._visible.waiting), len(self._thermal.waiting), closed))

    def _settle(self, visible: int, thermal: int, closed: bool) -> Iterator[Pair[Item]]:
        """Take the pairs among the oldest ``visible`` and ``thermal`` frames.

        ``closed``: no later frame will be among them, and unpaired ones are dropped.
        """
        while (found := self._nearest_two(visible, thermal, closed)) is not None:
            # Since pairs do not cross, no later frame can pair with one older than these two.
            yield from self._settle(*found, closed=True)
            first, second = self._visible.take(), self._thermal.take()
            self._paired += 1
            yield Pair(first.arrival, second.arrival, second.time - first.time)
            visible, thermal = visible - found[0] - 1, thermal - found[1] - 1
        if closed:
            for _ in range(visible):
                self._visible.drop(Reason.UNMATCHED)
            for _ in range(thermal):
                self._thermal.drop(Reason.UNMATCHED)

    def _nearest_two(self, visible: int, thermal: int, closed: bool) -> tuple[int, int] | None:
        """The oldest two frames that are each other's nearest, hence a pair; their indices, or None."""
        times = [entry.time for entry in self._visible.waiting[:visible]]
        partners = [entry.time for entry in self._thermal.waiting[:thermal]]
        for index, time in enumerate(times):
            partner = _nearest(partners, time)
            if partner is None:
                return None
            gap = abs(partners[partner] - time)
            if gap > self._tolerance or _nearest(times, partners[partner]) != index:
                continue
            # No later frame can be nearer to either of them.
            if closed or min(self._visible.soonest - partners[partner], self._thermal.soonest - time) >= gap:
                return index, partner
        return None

    def _drop_hopeless(self, queue: "_Queue[Item]", other: "_Queue[Item]") -> None:
        """Drop the oldest frames that have no partner among the waiting and possible later frames."""
        partners = [entry.time for entry in other.waiting]
        while queue.waiting and other.newest is not None:
            time = queue.waiting[0].time
            partner = _nearest(partners, time)
            if other.newest < time + self._tolerance or (
                partner is not None and abs(partners[partner] - time) <= self._tolerance
            ):
                return
            queue.drop(Reason.UNMATCHED)


@dataclass(frozen=True)
class _Waiting(Generic[Item]):
    """A waiting frame: its time, and how many frames the other side had sent before it arrived."""

    time: int
    arrival: Arrival[Item]
    others: int


class _Queue(Generic[Item]):
    """The waiting frames of one side, oldest first, and the state of its clock.

    Attributes:
        waiting: sorted by time, without equal times.
        received: number of received frames.
        dropped: number of dropped frames by reason.
        newest: latest time since the clock last jumped back.
    """

    def __init__(self) -> None:
        self.waiting: list[_Waiting[Item]] = []
        self.received = 0
        self.dropped: Counter[Reason] = Counter()
        self.newest: int | None = None
        self._decided: int | None = None
        self._intervals: deque[int] = deque(maxlen=INTERVALS)

    @property
    def soonest(self) -> int:
        """Earliest expected time of further frames, unless they are late."""
        assert self.newest is not None, "called only for a side with frames"
        return self.newest + min(self._intervals, default=0)

    def file(self, entry: _Waiting[Item]) -> bool:
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

    def take(self) -> _Waiting[Item]:
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


def _nearest(times: Sequence[int], time: int) -> int | None:
    """Index of the nearest of some sorted times, the earlier of two equal ones; None if empty."""
    after = bisect_left(times, time)
    if after == 0:
        return 0 if times else None
    if after == len(times) or time - times[after - 1] <= times[after] - time:
        return after - 1
    return after
