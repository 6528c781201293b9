"""Recordings for tests of reports, made without an engine."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from support.bags import texture

from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.reports.recording import Correspondences, Entry, Images, Recording

VISIBLE, THERMAL = (120, 160), (96, 128)
EVIL = "<img src=x onerror=alert(1)>"


def homography(right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """The thermal image in the middle of the visible one, moved by so many visible pixels."""
    return np.array([[1.0, 0, 16 + right], [0, 1, 12 + down], [0, 0, 1]])


REASONS = {
    "FEW_MATCHES": Rejection("min_matches", 3, 8),
    "FEW_INLIERS": Rejection("min_inliers", 7, 12),
    "DEGENERATE": Rejection("max_perspective", 5.0, 3.0),
}


def entry(number: int, status: str = "OK", right: float = 0.0, **changes: Any) -> Entry:
    """A pair of a recording at 10 Hz."""
    matrix = homography(right) if status in ("OK", "TRACKED", "HELD") else None
    points = np.random.default_rng(number).random((60, 2), np.float32) * (127, 95)
    inliers = np.arange(60) % 10 != 0 if matrix is not None else np.zeros(60, np.bool_)
    if status == "TRACKED":
        points, inliers = points[:0], inliers[:0]
    visible = (points + np.array([16, 12])).astype(np.float32)
    confidence = np.linspace(0.2, 1, len(points), dtype=np.float32)
    fields: dict[str, Any] = {
        "number": number,
        "name": str(number),
        "seconds": (number - 1) / 10,
        "stamp": (number - 1) * 10**8,
        "status": status,
        "homography": matrix,
        "matches": len(points),
        "inliers": int(inliers.sum()),
        "skew_ms": 2.0,
        "latency_ms": 40.0 + number % 7,
        "correspondences": Correspondences(visible, points.astype(np.float32), confidence, inliers),
        "visible_size": VISIBLE,
        "thermal_size": THERMAL,
        "rejected_by": REASONS.get(status),
    }
    return Entry(**(fields | changes))


def recording(entries: Sequence[Entry], **changes: Any) -> Recording:
    """A recording whose images are textures that tell their number."""

    def load(chosen: Sequence[Entry]) -> Mapping[int, Images]:
        return {each.number: images(each.number) for each in chosen}

    fields: dict[str, Any] = {"title": "drive.mcap", "about": [("topics", "/rgb/image")], "load": load}
    return Recording(**(fields | {"entries": entries} | changes))


def images(number: int, scale: int = 1) -> Images:
    """Both images of a pair; the thermal one is a part of the visible one, as 16-bit readings."""
    grey = cv2.resize(texture(number, VISIBLE), None, fx=scale, fy=scale)
    height, width = (scale * side for side in THERMAL)
    thermal = 29000 + 8 * grey[12 * scale :][:height, 16 * scale :][:, :width].astype(np.uint16)
    return Images(np.dstack([grey, grey // 2, 255 - grey]), thermal)


def mixed(pairs: int = 40) -> Recording:
    """Good pairs, and some of every kind of rejection."""
    kinds = {5: "FEW_MATCHES", 6: "FEW_MATCHES", 11: "FEW_INLIERS", 17: "DEGENERATE", 23: "STALE_THERMAL"}
    return recording(
        [entry(number, kinds.get(number, "OK"), right=0.2 * (number % 3)) for number in range(1, pairs + 1)]
    )
