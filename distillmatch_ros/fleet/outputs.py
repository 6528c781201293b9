"""Reading of the outputs of ``distillmatch bag`` in a folder: each becomes a recording."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.manifest import NAME, Record, read_records
from distillmatch_ros.fleet.stored import Readers, StoredBag
from distillmatch_ros.reports.from_bag import read_bag


def holds_outputs(place: str) -> bool:
    """Whether a folder was written by ``distillmatch bag``."""
    return (Path(place) / NAME).is_file()


def find_outputs(folder: str) -> Readers:
    """The outputs that a folder's manifest names, in the order of their names.

    Raises:
        DistillMatchError: the manifest is invalid.
    """
    return {name: partial(_read, folder, record) for name, record in sorted(read_records(folder).items())}


def _read(folder: str, record: Record) -> StoredBag:
    if record.error is not None:
        raise DistillMatchError(record.error)
    path = Path(folder) / f"{record.name}.mcap"
    recording = read_bag(path)
    provenance = {**recording.provenance, "out": str(path)}  # where it lies now
    return StoredBag(replace(recording, title=record.name, provenance=provenance), lambda: record.line)
