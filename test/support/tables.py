"""Tables of fleets, written without registering anything."""

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet
from support.bags import START

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.table import HOMOGRAPHY, SCHEMA


def write_pairs(place: Path, name: str, shift: float, status: str = "OK", size: int = 640) -> None:
    """A bag of ten pairs, whose thermal image lies ``shift`` px to the right."""
    homography = [1.0, 0, shift, 0, 1, 0, 0, 0, 1] if status == "OK" else [None] * 9
    rows = [
        {
            "visible_stamp": START + number * SECOND,
            "thermal_stamp": START + number * SECOND,
            "skew_ms": 0.0,
            "status": status,
            "rejected_by": "min_matches" if status == "FEW_MATCHES" else None,
            **dict(zip(HOMOGRAPHY, homography, strict=True)),
            "latency_ms": 10.0,
            **{f"{side}_width": size for side in ("visible", "thermal")},
            **{f"{side}_height": 480 for side in ("visible", "thermal")},
        }
        for number in range(10)
    ]
    (place / f"bag={name}").mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(rows, SCHEMA), place / f"bag={name}/pairs.parquet")
