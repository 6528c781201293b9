"""Images in messages of other types than sensor_msgs: Foxglove's, and video streams.

They come out as messages of ``sensor_msgs``, so that everything after reading is the same.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from mcap.records import Schema
from numpy.typing import NDArray
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from distillmatch_ros.bags.storage.blocks import Raw
from distillmatch_ros.bags.video import VideoDecoder, codec_of
from distillmatch_ros.base.errors import DistillMatchError, needing
from distillmatch_ros.base.units import SECOND

_FOXGLOVE = "builtin_interfaces/Time timestamp\nstring frame_id\n"
DEFINITIONS: Mapping[str, str] = {
    "foxglove_msgs/msg/CompressedImage": f"{_FOXGLOVE}uint8[] data\nstring format",
    "foxglove_msgs/msg/CompressedVideo": f"{_FOXGLOVE}uint8[] data\nstring format",
    "foxglove_msgs/msg/RawImage": (
        f"{_FOXGLOVE}uint32 width\nuint32 height\nstring encoding\nuint32 step\nuint8[] data"
    ),
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": (
        "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
        "bool is_bigendian\nuint8[] data"
    ),
}
"""ROS 2 definitions of the types."""
NAMES: Mapping[str, str] = {name.replace("foxglove_msgs/msg/", "foxglove."): name for name in DEFINITIONS} | {
    name: name for name in DEFINITIONS
}
"""The ROS 2 name of a type, by its name in a file: Foxglove's types have another one without ROS."""
UNREAD: Mapping[str, str] = {
    "theora_image_transport/msg/Packet": "play it, let image_transport's republish turn theora into raw, and "
    "record that",
}
"""Image types that cannot be read, with the remedy."""
_ROS = re.compile(
    r"(diagnostic|geometry|nav|sensor|std|tf2|trajectory|visualization|rosgraph)_msgs/|rcl_interfaces/"
)
"""ROS's own packages, whose image types are all read."""
_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


@dataclass(frozen=True)
class _Image:
    """What all of these types say, and some of them; bytes of an image or of a video packet in ``data``."""

    stamp: int
    frame_id: str
    data: bytes
    format: str = ""
    width: int = 0
    height: int = 0
    step: int = 0


class ForeignImages:
    """Converts the messages of one reading of a bag, in order: a packet of video needs those before it."""

    def __init__(self, types: Typestore) -> None:
        self._types = types
        self._videos: dict[str, tuple[VideoDecoder, _Image]] = {}

    def images(self, raw: Raw) -> Iterator[Any]:
        """The images of a message of one of the types in `NAMES`; of a packet of video none, one or more.

        Raises:
            DistillMatchError: a package is missing.
            Exception: the message is damaged; a library may raise any exception.
        """
        kind = NAMES[raw.type]
        found = _READERS[raw.encoding](raw, kind, self._types)
        if kind.endswith("RawImage"):
            yield self._raw(found)
        elif kind.endswith("CompressedImage"):
            yield self._message(_COMPRESSED, found, format=found.format, data=_bytes(found.data))
        else:
            yield from self._frames(raw.topic, found)

    def frames_of(self, topic: str, message: Any) -> Iterator[Any]:
        """The images of a CompressedImage that holds a packet of video."""
        stamp = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
        packet = _Image(stamp, message.header.frame_id, bytes(message.data), message.format)
        yield from self._frames(topic, packet)

    def rest(self) -> Iterator[tuple[str, Any]]:
        """Topic and image of the frames that the decoders hold back, at the end of the reading."""
        for topic, (decoder, last) in self._videos.items():
            with suppress(ValueError):  # damaged packets were told when they came
                for found in decoder.decode(last.stamp, None):
                    yield topic, self._frame(last.frame_id, *found)

    def _frames(self, topic: str, packet: _Image) -> Iterator[Any]:
        decoder = self._videos[topic][0] if topic in self._videos else VideoDecoder(packet.format)
        self._videos[topic] = decoder, packet
        for found in decoder.decode(packet.stamp, packet.data):
            yield self._frame(packet.frame_id, *found)

    def _frame(self, frame_id: str, stamp: int, image: NDArray[Any], encoding: str) -> Any:
        height, width = image.shape[:2]
        step = image.nbytes // height
        return self._raw(_Image(stamp, frame_id, image.tobytes(), encoding, width, height, step))

    def _raw(self, image: _Image) -> Any:
        return self._message(
            *(_IMAGE, image),
            height=image.height,
            width=image.width,
            encoding=image.format,
            is_bigendian=0,
            step=image.step,
            data=_bytes(image.data),
        )

    def _message(self, kind: str, image: _Image, **fields: Any) -> Any:
        types = self._types.types
        seconds, nanoseconds = divmod(image.stamp, SECOND)
        stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=image.frame_id)
        return types[kind](header=header, **fields)


