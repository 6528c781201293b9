"""Reading of fleet tables: each bag becomes a recording without images."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.manifest import Record, read_records
from distillmatch_ros.fleet.places import existing, from_file, joined, shown, staged
from distillmatch_ros.fleet.stored import Readers, StoredBag, recording_of
from distillmatch_ros.fleet.table import HOMOGRAPHY, KEY, OUTPUTS, SCHEMA
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.recording import Entry

_FOLDER, _FILE = "bag=", "pairs.parquet"


def find_table(place: str) -> Readers:
    """The bags of a table, in the order of their names.

    Args:
        place: path or URL of the table's folder.

    Raises:
        DistillMatchError: it holds no pairs, or the store cannot be reached.
    """
    if not place:
        raise DistillMatchError("the path of the table is empty; name the folder that bag --table wrote")
    names = [PurePosixPath(name) for name in sorted(existing(place))]
    files = [name for name in names if name.name == _FILE and name.parent.name.startswith(_FOLDER)]
    if not files:
        raise DistillMatchError(
            f"{shown(place)}: holds no {_FOLDER}NAME/{_FILE}; name the folder that bag wrote, or its --table"
        )
    manifest = cache(read_records)
    places = {unquote(file.parent.name.removeprefix(_FOLDER)): joined(place, str(file)) for file in files}
    return {name: partial(_read, name, file, manifest) for name, file in places.items()}


def _read(name: str, place: str, manifest: Callable[[str], Mapping[str, Record]]) -> StoredBag:
    with staged(place) as path:
        try:
            with parquet.ParquetFile(path) as file:
                provenance = json.loads((file.metadata.metadata or {}).get(KEY, b"{}"))
                rows = _rows(_checked(file.read(SCHEMA.names)))
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())
            raise DistillMatchError(
                f"{shown(place)}: not the pairs of a bag ({reason}); register it again"
            ) from error
    entries = [_entry(number, row, rows[0]["visible_stamp"]) for number, row in enumerate(rows, 1)]
    recording = replace(recording_of(entries, provenance), title=name)

    def line() -> Mapping[str, Any]:
        outputs = provenance.get(OUTPUTS)
        record = None if outputs is None else manifest(from_file(outputs, place)).get(name)
        return {} if record is None else record.line

    return StoredBag(recording, line)


def _checked(pairs: pa.Table) -> pa.Table:
    """The table, if its types and values are those of pairs.

    Raises:
        ValueError: they are not.
    """
    for field in SCHEMA:
        column = pairs[field.name]
        if column.type != field.type:
            raise ValueError(f"{field.name} is {column.type}, not {field.type}")
        if column.null_count and not field.nullable:
            raise ValueError(f"{field.name} is missing in {column.null_count} rows")
        if pa.types.is_floating(field.type) and compute.all(compute.is_finite(column)).as_py() is False:
            raise ValueError(f"{field.name} is not finite")
        if field.name.endswith(("_width", "_height")) and compute.any(compute.less(column, 1)).as_py():
            raise ValueError(f"{field.name} is below 1")
    if unknown := set(pairs["status"].unique().to_pylist()) - {status.value for status in Status}:
        raise ValueError(f"status {min(unknown)!r} is unknown")
    return pairs


def _rows(pairs: pa.Table) -> list[dict[str, Any]]:
    """Rows in the order of their stamps, which are int64 ns: Python's datetime has no nanoseconds."""
    for name in ("visible_stamp", "thermal_stamp"):
        pairs = pairs.set_column(pairs.schema.get_field_index(name), name, pairs[name].cast(pa.int64()))
    rows: list[dict[str, Any]] = sorted(pairs.to_pylist(), key=lambda row: int(row["visible_stamp"]))
    return rows


def _entry(number: int, row: Mapping[str, Any], first: int) -> Entry:
    matrix = [row[name] for name in HOMOGRAPHY]
    return Entry(
        number=number,
        name=str(number),
        seconds=(row["visible_stamp"] - first) / SECOND,
        stamp=row["visible_stamp"],
        status=row["status"],
        homography=None if None in matrix else np.array(matrix).reshape(3, 3),
        matches=row["matches"] or 0,
        inliers=row["inliers"] or 0,
        skew_ms=row["skew_ms"],
        latency_ms=row["latency_ms"],
        probability=row["probability"],
        rejected_by=Rejection.read(
            {
                "threshold": row["rejected_by"],
                "value": row["rejected_value"],
                "limit": row["rejected_limit"],
            }
        ),
        visible_size=(row["visible_height"], row["visible_width"]),
        thermal_size=(row["thermal_height"], row["thermal_width"]),
    )
