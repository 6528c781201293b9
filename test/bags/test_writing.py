"""What is written is a whole bag to rosbags and to MCAP's own reader, whatever ended the writing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from support import ROOT
from support.bags import RGB, ROS2, THERMAL, Drive

from distillmatch_ros.bags.typestore import ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.errors import DistillMatchError

DRIVE = Drive(pairs=4)


def write(path: Path) -> None:
    with BagWriter(path, ros2_types()) as writer:
        for each in DRIVE.messages():
            writer.write(each.topic, each.received, each.message)


def test_bag_is_read_by_others_with_definitions_and_qos(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "out.mcap"
    write(path)
    assert [each.name for each in path.parent.iterdir()] == ["out.mcap"]
    with AnyReader([path]) as reader:  # by the definitions in the bag
        read = [(connection.topic, received) for connection, received, _ in reader.messages()]
        assert read == [(each.topic, each.received) for each in DRIVE.messages()]
        thermal = next(each for each in reader.connections if each.topic == THERMAL)
        _, _, data = next(reader.messages([thermal]))
        assert reader.deserialize(data, thermal.msgtype).encoding == "16UC1"
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
        metadata = [each.metadata for each in make_reader(file).iter_metadata() if each.name == "rosbag2"]
    assert summary is not None and len(summary.chunk_indexes) >= 1
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    for channel in summary.channels.values():
        (qos,) = yaml.safe_load(channel.metadata["offered_qos_profiles"])
        assert (qos["reliability"], qos["durability"], qos["depth"]) == (1, 2, 10)  # rosbag2's numbers
    assert "message_count: 12" in metadata[0]["serialized_metadata"]


def test_equal_messages_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "out.mcap")
    assert (tmp_path / "a/out.mcap").read_bytes() == (tmp_path / "b/out.mcap").read_bytes()


def test_exception_leaves_a_whole_bag(tmp_path: Path) -> None:
    def interrupted() -> None:
        with BagWriter(tmp_path / "out.mcap", ros2_types()) as writer:
            first = next(DRIVE.messages())
            writer.write(first.topic, first.received, first.message)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with AnyReader([tmp_path / "out.mcap"]) as reader:
        assert reader.message_count == 1


def test_serialised_messages_are_written_as_they_are(tmp_path: Path) -> None:
    first = next(each for each in DRIVE.messages() if each.topic == RGB)
    data = bytes(ROS2.serialize_cdr(first.message, first.message.__msgtype__))
    with BagWriter(tmp_path / "out.mcap", ros2_types()) as writer:
        writer.write_serialised(RGB, first.message.__msgtype__, 7, data)
    with AnyReader([tmp_path / "out.mcap"]) as reader:
        ((_, received, read),) = reader.messages()
    assert (received, read) == (7, data)


def test_existing_bag_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out.mcap").write_bytes(b"precious")
    with pytest.raises(DistillMatchError, match="exists already"):
        write(tmp_path / "out.mcap")
    assert (tmp_path / "out.mcap").read_bytes() == b"precious"


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / "out.mcap.part" / "out" / "out.mcap"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a bag without its end")
    write(tmp_path / "out.mcap")
    assert [each.name for each in tmp_path.iterdir()] == ["out.mcap"]


def test_what_no_run_left_is_kept(tmp_path: Path) -> None:
    left = tmp_path / "out.mcap.part" / "precious"
    left.parent.mkdir()
    left.write_bytes(b"precious")
    with pytest.raises(DistillMatchError, match=r"out\.mcap\.part: holds files that no run left"):
        write(tmp_path / "out.mcap")
    assert left.read_bytes() == b"precious"


def test_output_in_use_by_another_run(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "out.mcap", ROS2) as writer:
        program = (
            "import sys, pathlib\n"
            "from distillmatch_ros.bags.writing import check_bag\n"
            "check_bag(pathlib.Path(sys.argv[1]), True)"
        )
        other = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "out.mcap")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "another run is writing it" in other.stderr
        message = next(iter(Drive(pairs=1).messages()))
        writer.write(message.topic, message.received, message.message)
    assert [each.name for each in tmp_path.iterdir()] == ["out.mcap"]


def test_place_that_cannot_be_written_is_an_error_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DistillMatchError, match="cannot be written"):
        write(tmp_path / "file" / "out.mcap")
    with pytest.raises(DistillMatchError, match="cannot be written"):
        write(tmp_path / f"{'long' * 100}.mcap")
