"""Reading of the outputs of ``distillmatch bag`` in a folder: each becomes a recording."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from distillmatch_ros.bags.provenance import read_provenance
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.manifest import NAME, BagState, Record, read_records
from distillmatch_ros.fleet.stored import Readers, StoredBag, recording_of
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
    if record.state is BagState.PLANNED:
        raise DistillMatchError(f"{record.input}: not registered yet; go on with `distillmatch bag --resume`")
    if record.error is not None:
        raise DistillMatchError(record.error)
    path = Path(folder) / f"{record.name}.mcap"
    # Without pairs it holds no topic.
    recording = read_bag(path) if record.statuses else recording_of((), read_provenance(path))
    provenance = {**recording.provenance, "out": str(path)}  # where it lies now
    return StoredBag(replace(recording, title=record.name, provenance=provenance), lambda: record.line)
