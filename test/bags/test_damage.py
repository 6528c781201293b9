"""Damaged recordings: what can be read is read, and what cannot is named with file, time and number."""

import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, IndexType, Writer
from support.bags import INFO, RGB, ROS2, START, THERMAL, Drive, write_bag

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND

DRIVE = Drive(pairs=12)
BIG = Drive(pairs=40, size=(96, 128))
TOPICS = (RGB, THERMAL, INFO)


def read(path: Path) -> tuple[Counter[str], Bag]:
    with Bag(path) as bag:
        return Counter(each.topic for each in bag.messages(TOPICS)), bag


def storage(path: Path) -> Path:
    return path if path.is_file() else next(each for each in path.iterdir() if each.suffix != ".yaml")


def split(folder: Path, kind: str, drive: Drive, parts: int) -> Path:
    """A bag in several files, as a recorder leaves it."""
    messages, together = list(drive.messages()), folder / "split"
    together.mkdir()
    size = len(messages) // parts
    described = []
    for number in range(parts):
        part = messages[number * size : (number + 1) * size]
        one = write_bag(folder, kind, part)
        file = storage(one)
        name = f"split_{number}{''.join(file.suffixes)}"
        shutil.move(file, together / name)
        first, last = part[0].received, part[-1].received
        described.append(
            {
                "path": name,
                "starting_time": {"nanoseconds_since_epoch": first},
                "duration": {"nanoseconds": last - first},
                "message_count": len(part),
            }
        )
        metadata = yaml.safe_load((one / "metadata.yaml").read_text())
        shutil.rmtree(one)
    told = metadata["rosbag2_bagfile_information"]
    told |= {"files": described, "relative_file_paths": [each["path"] for each in described]}
    told["message_count"] = len(messages)
    for each in told["topics_with_message_count"]:
        each["message_count"] *= parts
    (together / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    return together


@pytest.mark.parametrize("index", [*IndexType, IndexType.CHUNK | IndexType.MESSAGE])
@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("chunked", [True, False])
def test_mcap_with_any_index_or_none_is_whole(
    index: IndexType, compression: CompressionType, chunked: bool, tmp_path: Path
) -> None:
    with (tmp_path / "legal.mcap").open("wb") as file:
        writer = Writer(
            file, chunk_size=20_000, use_chunking=chunked, index_types=index, compression=compression
        )
        writer.start("ros2")
        channels: dict[str, int] = {}
        for each in DRIVE.messages():
            kind = each.message.__msgtype__
            if each.topic not in channels:
                schema = writer.register_schema(kind, "ros2msg", b"")
                channels[each.topic] = writer.register_channel(each.topic, "cdr", schema)
            data = bytes(ROS2.serialize_cdr(each.message, kind))
            writer.add_message(channels[each.topic], each.received, data, each.received)
        writer.finish()
    found, bag = read(tmp_path / "legal.mcap")
    assert found == dict.fromkeys(TOPICS, 12) and bag.damage is None


@pytest.mark.parametrize("kind", ["mcap", "sqlite3", "mcap-zstd"])
def test_split_that_was_not_copied_is_named_with_its_time(kind: str, tmp_path: Path) -> None:
    bag = split(tmp_path, kind, DRIVE, 3)
    missing = next(bag.glob("split_1*"))
    missing.unlink()
    found, opened = read(bag)
    assert sum(found.values()) == 24
    (loss,) = opened.losses
    assert loss.file == missing.name and sum(loss.messages.values()) == 12
    assert START + SECOND * 3 // 10 < loss.start < loss.end < START + SECOND * 9 // 10
    (bag / "metadata.yaml").unlink()  # only the number tells now
    found, opened = read(bag)
    assert sum(found.values()) == 24
    assert "number 1" in opened.damage and "split_0" in opened.damage


def test_file_that_metadata_does_not_list_is_read_and_named(tmp_path: Path) -> None:
    bag = split(tmp_path, "mcap", DRIVE, 3)
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
    metadata["rosbag2_bagfile_information"]["relative_file_paths"].remove("split_2.mcap")
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    found, opened = read(bag)
    assert sum(found.values()) == 36 and "split_2.mcap is not listed" in opened.damage


def test_renamed_file_is_read_in_its_time(tmp_path: Path) -> None:
    bag = split(tmp_path, "mcap", DRIVE, 3)
    (bag / "split_1.mcap").rename(bag / "the middle.mcap")
    with Bag(bag) as opened:
        received = [each.received for each in opened.messages(TOPICS)]
    assert len(received) == 36 and received == sorted(received)


def test_database_of_which_nothing_is_left_is_said(tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "sqlite3", DRIVE)
    file = storage(bag)
    with sqlite3.connect(file) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    data = bytearray(file.read_bytes())
    flip(data, (page - 1) * size, size)
    file.write_bytes(data)
    with Bag(file) as opened, pytest.raises(DistillMatchError, match="lost") as error:
        opened.image_topic(None, "--rgb")
    assert "malformed" in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "a: [", "rosbag2_bagfile_information: 5", "&a [*a, *a]", "!!python/x {}"]
)
def test_metadata_that_cannot_be_used_is_said_and_the_files_read(text: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", DRIVE)
    (bag / "metadata.yaml").write_text(text)
    found, opened = read(bag)
    assert sum(found.values()) == 36 and "metadata.yaml cannot be used" in opened.damage


def test_metadata_leads_nowhere_outside_its_folder(tmp_path: Path) -> None:
    bag, other = write_bag(tmp_path, "mcap", DRIVE), tmp_path / "other"
    other.mkdir()
    shutil.move(bag / "mcap.mcap", other / "secret.mcap")
    text = (bag / "metadata.yaml").read_text()
    for path in ("../other/secret.mcap", str(other / "secret.mcap")):
        (bag / "metadata.yaml").write_text(text.replace("mcap.mcap", path))
        with pytest.raises(DistillMatchError, match=r"secret\.mcap is listed in metadata\.yaml and missing"):
            Bag(bag)


@pytest.mark.parametrize(("old", "new"), [(RGB, "/other"), ("message_count: 12", "message_count: 13")])
def test_metadata_that_contradicts_its_files_is_said(old: str, new: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "mcap", DRIVE)
    text = (bag / "metadata.yaml").read_text()
    assert old in text
    (bag / "metadata.yaml").write_text(text.replace(old, new))
    found, opened = read(bag)
    assert sum(found.values()) == 36 and "metadata.yaml" in opened.damage


@pytest.mark.parametrize("kind", ["sqlite3-file-zstd", "mcap-file-zstd"])
def test_packed_files_without_metadata(kind: str, tmp_path: Path) -> None:
    bag = split(tmp_path, kind, DRIVE, 3)
    (bag / "metadata.yaml").unlink()
    found, opened = read(bag)
    assert sum(found.values()) == 36 and opened.damage is None
    packed = bag / f"split_1{'.db3' if 'sqlite' in kind else '.mcap'}.zstd"
    found, opened = read(packed)
    assert sum(found.values()) == 12 and opened.damage is None
    packed.write_bytes(packed.read_bytes()[:-2000])
    found, opened = read(bag)
    assert 24 <= sum(found.values()) < 36 and packed.name in opened.damage


@pytest.mark.parametrize("kind", ["mcap-message-zstd", "sqlite3-message-zstd"])
def test_packed_messages_without_metadata(kind: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path, kind, DRIVE)
    (bag / "metadata.yaml").unlink()
    found, opened = read(bag)
    assert sum(found.values()) == 36 and opened.damage is None


def flip(data: bytearray, at: int, size: int = 40) -> None:
    data[at : at + size] = bytes(byte ^ 0xFF for byte in data[at : at + size])


@pytest.mark.parametrize("kind", ["mcap-zstd", "ros1-bz2", "ros1-lz4", "ros1", "mcap"])
def test_damage_in_the_middle_costs_little_and_is_counted(kind: str, tmp_path: Path) -> None:
    path = write_bag(tmp_path, kind, BIG)
    file = storage(path)
    data = bytearray(file.read_bytes())
    flip(data, len(data) // 2)
    file.write_bytes(data)
    found, opened = read(file)
    total, lost = sum(found.values()), Counter()
    for loss in opened.losses:
        assert loss.file == file.name and loss.messages is not None
        assert START <= loss.start <= loss.end <= START + 5 * SECOND
        lost.update(loss.messages)
    assert total >= 60 and total + sum(lost.values()) == 120  # bytes of an image may be wrong unseen


def test_damaged_page_of_a_database_costs_its_row(tmp_path: Path) -> None:
    bag = write_bag(tmp_path, "sqlite3", BIG)
    file = storage(bag)
    database = sqlite3.connect(file)
    (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
    size = database.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    data = bytearray(file.read_bytes())
    leaves = [at for at in range(0, len(data), size) if data[at] == 13 and at // size + 1 != page]
    flip(data, leaves[len(leaves) // 2], size)
    file.write_bytes(data)
    found, opened = read(bag)
    assert 60 < sum(found.values()) < 120 and opened.damage is not None


def remove_index(file: Path) -> None:
    """As a killed recorder leaves it: nothing behind the last message."""
    data = file.read_bytes()
    if file.suffix == ".bag":
        head = data.index(b"index_pos=") + 10
        (index,) = np.frombuffer(data[head : head + 8], "<u8")
        file.write_bytes(data[:head] + bytes(8) + data[head + 8 : int(index)])
    else:
        file.write_bytes(data[: data.rindex(b"\x0f\x04" + bytes(7))])


@pytest.mark.parametrize("cut", [0, 30_000])
@pytest.mark.parametrize("kind", ["mcap", "mcap-zstd", "ros1", "ros1-bz2", "ros1-lz4"])
def test_unindexed_and_cut_off_bags_give_what_they_hold(kind: str, cut: int, tmp_path: Path) -> None:
    file = storage(write_bag(tmp_path, kind, BIG))
    remove_index(file)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) - cut])
    found, opened = read(file)
    assert "breaks off" in opened.damage
    least = 40 if kind == "ros1-bz2" else 100  # of bz2, nothing of a block of 900 kB comes without its end
    assert sum(found.values()) == 120 if not cut else least <= sum(found.values()) < 120
    assert all(loss.start is None or loss.start >= START for loss in opened.losses)


@pytest.mark.parametrize("byte", [0, 1, 2, 4, 7])
def test_wrong_length_of_a_message_costs_no_other_one(byte: int, tmp_path: Path) -> None:
    file = storage(write_bag(tmp_path, "mcap", BIG))
    data = bytearray(file.read_bytes())
    received = list(BIG.messages())[60].received.to_bytes(8, "little")
    data[data.index(received) - 14 + byte] ^= 0x55  # the length stands before channel, number and time
    file.write_bytes(data)
    found, opened = read(file)
    assert 118 <= sum(found.values()) < 120 and opened.damage is not None


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["mcap", "mcap-zstd", "sqlite3", "ros1", "ros1-lz4", "ros1-bz2"]),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    metadata=st.booleans(),
)
def test_no_flipped_bit_loses_messages_in_silence(
    kind: str, place: float, bit: int, metadata: bool, tmp_path: Path
) -> None:
    folder = tmp_path / f"{kind}-{place}-{bit}-{metadata}"
    folder.mkdir(exist_ok=True)
    path = write_bag(folder, kind, Drive(pairs=3, size=(2, 3)))  # nearly all of it is structure
    file = storage(path)
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file.write_bytes(data)
    if not metadata and path.is_dir():
        (path / "metadata.yaml").unlink()
    try:
        found, opened = read(path)
        lost = 9 - sum(found.values())
        assert lost <= 0 or opened.damage is not None or set(opened.topics) != set(TOPICS)
    except DistillMatchError:
        pass  # nothing of it can be read, which is said
    finally:
        shutil.rmtree(folder)
