"""The bags of a fleet as they are stored: each is read when it is asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distillmatch_ros.bags.provenance import problems_of
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.reports.recording import Entry, Recording
from distillmatch_ros.rig.history import RigHistory


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

    def __init__(self, readers: Readers) -> None:
        """Keep the readers."""
        self._readers = readers
        self.unread: list[str] = []
        """Errors of the bags that could not be read in the last pass."""

    def __iter__(self) -> Iterator[StoredBag]:
        """Read the bags one by one, without those that cannot be read."""
        self.unread = []
        for read in self._readers.values():
            try:
                yield read()
            except DistillMatchError as error:  # noqa: PERF203  files of any size
                self.unread.append(str(error))

    def read(self, name: str) -> Recording:
        """Read a bag again.

        Raises:
            DistillMatchError: it cannot be read.
        """
        return self._readers[name]().recording


def recording_of(entries: Sequence[Entry], provenance: Mapping[str, Any]) -> Recording:
    """A recording without title and images, by what is recorded of how it came about."""
    return Recording(
        title="",
        about=[("camera images", str(provenance.get("bag", "")))],
        entries=entries,
        load=lambda _: {},
        frames=provenance.get("frames", {}),
        dropped=provenance.get("dropped", {}),
        problems=problems_of(provenance),
        rig=RigHistory.of_record(provenance.get("rig")),
        provenance=provenance,
    )
