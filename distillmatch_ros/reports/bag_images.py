"""Reads camera images and overlays of single pairs from bags."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.bags.processing import first_info, info_topic
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.undistortion import Undistorter
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.reports.recording import Entry, Images
from distillmatch_ros.stream.outputs import NODE
from distillmatch_ros.stream.synchroniser import Side

OVERLAYS = (f"{NODE}/overlay", f"{NODE}/overlay/compressed")


@dataclass(frozen=True)
class Source:
    """Source of the camera images of a recording.

    Attributes:
        bag: bag with the images.
        rgb: topic of the visible images.
        thermal: topic of the thermal images.
        undistorted: sides whose homographies refer to undistorted images.
    """

    bag: Path
    rgb: str
    thermal: str
    undistorted: tuple[str, ...] = ()


def first_sizes(source: Source) -> tuple[Size | None, Size | None]:
    """Size of the first image of each camera, for recordings without status."""
    messages = ros2_messages()

    def size(bag: Bag, topic: str) -> Size | None:
        first = next(bag.messages((topic,)), None)
        if first is None:
            return None
        height, width = messages.to_frame(first.message).image.shape[:2]
        return height, width

    with Bag(source.bag) as bag:
        return size(bag, source.rgb), size(bag, source.thermal)


def load_images(path: Path, source: Source | None, entries: Sequence[Entry]) -> dict[int, Images]:
    """Images of some pairs by number: from the source, else the recorded overlays."""
    if source is None:
        overlays = _overlays(path, entries)
        return {number: Images(overlay=overlay) for number, overlay in overlays.items()}
    with Bag(source.bag) as bag:
        visible = _frames(bag, source.rgb, {entry.stamp for entry in entries if entry.stamp is not None})
        stamps = _thermal_stamps(bag, source.thermal, entries)
        thermal = _frames(bag, source.thermal, set(stamps.values()))
        if Side.VISIBLE in source.undistorted:
            visible = _undistorted(bag, source.rgb, visible)
        if Side.THERMAL in source.undistorted:
            thermal = _undistorted(bag, source.thermal, thermal)
    return {
        entry.number: Images(visible[entry.stamp].image, thermal[stamps[entry.number]].image)
        for entry in entries
        if entry.stamp in visible and stamps.get(entry.number) in thermal
    }


def _overlays(path: Path, entries: Sequence[Entry]) -> dict[int, NDArray[Any]]:
    numbers = {entry.stamp: entry.number for entry in entries if entry.stamp is not None}
    with Bag(path) as bag:
        for topic in OVERLAYS:
            if topic in bag.topics:
                frames = _frames(bag, topic, numbers)
                return {numbers[stamp]: frame.image for stamp, frame in frames.items()}
    return {}


def _thermal_stamps(bag: Bag, topic: str, entries: Sequence[Entry]) -> dict[int, int]:
    """Stamp of the thermal image of each entry, ns, by number: the nearest to visible stamp plus skew."""
    messages = ros2_messages()
    stamps = np.array([messages.stamp_of(each.message) for each in bag.messages((topic,))], np.int64)
    if not len(stamps):
        return {}
    wanted = {
        entry.number: entry.stamp + round((entry.skew_ms or 0) * 1e6)
        for entry in entries
        if entry.stamp is not None
    }
    return {number: int(stamps[np.abs(stamps - stamp).argmin()]) for number, stamp in wanted.items()}


def _frames(bag: Bag, topic: str, stamps: Collection[int]) -> dict[int, Frame]:
    messages = ros2_messages()
    return {
        stamp: messages.to_frame(each.message)
        for each in bag.messages((topic,))
        if (stamp := messages.stamp_of(each.message)) in stamps
    }


def _undistorted(bag: Bag, topic: str, frames: Mapping[int, Frame]) -> dict[int, Frame]:
    info = first_info(bag, topic)
    if info is None:
        raise DistillMatchError(
            f"{bag.path}: has no {info_topic(topic)}; these images need it to be undistorted"
        )
    undistorter = Undistorter(Camera.from_camera_info(info))
    return {stamp: undistorter(frame) for stamp, frame in frames.items()}
