"""Attaches the frames of a further sensor, such as a depth camera, to the pairs of the two cameras."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from distillmatch_ros.base.errors import DistillMatchError

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
