"""Bags for tests, in every format, of small images that tell their number."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Ros2Writer
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.units import SECOND

RGB, THERMAL, INFO = "/rgb/image", "/thermal/image", "/rgb/camera_info"
START = 1_700_000_000 * SECOND
ROS1, ROS2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
FORMATS = (
    "mcap",
    "mcap-zstd",
    "mcap-message-zstd",
    "sqlite3",
    "sqlite3-file-zstd",
    "ros1",
    "ros1-lz4",
    "ros1-bz2",
)


@dataclass(frozen=True)
class Message:
    """A message of ROS 2 that a bag is to hold, and when its recorder got it in ns."""

    topic: str
    received: int
    message: Any


@dataclass(frozen=True)
class Drive:
    """Two cameras at 10 Hz, the thermal one 2 ms later; images that differ from frame to frame."""

    pairs: int = 6
    size: tuple[int, int] = (64, 80)
    rgb_encoding: str = "bgr8"
    compressed: bool = False
    info: bool = True
    without: Sequence[tuple[str, int]] = field(default=())

    def messages(self) -> Iterator[Message]:
        for number in range(self.pairs):
            stamp = START + number * SECOND // 10
            if self.info:
                yield Message(INFO, stamp + 1_000_000, camera_info(stamp, self.size))
            if (RGB, number) not in self.without:
                yield Message(RGB, stamp + 3_000_000, self.rgb(number, stamp))
            if (THERMAL, number) not in self.without:
                yield Message(THERMAL, stamp + 5_000_000, thermal(number, stamp + 2_000_000, self.size))

    def rgb(self, number: int, stamp: int) -> Any:
        shade = texture(number, self.size)
        pixels = np.dstack([shade, shade // 2, 255 - shade])
        if self.compressed:
            data = cv2.imencode(".png", pixels)[1].ravel()
            return ROS2.types["sensor_msgs/msg/CompressedImage"](header(stamp, "rgb_optical"), "png", data)
        return image(pixels, self.rgb_encoding, stamp, "rgb_optical")


@lru_cache(maxsize=2)  # both cameras' messages are made of it
def texture(number: int, size: tuple[int, int]) -> np.ndarray:
    """Patches of 0 to 255, others for every number: both cameras see their edges in the same places."""
    noise = np.random.default_rng(number).normal(size=size)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(128 + 60 * np.rint(2 * smooth / smooth.std()), 0, 255).astype(np.uint8)


def thermal(number: int, stamp: int, size: tuple[int, int]) -> Any:
    pixels = 29000 + 8 * texture(number, size).astype(np.uint16)
    return image(pixels, "16UC1", stamp, "thermal_optical")


def image(pixels: np.ndarray, encoding: str, stamp: int, frame: str) -> Any:
    height, width = pixels.shape[:2]
    data = np.frombuffer(pixels.tobytes(), np.uint8)
    return ROS2.types["sensor_msgs/msg/Image"](
        header(stamp, frame), height, width, encoding, 0, len(data) // height, data
    )


def camera_info(stamp: int, size: tuple[int, int]) -> Any:
    height, width = size
    matrix = np.array([90.0, 0, width / 2, 0, 90, height / 2, 0, 0, 1])
    region = ROS2.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return ROS2.types["sensor_msgs/msg/CameraInfo"](
        header(stamp, "rgb_optical"), height, width, "plumb_bob", np.zeros(5), matrix, np.eye(3).ravel(),
        np.column_stack([matrix.reshape(3, 3), np.zeros(3)]).ravel(), 0, 0, region,
    )  # fmt: skip


def header(stamp: int, frame: str) -> Any:
    time = ROS2.types["builtin_interfaces/msg/Time"](*divmod(stamp, SECOND))
    return ROS2.types["std_msgs/msg/Header"](time, frame)


def write_bag(folder: Path, kind: str, drive: Drive | Sequence[Message]) -> Path:
    """Write a bag of one of `FORMATS` into a folder, and name its path."""
    messages = list(drive.messages() if isinstance(drive, Drive) else drive)
    if kind.startswith("ros1"):
        return _write_ros1(folder / f"{kind}.bag", kind.partition("-")[2], messages)
    storage, _, compression = kind.partition("-")
    path = folder / kind
    writer = Ros2Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
    mode = {"": "NONE", "zstd": "STORAGE", "message-zstd": "MESSAGE", "file-zstd": "FILE"}[compression]
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    _write(writer, messages, ROS2, ROS2.serialize_cdr)
    return path


def digests(path: Path) -> list[tuple[str, int, str]]:
    """Topic, time of receipt in ns and hash of every message of a bag."""
    with AnyReader([path]) as reader:
        return [
            (connection.topic, received, hashlib.sha256(data).hexdigest())
            for connection, received, data in reader.messages()
        ]


def _write_ros1(path: Path, compression: str, messages: Sequence[Message]) -> Path:
    writer = Ros1Writer(path)
    if compression:
        writer.set_compression(Ros1Writer.CompressionFormat[compression.upper()])
    _write(
        writer, messages, ROS1, lambda each, type_: ROS2.cdr_to_ros1(ROS2.serialize_cdr(each, type_), type_)
    )
    return path


def _write(
    writer: Any, messages: Sequence[Message], types: Typestore, serialise: Callable[[Any, str], Any]
) -> None:
    with writer:
        connections = {}
        for each in messages:
            type_ = each.message.__msgtype__
            if each.topic not in connections:
                connections[each.topic] = writer.add_connection(each.topic, type_, typestore=types)
            writer.write(connections[each.topic], each.received, serialise(each.message, type_))


def images(path: Path, topic: str) -> Iterator[tuple[int, np.ndarray]]:
    """Stamp and image of each message of a topic; nothing may be lost."""
    messages = ros2_messages()
    with Bag(path) as bag:
        for each in bag.messages((topic,)):
            frame = messages.to_frame(each.message)
            yield frame.stamp, frame.image
        assert not bag.losses
