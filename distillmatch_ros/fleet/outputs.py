"""Reading of the outputs of ``distillmatch bag`` in a folder: each becomes a recording."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from distillmatch_ros.bags.provenance import read_provenance
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.manifest import NAME, read_fields
from distillmatch_ros.reports.from_bag import read_bag
from distillmatch_ros.reports.recording import Recording

LARGE = "rig", "problems", "notes", "losses", "registration_ms"
"""Keys of a bag's record that are not kept for each bag of a fleet."""


def holds_outputs(place: str) -> bool:
    """Whether a folder was written by ``distillmatch bag``."""
    return (Path(place) / NAME).is_file()


class FleetOutputs:
    """The outputs that a folder's manifest names, in the order of their names."""

    def __init__(self, folder: str, failed: Callable[[DistillMatchError], None]) -> None:
        """Find the outputs.

        Args:
            folder: path of the folder.
            failed: called with the error of a bag that has no output, or whose output cannot be read.

        Raises:
            DistillMatchError: the manifest is invalid.
        """
        self._folder = Path(folder)
        self._fields = dict(sorted(read_fields(folder).items()))
        self._failed = failed
        self.about: dict[str, Mapping[str, Any]] = {}
        """What each output that was read says of itself."""

    def __iter__(self) -> Iterator[Recording]:
        """Read the outputs one by one."""
        for name, fields in self._fields.items():
            try:
                if fields.get("error"):
                    raise DistillMatchError(str(fields["error"]))
                yield self.read(name)
            except DistillMatchError as error:  # noqa: PERF203  files of any size
                self._failed(error)

    def read(self, name: str) -> Recording:
        """Read an output.

        Raises:
            DistillMatchError: it cannot be read.
        """
        path = self._folder / f"{name}.mcap"
        recording = read_bag(path)
        told = read_provenance(path)
        self.about[name] = {key: value for key, value in told.items() if key not in LARGE}
        return replace(recording, title=name)
