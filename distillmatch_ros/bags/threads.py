"""Work done beside the engine: the next pairs are read, and the last results written, while it runs.

NumPy, OpenCV and the engine let go of Python's lock, so that threads are enough. The items keep their order.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 4
"""Items that may wait on either side: enough to even out bursts, few enough for images to fit in memory."""


def prefetch(items: Iterator[T], depth: int = DEPTH) -> Iterator[T]:
    """The items, of which up to ``depth`` are made in advance in a thread of their own.

    What their iterator raises is raised here, after the items before it.
    """
    with ThreadPoolExecutor(1, "prefetch") as thread:
        waiting: deque[Future[T]] = deque(thread.submit(next, items) for _ in range(depth))
        try:
            while True:
                try:
                    item = waiting.popleft().result()
                except StopIteration:
                    return
                waiting.append(thread.submit(next, items))
                yield item
        finally:
            thread.shutdown(cancel_futures=True)


class BackgroundWriter(Generic[T]):
    """Does something with one item after the other in a thread of its own; leaving it waits for the last."""

    def __init__(self, work: Callable[[T], None], depth: int = DEPTH) -> None:
        self._work = work
        self._depth = depth
        self._thread = ThreadPoolExecutor(1, "writer")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> "BackgroundWriter[T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._thread.shutdown(cancel_futures=True)

    def __call__(self, item: T) -> None:
        """Leave an item; waits while ``depth`` others do.

        Raises:
            Exception: what the work on an earlier item raised.
        """
        while len(self._waiting) >= self._depth:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._work, item))