def read_as(kind: str) -> str:
    """The type as which messages of a type come out."""
    if kind not in NAMES:
        return kind
    return _COMPRESSED if kind.endswith("CompressedImage") else _IMAGE


def remedy_of(kind: str) -> str:
    """What to do about a type that is not read."""
    if _ROS.match(kind):
        return "it holds no image"
    return UNREAD.get(kind, "if it holds images, republish them as sensor_msgs/msg/Image and record these")


def is_video(message: Any) -> bool:
    """Whether a message is a CompressedImage whose data are a packet of video."""
    # A frame of MJPEG is a JPEG, which is read without PyAV.
    return hasattr(message, "format") and codec_of(message.format) not in (None, "mjpeg")


def register(types: Typestore) -> None:
    """Make a typestore know the ROS 2 types in `DEFINITIONS`."""
    for name, definition in DEFINITIONS.items():
        types.register(get_types_from_msg(definition, name))


def _bytes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _of_ros(raw: Raw, kind: str, types: Typestore) -> _Image:
    data = types.ros1_to_cdr(raw.data, kind) if raw.encoding == "ros1" else raw.data
    message: Any = types.deserialize_cdr(data, kind)
    header = getattr(message, "header", None)
    time = message.timestamp if header is None else header.stamp
    return _Image(
        stamp=time.sec * SECOND + time.nanosec,
        frame_id=message.frame_id if header is None else header.frame_id,
        data=bytes(message.data),
        format=getattr(message, "format", None) or message.encoding,
        **{name: getattr(message, name, 0) for name in ("width", "height", "step")},
    )


def _of_json(raw: Raw, kind: str, types: Typestore) -> _Image:
    message = json.loads(bytes(raw.data))
    time = message.get("timestamp") or {}
    return _Image(
        stamp=int(time.get("sec", 0)) * SECOND + int(time.get("nsec", 0)),
        frame_id=str(message.get("frame_id", "")),
        data=base64.b64decode(message["data"]),
        format=str(message.get("format") or message.get("encoding") or ""),
        **{name: int(message.get(name, 0)) for name in ("width", "height", "step")},
    )


def _of_protobuf(raw: Raw, kind: str, types: Typestore) -> _Image:
    message = _protobuf_decoder(raw.type, raw.schema)(bytes(raw.data))
    return _Image(
        stamp=message.timestamp.seconds * SECOND + message.timestamp.nanos,
        frame_id=message.frame_id,
        data=message.data,
        format=getattr(message, "format", None) or message.encoding,
        **{name: getattr(message, name, 0) for name in ("width", "height", "step")},
    )


@cache
def _protobuf_decoder(name: str, schema: bytes) -> Callable[[bytes], Any]:
    with needing("foxglove"):
        from mcap_protobuf.decoder import DecoderFactory
    decoder = DecoderFactory().decoder_for("protobuf", Schema(1, schema, "protobuf", name))
    if decoder is None:
        raise DistillMatchError(f"{name}: its schema is no protobuf; record it again")
    return decoder


_READERS: Mapping[str, Callable[[Raw, str, Typestore], _Image]] = {
    "cdr": _of_ros,
    "ros1": _of_ros,
    "json": _of_json,
    "protobuf": _of_protobuf,
}
