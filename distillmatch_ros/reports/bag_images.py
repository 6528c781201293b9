"""Reads camera images and overlays of single pairs from bags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distillmatch_ros.bags.camera_infos import first_info, first_size, info_topic
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.undistortion import Undistorter
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.reports.recording import Entry, Images
from distillmatch_ros.stream.outputs import NODE
from distillmatch_ros.stream.sensors import Sensor

OVERLAYS = (f"{NODE}/overlay", f"{NODE}/overlay/compressed")


@dataclass(frozen=True)
class CameraTopics:
    """Where the camera images of a recording are.

    Attributes:
        bag: bag with the images.
        rgb: topic of the visible images.
        thermal: topic of the thermal images.
        undistorted: sensors whose homographies refer to undistorted images.
    """

    bag: Path
    rgb: str
    thermal: str
    undistorted: tuple[str, ...] = ()

    def check(self, bag: Bag) -> None:
        """Check that a bag has both topics.

        Raises:
            DistillMatchError: it lacks one.
        """
        for name, option in ((self.rgb, "--rgb"), (self.thermal, "--thermal")):
            bag.image_topic(name, option)

    def is_held_by(self, bag: Bag) -> bool:
        """Whether a bag has both topics, with images."""
        names = {topic.name for topic in bag.images}
        return {self.rgb, self.thermal} <= names


def first_sizes(bag: Bag, source: CameraTopics) -> tuple[Size | None, Size | None]:
    """Size of the first image of each camera, for recordings without status."""
    return first_size(bag, source.rgb), first_size(bag, source.thermal)


def load_images(source: CameraTopics, entries: Sequence[Entry]) -> dict[int, Images]:
    """Images of some pairs by number. The source is opened and read once, and each image decoded once.

    Raises:
        DistillMatchError: the source cannot be read, or lacks a topic.
    """
    with Bag(source.bag) as bag:
        source.check(bag)
        chosen = [entry for entry in entries if entry.stamp is not None]
        found = _messages(bag, source, chosen)
        visible = _decoded(bag, source.rgb, Sensor.VISIBLE in source.undistorted, found[source.rgb])
        thermal = _decoded(bag, source.thermal, Sensor.THERMAL in source.undistorted, found[source.thermal])
    numbers = visible.keys() & thermal.keys()
    return {number: Images(visible[number].image, thermal[number].image) for number in numbers}


def load_overlays(path: Path, entries: Sequence[Entry]) -> dict[int, Images]:
    """The recorded overlays of some pairs by number, for recordings without camera images."""
    numbers = {entry.stamp: entry.number for entry in entries if entry.stamp is not None}
    messages = ros2_messages()
    with Bag(path) as bag:
        topic = next((topic for topic in OVERLAYS if topic in bag.topics), None)
        return {
            numbers[stamp]: Images(overlay=messages.to_frame(each.message).image)
            for each in bag.messages((topic,) if topic else ())
            if (stamp := messages.stamp_of(each.message)) in numbers
        }


def _messages(bag: Bag, source: CameraTopics, entries: Sequence[Entry]) -> dict[str, dict[int, Any]]:
    """Messages of both topics by the entry's number, in one pass over the bag.

    The thermal message is that with the entry's thermal stamp; if that is unknown, the nearest one.
    """
    messages = ros2_messages()
    found: dict[str, dict[int, Any]] = {source.rgb: {}, source.thermal: {}}
    gaps: dict[tuple[str, int], int] = {}
    for each in bag.messages((source.rgb, source.thermal)):
        stamp = messages.stamp_of(each.message)
        for entry in entries:
            own = entry.stamp if each.topic == source.rgb else entry.thermal_stamp
            gap = abs(stamp - (entry.stamp or 0 if own is None else own))
            exact = own is not None
            if (exact and gap) or gap >= gaps.get((each.topic, entry.number), gap + 1):
                continue
            gaps[each.topic, entry.number] = gap
            found[each.topic][entry.number] = each.message
    return found


def _decoded(bag: Bag, topic: str, undistorted: bool, found: Mapping[int, Any]) -> dict[int, Frame]:
    """Frames by the entry's number; a message that several pairs share is decoded once."""
    messages, undistorter = ros2_messages(), None
    if undistorted:
        info = first_info(bag, topic)
        if info is None:
            raise DistillMatchError(
                f"{bag.path}: has no {info_topic(topic)}; these images need it to be undistorted"
            )
        undistorter = Undistorter(Camera.from_camera_info(info))

    def decode(message: Any) -> Frame:
        frame = messages.to_frame(message)
        return frame if undistorter is None else undistorter(frame)

    frames = {key: decode(message) for key, message in {id(each): each for each in found.values()}.items()}
    return {number: frames[id(message)] for number, message in found.items()}
