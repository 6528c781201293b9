"""A worker thread that holds at most one waiting job: the newest."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Worker(Generic[Job]):
    """A thread with at most one waiting job, which a newer job replaces.

    With a queue, a worker slower than the cameras would process ever older images.
    """

    def __init__(self, work: Callable[[Job], None], on_failure: Callable[[Exception], None]) -> None:
        """Start the thread.

        Args:
            work: processes one job, in the worker's thread.
            on_failure: called with an exception of `work` in the worker's thread, which then ends.
        """
        self._work = work
        self._on_failure = on_failure
        self._waiting: Job | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> bool:
        """Set the waiting job; True if it replaced one."""
        with self._changed:
            replaced = self._waiting is not None
            self._waiting = job
            self._changed.notify()
            return replaced

    def stop(self) -> None:
        """Wait until the current job is finished; a waiting one is dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (job := self._next()) is not None:
                self._work(job)
        except Exception as error:
            self._on_failure(error)

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._waiting is not None)
            job, self._waiting = self._waiting, None
            return None if self._stopping else job
