"""The bags of a fleet as they are stored: each is read when it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.reports.recording import Recording


@dataclass(frozen=True, eq=False)
class StoredBag:
    """A bag that was read.

    Attributes:
        recording: its pairs; the title is its name.
        line: reads its line of the manifest, with the fields that others added; empty without a manifest.
    """

    recording: Recording
    line: Callable[[], Mapping[str, Any]]


Readers = Mapping[str, Callable[[], StoredBag]]
"""Reads each bag, by its name; raises DistillMatchError if it cannot be read."""


class StoredBags:
    """The bags of a fleet, in the order of their readers; each pass over them reads them again."""

    def __init__(self, readers: Readers, failed: Callable[[DistillMatchError], None]) -> None:
        """Keep the readers.

        Args:
            readers: of the bags.
            failed: called with the error of a bag that cannot be read; the others go on.
        """
        self._readers = readers
        self._failed = failed

    def __iter__(self) -> Iterator[StoredBag]:
        """Read the bags one by one."""
        for read in self._readers.values():
            try:
                yield read()
            except DistillMatchError as error:  # noqa: PERF203  files of any size
                self._failed(error)

    def read(self, name: str) -> Recording:
        """Read a bag again.

        Raises:
            DistillMatchError: it cannot be read.
        """
        return self._readers[name]().recording
