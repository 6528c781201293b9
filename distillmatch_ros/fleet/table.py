"""Writing of fleet tables: Parquet, one row per pair, one file per bag in the folder ``bag=NAME``."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from distillmatch_ros.base.files import replacing
from distillmatch_ros.fleet.places import published
from distillmatch_ros.stream.result import Result

KEY = b"distillmatch"
"""Key of the file's metadata that holds provenance and summary of the bag as a JSON object."""
OUTPUTS = "outputs"
"""Key in that object: the folder of the outputs and their manifest, as `to_file` gives it."""
HOMOGRAPHY = tuple(f"h{row}{column}" for row in range(3) for column in range(3))
SCHEMA = pa.schema(
    [
        pa.field("visible_stamp", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("thermal_stamp", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("skew_ms", pa.float64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("rejected_by", pa.string()),
        pa.field("rejected_value", pa.float64()),
        pa.field("rejected_limit", pa.float64()),
        pa.field("probability", pa.float64()),
        *(pa.field(name, pa.float64()) for name in HOMOGRAPHY),
        pa.field("inliers", pa.int32()),
        pa.field("matches", pa.int32()),
        pa.field("peak_prominence", pa.float64()),
        pa.field("latency_ms", pa.float64(), nullable=False),
        *(
            pa.field(f"{side}_{length}", pa.int32(), nullable=False)
            for side in ("visible", "thermal")
            for length in ("width", "height")
        ),
    ]
)
"""Columns of a file; the column ``bag`` comes from the folder's name."""
ROWS = 10_000
"""Rows that are buffered in memory."""


class PairTable:
    """Writes the rows of one bag."""

    def __init__(self, writer: parquet.ParquetWriter) -> None:
        self._writer = writer
        self._rows: list[dict[str, Any]] = []

    def add(self, result: Result) -> None:
        """Add a pair."""
        self._rows.append(_row(result))
        if len(self._rows) >= ROWS:
            self.flush()

    def note(self, about: Mapping[str, Any]) -> None:
        """Store provenance and summary in the file's metadata."""
        self._writer.add_key_value_metadata({KEY: json.dumps(about).encode()})

    def flush(self) -> None:
        """Write the buffered rows."""
        self._writer.write_table(pa.Table.from_pylist(self._rows, SCHEMA))
        self._rows.clear()


@contextmanager
def writing_pairs(place: str, scratch: str | None = None) -> Iterator[PairTable]:
    """Write the table of a bag; the file appears when the body ends without an error.

    Args:
        place: path or URL of the file.
        scratch: see `published`.

    Raises:
        DistillMatchError: it cannot be written.
    """
    with (
        published(place, scratch) as path,
        replacing(path) as file,
        parquet.ParquetWriter(file, SCHEMA, compression="zstd") as writer,
    ):
        table = PairTable(writer)
        yield table
        table.flush()


def _row(result: Result) -> dict[str, Any]:
    visible, thermal, found = result.visible, result.thermal, result.registration
    matrix = [None] * len(HOMOGRAPHY) if found.homography is None else found.homography.ravel().tolist()
    rejected_by = found.rejected_by
    matched = len(found.inliers) > 0 or found.status.has_pass
    return {
        "visible_stamp": visible.stamp,
        "thermal_stamp": thermal.stamp,
        "skew_ms": (thermal.stamp - visible.stamp) / 1e6,
        "status": found.status.value,
        "rejected_by": None if rejected_by is None else rejected_by.threshold,
        "rejected_value": None if rejected_by is None else rejected_by.value,
        "rejected_limit": None if rejected_by is None else rejected_by.limit,
        "probability": found.probability,
        **dict(zip(HOMOGRAPHY, matrix, strict=True)),
        "inliers": int(found.inliers.sum()) if matched else None,
        "matches": len(found.inliers) if matched else None,
        "peak_prominence": None if found.quality is None else found.quality.peak_prominence,
        "latency_ms": result.latency_ms["total"],
        **_size("visible", visible.image.shape),
        **_size("thermal", thermal.image.shape),
    }


def _size(side: str, shape: tuple[int, ...]) -> dict[str, int]:
    return {f"{side}_width": shape[1], f"{side}_height": shape[0]}
