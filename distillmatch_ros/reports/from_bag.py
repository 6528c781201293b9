"""Reads recordings of the node's topics, from ``distillmatch bag`` or a recorder of the live node."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.bags.camera_infos import info_topic
from distillmatch_ros.bags.guess import guess_topics, usable_encodings
from distillmatch_ros.bags.provenance import problems_of, read_provenance
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.images.temperature import Temperature
from distillmatch_ros.registration.status import Status
from distillmatch_ros.reports.bag_images import CameraTopics, first_sizes, load_images, load_overlays
from distillmatch_ros.reports.recording import (
    REJECTED,
    Correspondences,
    Entry,
    Recording,
    cameras,
)
from distillmatch_ros.rig.history import UNTOLD, RigHistory
from distillmatch_ros.stream.outputs import NODE
from distillmatch_ros.stream.pair_status import PairStatus
from distillmatch_ros.stream.sensors import Sensor

HOMOGRAPHY, CORRESPONDENCES, STATUS = (
    f"{NODE}/{name}" for name in ("homography", "correspondences", "status")
)
DIAGNOSTICS = "/diagnostics"
RGB, THERMAL = "/rgb/image", "/thermal/image"
"""The node's default topics, used if the recording names none."""

_DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # of PointField


@dataclass
class _Raw:
    """Recorded data of one pair; times in ns."""

    received: int = 0
    homography: Float64 | None = None
    correspondences: Correspondences | None = None
    status: PairStatus | None = None


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
    with Bag(path) as bag:
        if HOMOGRAPHY not in bag.topics:
            remedy = (
                "register the bag again, with --only homography too, or without --only"
                if metadata
                else "pass a bag from distillmatch bag, or a recording of the node"
            )
            raise DistillMatchError(f"{path}: holds no {HOMOGRAPHY}; {remedy}")
        pairs = _read_pairs(bag)
        where, sizes = _find_images(bag, source, (rgb, thermal), metadata, pairs.values())
        receipts = _receipts(bag, where.rgb)
        told = RigHistory.of_record(metadata.get("rig"))
        told = told if told.is_told else _told_by_node(bag, min(pairs, default=0))
        problems = [*problems_of(metadata), *map(str, bag.losses)]
        held = source is not None or where.is_held_by(bag)
    latencies = metadata.get("registration_ms", ())
    offline = dict(zip(pairs, latencies, strict=True)) if len(latencies) == len(pairs) else {}
    entries = [
        _entry(number, stamp, min(pairs), raw, offline.get(stamp, _elapsed(raw, receipts.get(stamp))), sizes)
        for number, (stamp, raw) in enumerate(sorted(pairs.items()), 1)
    ]
    return Recording(
        title=path.name,
        about=list(_about(path, metadata, where, held, entries)),
        entries=entries,
        load=lambda chosen: load_images(where, chosen) if held else load_overlays(path, chosen),
        frames=metadata.get("frames", {}),
        dropped=metadata.get("dropped", {}),
        live=bool(receipts) and not offline,
        problems=problems,
        temperature=_temperature(metadata),
        rig=told,
        provenance=metadata,
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


def _find_images(
    bag: Bag,
    source: Path | None,
    named: tuple[str | None, str | None],
    metadata: Mapping[str, Any],
    pairs: Iterable[_Raw],
) -> tuple[CameraTopics, tuple[Size | None, Size | None]]:
    """Where the camera images are, and the sizes of the first ones if the pairs do not tell theirs.

    A source is opened only if the recording does not tell all of that.
    """
    rgb, thermal = named[0] or metadata.get("rgb"), named[1] or metadata.get("thermal")
    undistorted = tuple(metadata.get("undistorted", ()))
    untold = any(raw.status is None or raw.status.visible_size is None for raw in pairs)
    if rgb and thermal and not untold and named == (None, None):
        return CameraTopics(source or bag.path, rgb, thermal, undistorted), (None, None)
    with ExitStack() as stack:
        images = bag if source is None else stack.enter_context(Bag(source))
        found = CameraTopics(images.path, *_guess(images, (rgb, thermal)), undistorted)
        if source is not None:
            found.check(images)
        return found, first_sizes(images, found) if untold and found.is_held_by(images) else (None, None)


def _guess(bag: Bag, names: tuple[str | None, str | None]) -> tuple[str, str]:
    """Topics of both cameras; unknown ones by `guess_topics`, else the node's own names."""
    encoding_by_topic = {
        topic: encoding for topic, encoding in usable_encodings(bag).items() if not topic.startswith(NODE)
    }
    guessed = guess_topics(encoding_by_topic)
    return names[0] or guessed.get(Sensor.VISIBLE, RGB), names[1] or guessed.get(Sensor.THERMAL, THERMAL)


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
            found = each.message.status[0]
            values = {pair.key: pair.value for pair in found.values}
            raw.status = PairStatus.read(found.message, values)
    return {stamp: raw for stamp, raw in pairs.items() if stamp in with_homography}


def _told_by_node(bag: Bag, begin: int) -> RigHistory:
    """What a recorded node's diagnostics tell of its rig; ``begin`` is the stamp of the first pair, ns."""
    if DIAGNOSTICS not in bag.topics:
        return UNTOLD
    messages = ros2_messages()
    figures = (
        (messages.stamp_of(each.message), {pair.key: pair.value for pair in status.values})
        for each in bag.messages((DIAGNOSTICS,))
        for status in each.message.status
    )
    return RigHistory.of_figures(
        ((stamp - begin) / SECOND, values) for stamp, values in figures if "rig finding" in values
    )


def _receipts(bag: Bag, rgb: str) -> dict[int, int]:
    """Time of receipt of each visible image, or of its CameraInfo, by stamp; both ns."""
    topics = [topic for topic in (rgb, info_topic(rgb)) if topic in bag.topics]
    messages = ros2_messages()
    return {messages.stamp_of(each.message): each.received for each in bag.messages(topics[:1])}


def _entry(
    number: int,
    stamp: int,
    first: int,
    raw: _Raw,
    latency_ms: float | None,
    sizes: tuple[Size | None, Size | None],
) -> Entry:
    status = raw.status or PairStatus(REJECTED if raw.homography is None else Status.OK.value)
    found = raw.correspondences
    return Entry(
        number=number,
        name=str(number),
        seconds=(stamp - first) / SECOND,
        stamp=stamp,
        thermal_stamp=status.thermal_stamp,
        status=status.status,
        homography=raw.homography,
        matches=len(found.inliers) if found else status.matches or 0,
        inliers=int(found.inliers.sum()) if found else status.inliers or 0,
        skew_ms=status.skew_ms,
        latency_ms=latency_ms,
        probability=status.probability,
        rejected_by=status.rejected_by,
        correspondences=found,
        visible_size=status.visible_size or sizes[0],
        thermal_size=status.thermal_size or sizes[1],
    )


def _temperature(metadata: Mapping[str, Any]) -> Temperature | None:
    text = metadata.get("settings", {}).get("temperature")
    return Temperature.parse(text) if text else None


def _elapsed(raw: _Raw, received: int | None) -> float | None:
    return None if received is None else (raw.received - received) / 1e6


def _matrix(message: Any) -> Float64 | None:
    """The matrix of a 64FC1 image; None if it is not finite, which stands for no homography."""
    matrix = np.frombuffer(message.data, ">f8" if message.is_bigendian else "<f8").astype(np.float64)
    return matrix.reshape(3, 3) if matrix.size == 9 and np.isfinite(matrix).all() else None


def _matches(message: Any) -> Correspondences:
    points = cloud(message)
    return Correspondences(
        visible=np.column_stack([points["u_visible"], points["v_visible"]]).astype(np.float32),
        thermal=np.column_stack([points["u_thermal"], points["v_thermal"]]).astype(np.float32),
        confidence=points["confidence"].astype(np.float32),
        inliers=points["inlier"] > 0.5,
    )


def _about(
    path: Path, metadata: Mapping[str, Any], source: CameraTopics, held: bool, entries: Sequence[Entry]
) -> Iterator[tuple[str, str]]:
    yield "recording", str(path)
    if held or metadata.get("bag"):
        yield "camera images", str(source.bag if held else metadata["bag"])
    yield "topics", f"{source.rgb}, {source.thermal}"
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
