"""Reading of fleet tables: each bag becomes a recording without images."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.outputs import LARGE
from distillmatch_ros.fleet.places import existing, joined, shown, staged
from distillmatch_ros.fleet.table import HOMOGRAPHY, KEY, SCHEMA
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.recording import Entry, Recording
from distillmatch_ros.rig.history import RigHistory

_FOLDER, _FILE = "bag=", "pairs.parquet"


class FleetTable:
    """The bags of a table, in the order of their names; each pass over them reads them again."""

    def __init__(self, place: str, failed: Callable[[DistillMatchError], None] | None = None) -> None:
        """Find the bags.

        Args:
            place: path or URL of the table's folder.
            failed: called with the error of a bag that cannot be read, and the others go on; raised if None.

        Raises:
            DistillMatchError: it holds no pairs, or the store cannot be reached.
        """
        if not place:
            raise DistillMatchError("the path of the table is empty; name the folder that bag --table wrote")
        names = [PurePosixPath(name) for name in sorted(existing(place))]
        files = [name for name in names if name.name == _FILE and name.parent.name.startswith(_FOLDER)]
        if not files:
            raise DistillMatchError(
                f"{shown(place)}: holds no {_FOLDER}NAME/{_FILE}; name the folder that bag wrote, or its "
                "--table"
            )
        self._failed = failed
        self._places = {
            unquote(file.parent.name.removeprefix(_FOLDER)): joined(place, str(file)) for file in files
        }
        self.about: dict[str, Mapping[str, Any]] = {}
        """What the table says of each bag that was read: see the key `KEY` of its file."""

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Recording]:
        """Read the bags one by one.

        Raises:
            DistillMatchError: see ``failed``.
        """
        for name in self._places:
            try:
                yield self.read(name)
            except DistillMatchError as error:  # noqa: PERF203  files of any size
                if self._failed is None:
                    raise
                self._failed(error)

    def read(self, name: str) -> Recording:
        """Read a bag.

        Raises:
            DistillMatchError: it cannot be read.
        """
        place = self._places[name]
        with staged(place) as path:
            try:
                with parquet.ParquetFile(path) as file:
                    about = json.loads((file.metadata.metadata or {}).get(KEY, b"{}"))
                    rows = _rows(_checked(file.read(SCHEMA.names)))
            except (OSError, ValueError, KeyError, pa.ArrowException) as error:
                reason = " ".join(str(error).split())
                raise DistillMatchError(
                    f"{shown(place)}: not the pairs of a bag ({reason}); register it again"
                ) from error
        self.about[name] = {key: value for key, value in about.items() if key not in LARGE}
        return Recording(
            title=name,
            about=[("recording", name), ("camera images", str(about.get("bag", "")))],
            entries=[_entry(number, row, rows[0]["visible_stamp"]) for number, row in enumerate(rows, 1)],
            load=lambda _: {},
            frames=about.get("frames", {}),
            dropped=about.get("dropped", {}),
            problems=about.get("problems", ()),
            rig=RigHistory.of_record(about.get("rig")),
        )


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
