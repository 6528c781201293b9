"""Images in other clothes: Foxglove's messages, and video streams in messages."""

import base64
import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer
from support.bags import RGB, ROS2, START, THERMAL, header, images

from distillmatch_ros.bags import foreign, video
from distillmatch_ros.bags.inspection import inspect_paths
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_types
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND

SIZE = (48, 64)
COUNT = 5
FRAMES = [np.full((*SIZE, 3), 40 * number, np.uint8) for number in range(COUNT)]


def stamp_of(number: int) -> int:
    return START + number * SECOND // 10


def fields(number: int, kind: str) -> dict[str, Any]:
    image = FRAMES[number]
    if kind == "RawImage":
        return {
            "data": image.tobytes(), "encoding": "bgr8", "width": 64, "height": 48, "step": 192
        }  # fmt: skip
    return {"data": cv2.imencode(".png", image)[1].tobytes(), "format": "png"}


def write_json(path: Path, kind: str) -> None:
    with path.open("wb") as file:
        writer = McapWriter(file)
        writer.start()
        schema = writer.register_schema(f"foxglove.{kind}", "jsonschema", b"{}")
        channel = writer.register_channel(RGB, "json", schema)
        for number in range(COUNT):
            stamp, given = stamp_of(number), fields(number, kind)
            body = given | {
                "timestamp": {"sec": stamp // SECOND, "nsec": stamp % SECOND},
                "frame_id": "cam",
                "data": base64.b64encode(given["data"]).decode(),
            }
            writer.add_message(channel, stamp, json.dumps(body).encode(), stamp)
        writer.finish()


def write_protobuf(path: Path, kind: str) -> None:
    pytest.importorskip("mcap_protobuf")
    from google.protobuf import descriptor_pb2, message_factory, timestamp_pb2
    from google.protobuf.descriptor_pool import DescriptorPool
    from mcap_protobuf.writer import Writer as ProtobufWriter

    file = descriptor_pb2.FileDescriptorProto(
        name="image.proto",
        package="foxglove",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto"],
    )
    described = file.message_type.add(name=kind)
    types = {"data": 12, "format": 9, "encoding": 9, "frame_id": 9, "width": 7, "height": 7, "step": 7}
    described.field.add(name="timestamp", number=1, type=11, label=1, type_name=".google.protobuf.Timestamp")
    for index, name in enumerate(["frame_id", *fields(0, kind)], 2):
        described.field.add(name=name, number=index, type=types[name], label=1)
    pool = DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(timestamp_pb2.DESCRIPTOR.serialized_pb))
    pool.Add(file)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"foxglove.{kind}"))
    with path.open("wb") as out, ProtobufWriter(out) as writer:
        for number in range(COUNT):
            stamp = stamp_of(number)
            made = message(frame_id="cam", **fields(number, kind))
            made.timestamp.seconds, made.timestamp.nanos = divmod(stamp, SECOND)
            writer.write_message(RGB, made, stamp, stamp)


def write_ros2(path: Path, name: str, made: Sequence[dict[str, Any]], topic: str = RGB) -> None:
    store = ros2_types()
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic, name, typestore=store)
        for number, given in enumerate(made):
            stamp = stamp_of(number)
            time = header(stamp, "").stamp
            head = (
                {"timestamp": time, "frame_id": "cam"}
                if name.startswith("foxglove")
                else {"header": header(stamp, "cam")}
            )
            given = {**head, **given, "data": np.frombuffer(given["data"], np.uint8)}
            writer.write(connection, stamp, store.serialize_cdr(store.types[name](**given), name))


@pytest.mark.parametrize("kind", ["CompressedImage", "RawImage"])
@pytest.mark.parametrize("encoding", ["json", "protobuf", "ros2"])
def test_foxgloves_images(kind: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "bag.mcap"
    if encoding == "ros2":
        write_ros2(path, f"foxglove_msgs/msg/{kind}", [fields(number, kind) for number in range(COUNT)])
    else:
        {"json": write_json, "protobuf": write_protobuf}[encoding](path, kind)
    found = list(images(path, RGB))
    assert [stamp for stamp, _ in found] == [stamp_of(number) for number in range(COUNT)]
    np.testing.assert_array_equal([image for _, image in found], FRAMES)
    with Bag(path) as bag:
        assert [topic.name for topic in bag.images] == [RGB]


def packets(codec: str) -> list[bytes]:
    av = pytest.importorskip("av")
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 10), {"tune": "zerolatency", "crf": "1"}
    found = []
    for number, image in enumerate(FRAMES):
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts = number
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return found + [bytes(packet) for packet in encoder.encode()]


