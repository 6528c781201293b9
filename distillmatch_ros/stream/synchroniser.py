"""Time synchronisation: pairs visible and thermal frames, and counts dropped frames by reason.

Of all frames the two nearest in time become a pair, then the nearest two of the remaining frames, and so on;
pairs never cross. A pair is returned as soon as no later frame can change it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.waiting import Arrival, Reason, Waiting, WaitingFrames

Item = TypeVar("Item")

JUMP_BACK = SECOND
"""ns. A frame this much older than the newest of its sensor means that a clock was set back, or that a bag
starts again; a smaller step back is a late frame."""


@dataclass(frozen=True)
class Pair(Generic[Item]):
    """Two simultaneous frames; ``skew`` is the thermal frame's time minus the visible frame's, ns.

    Times are stamps, or times of receipt when pairing by arrival, and include the thermal offset.
    ``attached`` are the frames of further sensors; see `PairCollector`.
    """

    visible: Arrival[Item]
    thermal: Arrival[Item]
    skew: int
    attached: Mapping[Sensor, Arrival[Item]] = field(default_factory=dict)

    @property
    def arrivals(self) -> dict[Sensor, Arrival[Item]]:
        """All frames."""
        return {Sensor.VISIBLE: self.visible, Sensor.THERMAL: self.thermal, **self.attached}


@dataclass(frozen=True)
class PairCounts:
    """Snapshot of the number of frames since the synchroniser was made.

    For each sensor ``received == paired + sum(dropped) + waiting``.

    Attributes:
        received: frames received, by sensor.
        paired: pairs returned.
        dropped: frames dropped, by sensor and reason; reasons that did not occur are absent.
        waiting: frames waiting for a partner, by sensor.
    """

    received: Mapping[Sensor, int]
    paired: int
    dropped: Mapping[Sensor, Mapping[Reason, int]]
    waiting: Mapping[Sensor, int]


class Synchroniser(Generic[Item]):
    """Pairs two streams of frames. Must be used by one thread at a time.

    At most ``depth`` frames of each sensor are kept.
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
            depth: greatest number of waiting frames of each sensor.

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
        self._offset = {Sensor.VISIBLE: 0, Sensor.THERMAL: thermal_offset}
        self._by = by
        self._depth = depth
        self._visible: WaitingFrames[Item] = WaitingFrames()
        self._thermal: WaitingFrames[Item] = WaitingFrames()
        self._queues = {Sensor.VISIBLE: self._visible, Sensor.THERMAL: self._thermal}
        self._paired = 0

    def add(self, sensor: Sensor, arrival: Arrival[Item]) -> list[Pair[Item]]:
        """Add a frame, and return the pairs that are final now, oldest first."""
        queue = self._queues[sensor]
        other = self._thermal if queue is self._visible else self._visible
        time = (arrival.stamp if self._by == "stamp" else arrival.received) + self._offset[sensor]
        if queue.newest is not None and time < queue.newest - JUMP_BACK:
            self.reset()
        filed = queue.file(Waiting(time, arrival, other.received))
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
            received={sensor: queue.received for sensor, queue in self._queues.items()},
            paired=self._paired,
            dropped={sensor: dict(queue.dropped) for sensor, queue in self._queues.items()},
            waiting={sensor: len(queue.waiting) for sensor, queue in self._queues.items()},
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

    def _drop_hopeless(self, queue: WaitingFrames[Item], other: WaitingFrames[Item]) -> None:
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


def _nearest(times: Sequence[int], time: int) -> int | None:
    """Index of the nearest of some sorted times, the earlier of two equal ones; None if empty."""
    after = bisect_left(times, time)
    if after == 0:
        return 0 if times else None
    if after == len(times) or time - times[after - 1] <= times[after] - time:
        return after - 1
    return after
