"""Reads results for image files: the JSON Lines of ``match --json``, or the folder of ``match --out``."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from distillmatch_ros.bags.image_files import RECORDS
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_no_device
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.images.files import read_image, read_thermal, read_visible_of_thermal
from distillmatch_ros.images.pairs import HEADER
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.reports.recording import Correspondences, Entry, Images, Recording, cameras


def read_files(path: Path, source: Path | None = None) -> Recording:
    """Read the results for pairs of image files.

    Args:
        path: JSON Lines, or a folder that holds them.
        source: folder that the paths of the images are relative to; if None, the folder of the JSON Lines or
            the working directory.

    Raises:
        DistillMatchError: it cannot be read, or holds no pairs.
    """
    lines = path / RECORDS if path.is_dir() else path
    try:
        check_no_device(lines)
        text = lines.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DistillMatchError(
            f"{lines}: cannot be read ({error}); pass the folder of match --out, its {RECORDS}, or what "
            "match --json wrote"
        ) from error
    records = [
        _record(lines, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()
    ]
    records = list({(record["visible"], record["thermal"]): record for record in records}.values())
    if not records:
        raise DistillMatchError(f"{lines}: holds no pairs; match again")
    places = [source] if source is not None else [lines.parent, Path()]
    with ThreadPoolExecutor() as threads:  # OpenCV releases the GIL
        known = list(threads.map(partial(_sizes, places=places), records))
    entries = [_entry(number, *each) for number, each in enumerate(zip(records, known, strict=True), 1)]
    about = [("recording", str(path)), ("pairs of image files", str(len(entries)))]
    if sizes := cameras(entries):
        about.append(("cameras", sizes))
    files = {entry.number: record for entry, record in zip(entries, records, strict=True)}
    return Recording(
        title=path.name,
        about=about,
        entries=entries,
        load=lambda chosen: _load(files, places, chosen),
        problems=[entry.error for entry in entries if entry.error is not None],
    )


def _record(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
        if isinstance(record, dict) and {"visible", "thermal", "status", "homography"} <= record.keys():
            return record
    except json.JSONDecodeError:
        pass
    raise DistillMatchError(f"{path}: line {number} is no pair of match --json; pass a file that match wrote")


def _entry(number: int, record: Mapping[str, Any], sizes: tuple[Size | None, Size | None]) -> Entry:
    homography = record["homography"]
    return Entry(
        number=number,
        name=record["visible"],
        seconds=None,
        stamp=None,
        status=record["status"],
        homography=None if homography is None else np.array(homography, np.float64),
        matches=record.get("matches", 0),
        inliers=record.get("inliers", 0),
        latency_ms=record.get("latency_ms", {}).get("total"),
        probability=record.get("probability"),
        rejected_by=Rejection.read(record.get("rejected_by")),
        correspondences=_matches(record.get("correspondences")),
        visible_size=sizes[0],
        thermal_size=sizes[1],
        error=record.get("error"),
    )


def _matches(rows: Sequence[Sequence[float]] | None) -> Correspondences | None:
    if rows is None:
        return None
    values = np.array(rows, np.float32).reshape(-1, 6)
    return Correspondences(values[:, 0:2], values[:, 2:4], values[:, 4], values[:, 5] > 0)


def _find(name: str, places: Sequence[Path]) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _read(record: Mapping[str, Any], places: Sequence[Path]) -> Images | None:
    """Both images of a pair; None if one is missing or cannot be read, as its record states."""
    visible, thermal = (_find(record[side], places) for side in HEADER)
    if visible is None or thermal is None:
        return None
    # If both are one file, it is a radiometric JPEG with an embedded visible image.
    read_visible = read_visible_of_thermal if visible == thermal else read_image
    with suppress(DistillMatchError):
        return Images(read_visible(visible), read_thermal(thermal))
    return None


def _sizes(record: Mapping[str, Any], places: Sequence[Path]) -> tuple[Size | None, Size | None]:
    """Sizes of the visible and the thermal image; None if they are missing."""
    read = _read(record, places)
    if read is None or read.visible is None or read.thermal is None:
        return None, None
    return read.visible.shape[:2], read.thermal.shape[:2]


def _load(
    files: Mapping[int, Mapping[str, Any]], places: Sequence[Path], entries: Sequence[Entry]
) -> dict[int, Images]:
    read = {entry.number: _read(files[entry.number], places) for entry in entries}
    return {number: images for number, images in read.items() if images is not None}