@pytest.mark.parametrize(("codec", "format_"), [("libx264", "h264"), ("libx265", "h265")])
@pytest.mark.parametrize("kind", ["CompressedVideo", "FFMPEGPacket", "CompressedImage"])
def test_video_in_messages(codec: str, format_: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bag"
    sent = packets(codec)
    assert len(sent) == COUNT
    if kind == "FFMPEGPacket":
        more = {"width": 64, "height": 48, "pts": 0, "flags": 0, "is_bigendian": False}
        made = [{"data": data, "encoding": f"{codec};yuv420p;bgr8", **more} for data in sent]
        write_ros2(path, "ffmpeg_image_transport_msgs/msg/FFMPEGPacket", made)
    else:
        package = "foxglove_msgs" if kind == "CompressedVideo" else "sensor_msgs"
        write_ros2(path, f"{package}/msg/{kind}", [{"data": data, "format": format_} for data in sent])
    found = list(images(path, RGB))
    assert [stamp for stamp, _ in found] == [stamp_of(number) for number in range(COUNT)]
    for (_, image), sent_image in zip(found, FRAMES, strict=True):
        assert image.shape == sent_image.shape and np.abs(image.astype(int) - sent_image).mean() < 6
    assert len(list(images(path, RGB))) == COUNT  # a second reading begins anew


def test_what_is_no_video_is_a_loss(tmp_path: Path) -> None:
    pytest.importorskip("av")
    made = [{"data": b"\0\0\0\1\x67" + bytes(99), "format": "h264"}] * 3
    write_ros2(tmp_path / "bag", "foxglove_msgs/msg/CompressedVideo", made)
    with Bag(tmp_path / "bag") as bag:
        assert list(bag.messages((RGB,))) == []
        (loss,) = bag.losses
    assert loss.messages == {RGB: 3}
    (found,) = inspect_paths([tmp_path / "bag"])
    assert found.command is None and found.guess == {}


def test_types_that_are_not_read_are_listed_with_the_remedy(tmp_path: Path) -> None:
    name = "theora_image_transport/msg/Packet"
    with (tmp_path / "bag.mcap").open("wb") as file:
        writer = McapWriter(file)
        writer.start("ros2")
        channel = writer.register_channel(THERMAL, "cdr", writer.register_schema(name, "ros2msg", b""))
        writer.add_message(channel, START, bytes(8), START)
        writer.finish()
    with Bag(tmp_path / "bag.mcap") as bag, pytest.raises(DistillMatchError, match=f"{name}.*republish"):
        bag.image_topic(None, "--thermal")
    (found,) = inspect_paths([tmp_path / "bag.mcap"])
    assert found.topics[0].type == name and "republish" in str(found.topics[0].unreadable)


def test_of_types_that_nobody_knows_the_topics_are_listed(tmp_path: Path) -> None:
    with (tmp_path / "bag.mcap").open("wb") as file:
        writer = McapWriter(file)
        writer.start("ros2")
        for topic, name in ((THERMAL, "maker_msgs/msg/Frame"), ("/scan", "sensor_msgs/msg/LaserScan")):
            schema = writer.register_schema(name, "ros2msg", b"")
            writer.add_message(writer.register_channel(topic, "cdr", schema), START, bytes(8), START)
        writer.finish()
    with Bag(tmp_path / "bag.mcap") as bag, pytest.raises(DistillMatchError) as raised:
        bag.image_topic(None, "--thermal")
    thermal, scan = str(raised.value).splitlines()[2:0:-1]
    assert "maker_msgs/msg/Frame" in thermal and "republish them as sensor_msgs/msg/Image" in thermal
    assert "sensor_msgs/msg/LaserScan" in scan and "holds no image" in scan
    (found,) = inspect_paths([tmp_path / "bag.mcap"])
    assert [topic.name for topic in found.topics] == ["/scan", THERMAL]


def test_video_of_frames_too_large_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(video.LIMITS, "max_pixels", str(SIZE[0] * SIZE[1] // 2))
    write_ros2(
        tmp_path / "bag",
        "foxglove_msgs/msg/CompressedVideo",
        [{"data": data, "format": "h264"} for data in packets("libx264")],
    )
    with Bag(tmp_path / "bag") as bag:
        assert list(bag.messages((RGB,))) == [] and bag.losses[0].messages == {RGB: COUNT}


def test_every_foreign_type_is_known_to_the_typestore() -> None:
    assert set(foreign.DEFINITIONS) <= ros2_types().types.keys()
    assert not set(foreign.DEFINITIONS) & ROS2.types.keys()


@pytest.mark.parametrize("format_", ["jpeg", "mjpeg", "rgb8; jpeg compressed bgr8", ""])
def test_images_are_not_taken_for_video(
    format_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    data = cv2.imencode(".jpg", FRAMES[1])[1].tobytes()
    write_ros2(tmp_path / "bag", "sensor_msgs/msg/CompressedImage", [{"data": data, "format": format_}])
    assert len(list(images(tmp_path / "bag", RGB))) == 1
