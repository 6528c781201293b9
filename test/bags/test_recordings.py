"""Which recordings files, folders and cameras are: by content, by series, by what each bag lacks."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.bags import RGB, THERMAL, Drive, Message, image, texture, write_bag
from support.cli import run

from distillmatch_ros.bags.guess import guess_topics, usable_encodings
from distillmatch_ros.bags.inspection import inspect_paths
from distillmatch_ros.bags.joining import drives_in
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.storage.series import recordings
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.plan import plan
from distillmatch_ros.stream.sensors import Sensor

DRIVE = Drive(pairs=3, info=False)
DEPTH = "16UC1; compressedDepth png"


def written(folder: Path, name: str, messages: Sequence[Message], suffix: str = ".mcap") -> Path:
    """A single file of a bag."""
    scratch = folder / "scratch"
    scratch.mkdir()
    bag = write_bag(scratch, "ros1" if suffix == ".bag" else "mcap", messages)
    target = folder / f"{name}{suffix}"
    shutil.move(bag if bag.is_file() else next(bag.glob("*.mcap")), target)
    shutil.rmtree(scratch)
    return target


def later(messages: Sequence[Message], seconds: float) -> list[Message]:
    return [replace(each, received=each.received + int(seconds * SECOND)) for each in messages]


def of(topic: str, called: str | None = None) -> list[Message]:
    return [replace(each, topic=called or topic) for each in DRIVE.messages() if each.topic == topic]


@pytest.mark.parametrize("name", ["crashed.bag.active", "renamed.dat", "bag", "drive.mcap"])
def test_a_bag_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, "whole", list(DRIVE.messages()), ".bag").rename(tmp_path / name)
    with Bag(path) as bag:
        assert [topic.count for topic in bag.images] == [3, 3]
    (found,) = inspect_paths([path])
    assert found.kind == "bag" and found.pairs == 3


def test_a_crashed_recorders_file_in_a_folder(tmp_path: Path) -> None:
    written(tmp_path, "a", list(DRIVE.messages()), ".bag").rename(tmp_path / "a.bag.active")
    with Bag(tmp_path) as bag:
        assert [topic.count for topic in bag.images] == [3, 3]
    assert [unit.name for unit in plan([f"{tmp_path}/a.bag.active"], "out")] == ["a"]


def test_a_split_recording_is_one_and_others_are_many(tmp_path: Path) -> None:
    messages = list(DRIVE.messages())
    for number in range(3):
        written(tmp_path, f"drive_{number}", later(messages, number * 0.4))
    assert recordings(tmp_path) == [(tmp_path,)]
    written(tmp_path, "other_0", messages)
    written(tmp_path, "drive_3", later(messages, 3600))
    names = [[part.name for part in parts] for parts in recordings(tmp_path)]
    assert names == [
        ["drive_0.mcap", "drive_1.mcap", "drive_2.mcap"],
        ["drive_3.mcap"],
        ["other_0.mcap"],
    ]
    with pytest.raises(DistillMatchError, match="holds 3 recordings; name one of them"):
        Bag(tmp_path)
    with open_bag(*recordings(tmp_path)[0]) as bag:
        assert bag.topics[RGB].count == len(list(bag.messages((RGB,)))) == 9
    units = plan([str(tmp_path)], "out")
    assert [unit.name.rpartition("/")[2] for unit in units] == ["drive_0", "drive_3", "other_0"]
    assert [len(unit.sources) for unit in units] == [3, 1, 1]


def test_recordings_at_one_time_are_many(tmp_path: Path) -> None:
    """Files of several rigs that are numbered as the parts of one would be."""
    for number in range(4):
        written(tmp_path, f"rig_{number}", list(DRIVE.messages()))
    assert len(recordings(tmp_path)) == 4


def test_folders_of_bags_are_many(tmp_path: Path) -> None:
    for name in ("mon", "tue"):
        path = written(tmp_path, "drive", list(DRIVE.messages()))
        (tmp_path / name).mkdir()
        path.rename(tmp_path / name / "drive.mcap")
    assert recordings(tmp_path) == [(tmp_path / "mon",), (tmp_path / "tue",)]


@pytest.mark.parametrize(("rgb", "thermal"), [(None, None), (RGB, THERMAL)])
def test_a_bag_of_each_camera_is_one_drive(rgb: str | None, thermal: str | None, tmp_path: Path) -> None:
    paths = [written(tmp_path, "pc1", of(RGB)), written(tmp_path, "pc2", of(THERMAL))]
    for order in (paths, paths[::-1]):
        for out in ("out", "one.mcap"):
            (unit,) = plan(list(map(str, order)), out, None, rgb, thermal)
            assert unit.sources == tuple(map(str, order))
    with open_bag(*paths) as bag:
        received = [each.received for each in bag.messages((RGB, THERMAL))]
        assert received == sorted(received) and len(received) == 6
    (found,) = inspect_paths(paths)
    assert found.pairs == 3 and found.command is not None and "pc1.mcap" in found.command


def test_cameras_with_one_name_for_their_topic_are_told_apart_by_their_bags(tmp_path: Path) -> None:
    paths = [
        written(tmp_path, "rgb", of(RGB, "/image_raw")),
        written(tmp_path, "thermal", of(THERMAL, "/image_raw")),
    ]
    assert drives_in(paths, None, None) == [tuple(paths)]
    with open_bag(*paths) as bag:
        assert list(bag.topics) == ["/rgb/image_raw", "/thermal/image_raw"]
        assert {each.topic for each in bag.messages(("/thermal/image_raw",))} == {"/thermal/image_raw"}
        assert guess_topics(usable_encodings(bag)) == {
            Sensor.VISIBLE: "/rgb/image_raw",
            Sensor.THERMAL: "/thermal/image_raw",
        }


def test_bags_of_one_camera_are_paired_by_their_times(tmp_path: Path) -> None:
    paths = []
    for day in range(2):
        paths.append(written(tmp_path, f"rgb{day}", later(of(RGB), 86400 * day)))
        paths.append(written(tmp_path, f"ir{day}", later(of(THERMAL), 86400 * day)))
    both = written(tmp_path, "both", list(DRIVE.messages()))
    found = drives_in([paths[0], paths[2], both, paths[3], paths[1]], None, None)
    assert found == [(paths[0], paths[1]), (paths[2], paths[3]), (both,)]


@pytest.mark.parametrize("options", [(), ("--thermal", RGB)])
def test_a_bag_of_one_camera_alone_lacks_another(options: tuple[str, ...], tmp_path: Path) -> None:
    path = written(tmp_path, "one", of(RGB))
    done = run("bag", path, tmp_path / "out.mcap", *options)
    assert done.exit_code == 2 and f"only one image topic was recorded: {RGB}" in done.stderr
    (found,) = inspect_paths([path])
    assert found.guess and found.advice is not None and RGB in found.advice


def test_topics_without_usable_images_are_not_guessed(tmp_path: Path) -> None:
    torn = image(texture(0, (8, 8)), "mono8", 0, "x")
    torn.data = torn.data[:5]
    unusable = [replace(each, message=torn) for each in of(THERMAL, "/ir/image")]
    with Bag(write_bag(tmp_path, "mcap", [*of(RGB), *of(THERMAL, "/lwir/image_raw"), *unusable])) as bag:
        assert guess_topics(usable_encodings(bag))[Sensor.THERMAL] == "/lwir/image_raw"


def test_transports_of_one_topic_are_one_camera() -> None:
    known = {"/rgb/image_raw": "bgr8", "/thermal/image_raw": "mono8"}
    for twin in ("zstd", "compressed", "ffmpeg", "theora", "compressedDepth"):
        encoding = DEPTH if twin == "compressedDepth" else twin
        found = guess_topics({**known, f"/thermal/image_raw/{twin}": encoding})
        assert found[Sensor.THERMAL].startswith("/thermal/image_raw")
    alone = guess_topics({"/rgb/image_raw": "bgr8", "/thermal/image/compressedDepth": DEPTH})
    assert alone[Sensor.THERMAL] == "/thermal/image/compressedDepth"
    depth = {"/rgb/image_raw": "bgr8", "/camera/depth/image/compressedDepth": DEPTH}
    assert "/camera/depth/image/compressedDepth" not in guess_topics(depth).values()
