"""Bags of every format give the same messages; broken ones give what is left."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.bags import FORMATS, INFO, RGB, ROS2, THERMAL, Drive, Message, write_bag

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.base.errors import DistillMatchError

DRIVE = Drive(pairs=12)
TOPICS = (RGB, THERMAL, INFO)


def contents(bag: Bag, topics: tuple[str, ...] = TOPICS) -> list[tuple[str, int, bytes]]:
    return [
        (each.topic, each.received, bytes(ROS2.serialize_cdr(each.message, each.message.__msgtype__)))
        for each in bag.messages(topics)
    ]


def expected(drive: Drive = DRIVE) -> list[tuple[str, int, bytes]]:
    return [
        (each.topic, each.received, bytes(ROS2.serialize_cdr(each.message, each.message.__msgtype__)))
        for each in drive.messages()
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_messages(kind: str, tmp_path: Path) -> None:
    with Bag(write_bag(tmp_path, kind, DRIVE)) as bag:
        assert {topic.name: (topic.type, topic.count) for topic in bag.topics.values()} == {
            RGB: ("sensor_msgs/msg/Image", 12),
            THERMAL: ("sensor_msgs/msg/Image", 12),
            INFO: ("sensor_msgs/msg/CameraInfo", 12),
        }
        assert contents(bag) == expected()
        assert contents(bag) == expected()  # once more
        assert contents(bag, (THERMAL,)) == [each for each in expected() if each[0] == THERMAL]
        assert contents(bag, ()) == []
        assert bag.damage is None


@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
def test_storage_file_of_a_bag_is_a_bag(kind: str, tmp_path: Path) -> None:
    (file,) = (path for path in write_bag(tmp_path, kind, DRIVE).iterdir() if path.suffix != ".yaml")
    with Bag(file) as bag:
        assert contents(bag) == expected()


@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
def test_folder_of_a_killed_recorder_has_no_metadata(kind: str, tmp_path: Path) -> None:
    folder = write_bag(tmp_path, kind, DRIVE)
    (folder / "metadata.yaml").unlink()
    with Bag(folder) as bag:
        assert contents(bag) == expected() and bag.damage is None


def test_files_of_a_split_bag_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    messages = list(DRIVE.messages())
    split = tmp_path / "split"
    split.mkdir()
    for number in range(12):
        part = write_bag(tmp_path, "mcap", messages[3 * number : 3 * number + 3])
        shutil.move(part / "mcap.mcap", split / f"split_{number}.mcap")
        shutil.rmtree(part)
    with Bag(split) as bag:
        assert contents(bag) == expected()


@pytest.mark.parametrize("kind", ["mcap", "mcap-zstd", "sqlite3", "ros1", "ros1-lz4"])
def test_truncated_bag_gives_its_beginning_and_says_so(kind: str, tmp_path: Path) -> None:
    drive = Drive(pairs=60, size=(128, 160))
    path = write_bag(tmp_path, kind, drive)
    file = path if path.is_file() else next(each for each in path.iterdir() if each.suffix != ".yaml")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3])
    with Bag(path) as bag:
        found = contents(bag)
        assert bag.damage is not None and file.name in bag.damage and "breaks off after" in bag.damage
        counted = {topic.name: topic.count for topic in bag.topics.values()}
    assert 60 < len(found) < 180
    assert found == expected(drive)[: len(found)]
    assert sum(counted.values()) == len(found)


def test_recorder_killed_before_its_database_was_merged(tmp_path: Path) -> None:
    folder = write_bag(tmp_path, "sqlite3", DRIVE)
    (folder / "metadata.yaml").unlink()
    database = sqlite3.connect(folder / "sqlite3.db3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("UPDATE messages SET timestamp = timestamp + 1")
    shutil.copytree(folder, tmp_path / "killed")  # the log still holds the change
    database.close()
    with Bag(tmp_path / "killed" / "sqlite3.db3") as bag:
        assert contents(bag) == [(topic, received + 1, data) for topic, received, data in expected()]


def test_mcap_without_index_is_brought_into_order(tmp_path: Path) -> None:
    from mcap.writer import CompressionType, IndexType, Writer

    messages = [Message(each.topic, each.received, each.message) for each in DRIVE.messages()]
    shuffled = [messages[index ^ 1] for index in range(len(messages))]
    with (tmp_path / "fast.mcap").open("wb") as file:
        writer = Writer(
            file, use_chunking=False, index_types=IndexType.NONE, compression=CompressionType.NONE
        )
        writer.start(profile="ros2")
        channels = {}
        for each in shuffled:
            type_ = each.message.__msgtype__
            if each.topic not in channels:
                definition = ROS2.generate_msgdef(type_, ros_version=2)[0].encode()
                schema = writer.register_schema(type_, "ros2msg", definition)
                channels[each.topic] = writer.register_channel(each.topic, "cdr", schema)
            data = bytes(ROS2.serialize_cdr(each.message, type_))
            writer.add_message(channels[each.topic], each.received, data, each.received)
        writer.finish()
    with Bag(tmp_path / "fast.mcap") as bag:
        assert contents(bag) == expected() and bag.damage is None


def test_message_that_cannot_be_decoded_is_damage_and_no_end(tmp_path: Path) -> None:
    folder = write_bag(tmp_path, "sqlite3", DRIVE)
    database = sqlite3.connect(folder / "sqlite3.db3")
    database.execute("UPDATE messages SET data = x'000100' WHERE id = 5")
    database.commit()
    database.close()
    with Bag(folder) as bag:
        assert contents(bag) == [each for index, each in enumerate(expected()) if index != 4]
        assert bag.damage is not None and RGB in bag.damage and "cannot be decoded" in bag.damage


def test_missing_topic_lists_those_there_are(tmp_path: Path) -> None:
    with Bag(write_bag(tmp_path, "mcap", Drive(pairs=3, compressed=True))) as bag:
        assert bag.image_topic(RGB, "--rgb").type == "sensor_msgs/msg/CompressedImage"
        for name, wrong in ((None, "--rgb is missing"), (INFO, f"--rgb {INFO} is no image topic")):
            with pytest.raises(DistillMatchError) as raised:
                bag.image_topic(name, "--rgb")
            assert wrong in str(raised.value) and INFO not in str(raised.value).partition("choose from")[2]
            assert f"{THERMAL}  (sensor_msgs/msg/Image, 3 messages)" in str(raised.value)


def test_what_is_no_bag_is_rejected_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, data in {
        "a.bag": b"",
        "b.mcap": b"\x89MCAP0\r\n",
        "c.db3": b"x" * 5000,
        "d.txt": b"hello",
    }.items():
        (tmp_path / name).write_bytes(data)
    for name in ("a.bag", "b.mcap", "c.db3", "d.txt", "folder"):
        with pytest.raises(DistillMatchError, match=r"not a bag that can be read \(.+\)"):
            Bag(tmp_path / name)
    with pytest.raises(DistillMatchError, match="no such bag"):
        Bag(tmp_path / "absent.mcap")


def test_folder_of_pairs_names_the_commands_that_take_it(tmp_path: Path) -> None:
    for side in ("visible", "thermal"):
        (tmp_path / side).mkdir()
    with pytest.raises(DistillMatchError, match=r"match --pairs.*calibrate.*align"):
        Bag(tmp_path)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["mcap", "mcap-zstd", "sqlite3", "ros1", "ros1-lz4"]), seed=st.integers(0, 2**32))
@example(kind="sqlite3", seed=4000)  # a topic without a name
def test_damage_never_crashes(kind: str, seed: int, tmp_path: Path) -> None:
    """Whatever bytes are overwritten or cut off: an error a person can read, or messages."""
    rng = np.random.default_rng(seed)
    folder = tmp_path / f"{kind}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)  # of an example that is tried again
    folder.mkdir()
    path = write_bag(folder, kind, Drive(pairs=3, size=(8, 10)))
    file = path if path.is_file() else next(each for each in path.iterdir() if each.suffix != ".yaml")
    data = bytearray(file.read_bytes())
    for place in rng.integers(0, len(data), rng.integers(1, 20)):
        data[place] = rng.integers(256)
    file.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
    reason = None
    try:
        with Bag(path) as bag:
            assert len(contents(bag)) <= 9
    except DistillMatchError as error:
        reason = str(error)
    assert reason is None or str(path) in reason
    shutil.rmtree(folder)
