"""Reading of fleet tables: each bag becomes a recording without images."""

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.offline.fleet.places import beside, existing, redacted, staged
from distillmatch_ros.offline.fleet.table import HOMOGRAPHY, KEY, SCHEMA
from distillmatch_ros.offline.report.recording import Entry, Recording

_FOLDER, _FILE = "bag=", "pairs.parquet"


def read_table(place: str) -> Iterator[Recording]:
    """Read the bags of a table, in the order of their names.

    Args:
        place: path or URL of its folder.

    Raises:
        DistillMatchError: it holds no pairs, a file of it cannot be read, or the store not be reached.
    """
    names = [PurePosixPath(name) for name in sorted(existing(place))]
    files = [name for name in names if name.name == _FILE and name.parent.name.startswith(_FOLDER)]
    if not files:
        raise DistillMatchError(
            f"{redacted(place)}: holds no {_FOLDER}NAME/{_FILE}; name the folder that bag --table wrote"
        )
    for file in files:
        yield _read(beside(place, str(file)), unquote(file.parent.name.removeprefix(_FOLDER)))


def _read(place: str, name: str) -> Recording:
    with staged(place) as path:
        try:
            with parquet.ParquetFile(path) as file:
                told = json.loads((file.metadata.metadata or {}).get(KEY, b"{}"))
                rows = _rows(file.read(SCHEMA.names))
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise DistillMatchError(
                f"{redacted(place)}: not the pairs of a bag ({error}); register it again"
            ) from error
    entries = [_entry(number, row, rows[0]["visible_stamp"]) for number, row in enumerate(rows, 1)]
    return Recording(
        title=name,
        about=[("recording", name), ("camera images", str(told.get("bag", "")))],
        entries=entries,
        load=lambda _: {},
        frames=told.get("frames", {}),
        dropped=told.get("dropped", {}),
        problems=told.get("problems", ()),
    )


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
        visible_size=(row["visible_height"], row["visible_width"]),
        thermal_size=(row["thermal_height"], row["thermal_width"]),
    )
