"""Reads recordings of the node's topics, from ``distillmatch bag`` or a recorder of the live node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.bags.guess import encodings, guess_topics
from distillmatch_ros.bags.processing import info_topic
from distillmatch_ros.bags.provenance import read_provenance
from distillmatch_ros.bags.reading import IMAGE_TYPES, Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.reports.bag_images import Source, first_sizes, load_images
from distillmatch_ros.reports.recording import (
    REJECTED,
    Correspondences,
    Entry,
    Recording,
    cameras,
)
from distillmatch_ros.stream.outputs import NODE
from distillmatch_ros.stream.synchroniser import Side

HOMOGRAPHY, CORRESPONDENCES, STATUS = (
    f"{NODE}/{name}" for name in ("homography", "correspondences", "status")
)
RGB, THERMAL = "/rgb/image", "/thermal/image"
"""The node's default topics, used if the recording names none."""

_DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # of PointField


@dataclass
class _Raw:
    """Recorded data of one pair; times in ns."""

    received: int = 0
    homography: Float64 | None = None
    correspondences: Correspondences | None = None
    status: str | None = None
    values: Mapping[str, str] | None = None


def read_bag(
    path: Path, source: Path | None = None, rgb: str | None = None, thermal: str | None = None
) -> Recording:
    """Read a recording of the node's topics.

    Args:
        path: a bag with ``/distillmatch/homography``.
        source: a bag with the camera images; if None, the recording itself, if it holds them.
        rgb: topic of the visible images; if None, the one named in the recording, or guessed.
        thermal: topic of the thermal images, likewise.

    Raises:
        DistillMatchError: it cannot be read, holds no homographies, or the source lacks a topic.
    """
    metadata = read_provenance(path) if path.is_file() else {}
    names = _topics(
        path if source is None else source, rgb or metadata.get("rgb"), thermal or metadata.get("thermal")
    )
    with Bag(path) as bag:
        if HOMOGRAPHY not in bag.topics:
            raise DistillMatchError(
                f"{path}: holds no {HOMOGRAPHY}; pass a bag from distillmatch bag, or a recording of the node"
            )
        pairs = _read_pairs(bag)
        receipts = _receipts(bag, names[0])
        where = _source(bag, source, names, metadata)
        problems = [*metadata.get("problems", ()), *map(str, bag.losses)]
    sizes = (None, None) if where is None else first_sizes(where)
    latencies = metadata.get("registration_ms", ())
    offline = dict(zip(pairs, latencies, strict=True)) if len(latencies) == len(pairs) else {}
    entries = [
        _entry(number, stamp, min(pairs), raw, offline.get(stamp, _elapsed(raw, receipts.get(stamp))), sizes)
        for number, (stamp, raw) in enumerate(sorted(pairs.items()), 1)
    ]
    return Recording(
        title=path.name,
        about=list(_about(path, metadata, names, where, entries)),
        entries=entries,
        load=lambda chosen: load_images(path, where, chosen),
        frames=metadata.get("frames", {}),
        dropped=metadata.get("dropped", {}),
        live=bool(receipts) and not offline,
        problems=problems,
    )


