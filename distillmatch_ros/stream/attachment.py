"""Attaches the frames of further sensors, such as a depth camera, to the pairs of the two cameras."""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, Literal, Protocol, TypeVar

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.synchroniser import JUMP_BACK, Pair
from distillmatch_ros.stream.waiting import Arrival

Item = TypeVar("Item")
Other = TypeVar("Other")


class Attachment(Generic[Item, Other]):
    """Gives each item of the reference stream the frame of another stream that is nearest in time, if any.

    A frame may be attached to several items, since its sensor may be slower. An item waits until no later
    frame can be nearer: until one of its own time or later came. It does not wait longer than until the
    reference is a tolerance ahead, since a sensor that is off must not hold the pairs up. Items stay in their
    order. Must be used by one thread at a time.
    """

    def __init__(self, tolerance: int, depth: int = 30) -> None:
        """Start without frames.

        Args:
            tolerance: greatest difference of the times of an item and its frame, ns.
            depth: greatest number of frames, and of items, that are kept.

        Raises:
            DistillMatchError: a value is not allowed.
        """
        if tolerance < 0:
            raise DistillMatchError(f"attachment tolerance {tolerance} ns is negative; choose 0 or more")
        if depth < 1:
            raise DistillMatchError(f"attachment depth {depth} keeps no frame; choose 1 or more")
        self._tolerance = tolerance
        self._depth = depth
        self._frames: list[tuple[int, Other]] = []
        self._items: deque[tuple[int, Item]] = deque()
        self._reference: int | None = None

    def add(self, time: int, frame: Other) -> list[tuple[Item, Other | None]]:
        """Add a frame of the further sensor; returns the items that are final now, each with its frame."""
        if self._frames and time < self._frames[-1][0] - JUMP_BACK:
            self._frames.clear()
        insort(self._frames, (time, frame), key=_time)
        del self._frames[: -self._depth]
        return self._take(lambda wanted: self._frames[-1][0] >= wanted)

    def attach(self, time: int, item: Item) -> list[tuple[Item, Other | None]]:
        """Add an item of the reference stream; see `add`."""
        if self._reference is not None and time < self._reference:  # the clock was set back
            self._frames.clear()
        done = self.flush() if self._reference is not None and time < self._reference else []
        self._reference = time
        self._items.append((time, item))
        done += self._take(self._is_decided)
        while len(self._items) > self._depth:
            done.append(self._with_nearest(*self._items.popleft()))
        return done

    def flush(self) -> list[tuple[Item, Other | None]]:
        """The waiting items, at the end of the streams."""
        return self._take(lambda _: True)

    def _is_decided(self, wanted: int) -> bool:
        assert self._reference is not None, "called after an item came"
        return self._reference > wanted + self._tolerance or bool(
            self._frames and self._frames[-1][0] >= wanted
        )

    def _take(self, is_decided: Callable[[int], bool]) -> list[tuple[Item, Other | None]]:
        done = []
        while self._items and is_decided(self._items[0][0]):
            done.append(self._with_nearest(*self._items.popleft()))
        return done

    def _with_nearest(self, wanted: int, item: Item) -> tuple[Item, Other | None]:
        place = bisect_left(self._frames, wanted, key=_time)
        near = self._frames[max(0, place - 1) : place + 1]
        within = [each for each in near if abs(each[0] - wanted) <= self._tolerance]
        if not within:
            return item, None
        return item, min(within, key=lambda each: abs(each[0] - wanted))[1]


def _time(entry: tuple[int, Other]) -> int:
    return entry[0]


class Pairing(Protocol[Item]):
    """Pairs the frames of the two cameras, such as a `Synchroniser`."""

    def add(self, sensor: Sensor, arrival: Arrival[Item]) -> list[Pair[Item]]:
        """Add a frame, and return the pairs that are final now, oldest first."""

    def reset(self) -> None:
        """Discard all frames."""


class PairCollector(Generic[Item]):
    """Collects pairs of the two cameras, each with the nearest frame of every further sensor.

    Must be used by one thread at a time.

    Attributes:
        missing: by further sensor, number of pairs that got none of its frames.
    """

    def __init__(
        self,
        pairing: Pairing[Item],
        tolerances: Mapping[Sensor, int],
        by: Literal["stamp", "arrival"] = "stamp",
    ) -> None:
        """Start without frames.

        Args:
            pairing: pairs the two cameras' frames.
            tolerances: of the further sensors that are used, the greatest difference of the times of their
                frames and the visible frame, ns.
            by: time of a frame: its stamp, or its time of receipt.

        Raises:
            DistillMatchError: a value is not allowed.
        """
        self._pairing = pairing
        self._tolerances = dict(tolerances)
        self._by = by
        self._attachments = self._make_attachments()
        self.missing: Counter[Sensor] = Counter()

    def add(self, sensor: Sensor, arrival: Arrival[Item]) -> list[Pair[Item]]:
        """Add a frame, and return the pairs that are final now, oldest first."""
        if sensor in MATCHED:
            return self._attached(self._pairing.add(sensor, arrival))
        done = self._attachments[sensor].add(self._time(arrival), arrival)
        return self._attached([self._with(sensor, *each) for each in done], after=sensor)

    def flush(self, last: list[Pair[Item]]) -> list[Pair[Item]]:
        """The pairs that wait for further frames, oldest first, at the end of the streams.

        Args:
            last: what ``pairing`` still held.
        """
        pairs = self._attached(last)
        for sensor, attachment in self._attachments.items():
            rest = [self._with(sensor, *each) for each in attachment.flush()]
            pairs += self._attached(rest, after=sensor)
        return pairs

    def reset(self) -> None:
        """Discard all frames."""
        self._pairing.reset()
        self._attachments = self._make_attachments()

    def _attached(self, pairs: list[Pair[Item]], after: Sensor | None = None) -> list[Pair[Item]]:
        """Take pairs through the attachments, or through those that come after one."""
        sensors = list(self._attachments)
        for sensor in sensors[0 if after is None else sensors.index(after) + 1 :]:
            attachment = self._attachments[sensor]
            done = [each for pair in pairs for each in attachment.attach(self._time(pair.visible), pair)]
            pairs = [self._with(sensor, *each) for each in done]
        return pairs

    def _with(self, sensor: Sensor, pair: Pair[Item], frame: Arrival[Item] | None) -> Pair[Item]:
        if frame is None:
            self.missing[sensor] += 1
            return pair
        return replace(pair, attached={**pair.attached, sensor: frame})

    def _make_attachments(self) -> dict[Sensor, Attachment[Pair[Item], Arrival[Item]]]:
        return {sensor: Attachment(tolerance) for sensor, tolerance in self._tolerances.items()}

    def _time(self, arrival: Arrival[Item]) -> int:
        return arrival.stamp if self._by == "stamp" else arrival.received