def cloud(message: Any) -> NDArray[np.void]:
    """The points of a PointCloud2 as a structured array with its fields."""
    order = ">" if message.is_bigendian else "<"
    described = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [order + _DATATYPES[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    return np.frombuffer(message.data, described)


def _topics(images: Path, rgb: str | None, thermal: str | None) -> tuple[str, str]:
    """Topics of both cameras; unknown ones by `guess_topics`, else the node's own names."""
    guessed: Mapping[Side, str] = {}
    if rgb is None or thermal is None:
        with Bag(images) as bag:
            encoding_by_topic = {
                topic: found for topic, found in encodings(bag).items() if not topic.startswith(NODE)
            }
            guessed = guess_topics(encoding_by_topic)
    return rgb or guessed.get(Side.VISIBLE, RGB), thermal or guessed.get(Side.THERMAL, THERMAL)


def _read_pairs(bag: Bag) -> dict[int, _Raw]:
    """Pairs by stamp, ns, in recording order, without those for which no homography message was recorded."""
    messages = ros2_messages()
    pairs: dict[int, _Raw] = {}
    with_homography: set[int] = set()
    for each in bag.messages((HOMOGRAPHY, CORRESPONDENCES, STATUS)):
        stamp = messages.stamp_of(each.message)
        raw = pairs.setdefault(stamp, _Raw())
        if each.topic == HOMOGRAPHY:
            with_homography.add(stamp)
            raw.received, raw.homography = each.received, _matrix(each.message)
        elif each.topic == CORRESPONDENCES:
            raw.correspondences = _matches(each.message)
        elif each.message.status:
            raw.status = each.message.status[0].message
            raw.values = {pair.key: pair.value for pair in each.message.status[0].values}
    return {stamp: raw for stamp, raw in pairs.items() if stamp in with_homography}


def _receipts(bag: Bag, rgb: str) -> dict[int, int]:
    """Time of receipt of each visible image, or of its CameraInfo, by stamp; both ns."""
    topics = [topic for topic in (rgb, info_topic(rgb)) if topic in bag.topics]
    messages = ros2_messages()
    return {messages.stamp_of(each.message): each.received for each in bag.messages(topics[:1])}


def _source(
    bag: Bag, source: Path | None, names: tuple[str, str], metadata: Mapping[str, Any]
) -> Source | None:
    undistorted = tuple(metadata.get("undistorted", ()))
    if source is not None:
        with Bag(source) as images:
            rgb, thermal = (
                images.image_topic(name, option).name
                for name, option in zip(names, ("--rgb", "--thermal"), strict=True)
            )
        return Source(source, rgb, thermal, undistorted)
    held = all(name in bag.topics and bag.topics[name].type in IMAGE_TYPES for name in names)
    return Source(bag.path, *names, undistorted) if held else None


def _entry(
    number: int,
    stamp: int,
    first: int,
    raw: _Raw,
    latency_ms: float | None,
    sizes: tuple[Size | None, Size | None],
) -> Entry:
    values = raw.values or {}
    found = raw.correspondences
    probability, skew = values.get("probability"), values.get("skew_ms")
    return Entry(
        number=number,
        name=str(number),
        seconds=(stamp - first) / SECOND,
        stamp=stamp,
        status=raw.status or (REJECTED if raw.homography is None else "OK"),
        homography=raw.homography,
        matches=len(found.inliers) if found else int(values.get("matches", 0)),
        inliers=int(found.inliers.sum()) if found else int(values.get("inliers", 0)),
        skew_ms=None if skew is None else float(skew),
        latency_ms=latency_ms,
        probability=None if probability is None else float(probability),
        correspondences=found,
        visible_size=_size(values.get("visible_size")) or sizes[0],
        thermal_size=_size(values.get("thermal_size")) or sizes[1],
    )


def _elapsed(raw: _Raw, received: int | None) -> float | None:
    return None if received is None else (raw.received - received) / 1e6


def _size(text: str | None) -> Size | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    return int(height), int(width)


def _matrix(message: Any) -> Float64 | None:
    """The matrix of a 64FC1 image; None if it is not finite, which stands for no homography."""
    matrix = np.frombuffer(message.data, ">f8" if message.is_bigendian else "<f8").astype(np.float64)
    return matrix.reshape(3, 3) if matrix.size == 9 and np.isfinite(matrix).all() else None


def _matches(message: Any) -> Correspondences:
    points = cloud(message)
    return Correspondences(
        visible=np.column_stack([points["x"], points["y"]]).astype(np.float32),
        thermal=np.column_stack([points["u"], points["v"]]).astype(np.float32),
        confidence=points["confidence"].astype(np.float32),
        inliers=points["inlier"] > 0.5,
    )


def _about(
    path: Path,
    metadata: Mapping[str, Any],
    names: tuple[str, str],
    source: Source | None,
    entries: Sequence[Entry],
) -> Any:
    yield "recording", str(path)
    if metadata.get("bag") or source is not None:
        yield "camera images", str(source.bag if source is not None else metadata["bag"])
    yield "topics", ", ".join(names)
    if sizes := cameras(entries):
        yield "cameras", sizes
    if "model" in metadata:
        changed = (f"{name}={value}" for name, value in metadata["settings"].items())
        model = metadata["model"]
        yield "settings", ", ".join(changed) or "all as shipped"
        yield "model", f"{model['config']} {model['precision']}, weights {model['weights'][:12]}"
        yield "runtime", model["device"]
        yield "registered by", f"distillmatch {metadata['version']}"
        yield "machine", metadata["machine"]
