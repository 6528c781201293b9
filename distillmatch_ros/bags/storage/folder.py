"""Which files a bag consists of, and what its metadata.yaml says of them."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from distillmatch_ros.bags.storage import mcap, ros1
from distillmatch_ros.bags.storage.blocks import OnLoss, StorageFile
from distillmatch_ros.bags.storage.compression import ZSTD_MAGIC, unpack_file
from distillmatch_ros.bags.storage.loss import ALL, Loss
from distillmatch_ros.bags.storage.mcap import McapFile
from distillmatch_ros.bags.storage.ros1 import Ros1File
from distillmatch_ros.bags.storage.sqlite import SqliteFile
from distillmatch_ros.bags.storage.video_file import VideoFile
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.yaml import read_yaml

METADATA = "metadata.yaml"
PACKED, ACTIVE = ".zstd", ".active"
"""Endings behind that of the format: of packed files, and of those that ROS 1 has not closed."""
FORMATS: Mapping[str, Callable[[Path, str, OnLoss], StorageFile]] = {
    ".mcap": McapFile,
    ".db3": SqliteFile,
    ".bag": Ros1File,
}
"""Formats of bags."""
VIDEO = ".video"
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
"""The format of video files, and their endings."""
CONTENT: Mapping[str, re.Pattern[bytes]] = {
    ".mcap": re.compile(re.escape(mcap.MAGIC)),
    ".db3": re.compile(rb"SQLite format 3\0"),
    ".bag": re.compile(re.escape(ros1.MAGIC)),
    PACKED: re.compile(re.escape(ZSTD_MAGIC)),
    VIDEO: re.compile(rb".{4}ftyp(?!avi|hei|mif)|\x1aE\xdf\xa3|RIFF.{4}AVI ", re.DOTALL),
}
"""First bytes of each format, by which files of any name are known."""
_HEAD = 16


@dataclass(frozen=True)
class Promise:
    """What a metadata.yaml says.

    Attributes:
        files: names of the storage files, in their order.
        types: message type by topic.
        counts: messages by topic.
        parts: of each file that is described: how many messages, from when to when in ns.
    """

    files: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    def lists(self, file: Path) -> bool:
        """Whether it names a file, packed or not."""
        return file.name.removesuffix(PACKED) in {name.removesuffix(PACKED) for name in self.files}


def storage_files(path: Path, report: OnLoss) -> tuple[list[Path], Promise | None]:
    """The files of a bag in the order of their recording, and what its metadata.yaml says.

    What is missing is reported.

    Args:
        path: a file, or the folder of a ROS 2 bag.
        report: takes what is missing.
    """
    if path.is_file():
        return [path], None
    if not path.is_dir():
        raise DistillMatchError(f"{path}: is a device or pipe; name a file or the folder of a bag")
    there = sorted(filter(is_storage, path.iterdir()), key=file_number)
    # Of a file that a recorder was packing when it was killed, both forms are there.
    unpacked = {file.name for file in there}
    there = [file for file in there if file.name.removesuffix(PACKED) not in unpacked - {file.name}]
    promise = _read_promise(path / METADATA, report)
    if promise is None:
        _report_gaps(there, report)
        return there, None
    by_name = {file.name.removesuffix(PACKED): file for file in there}
    listed = []
    for name in promise.files:
        file = by_name.pop(name.removesuffix(PACKED), None)
        if file is None:
            report(_missing(name, promise))
        else:
            listed.append(file)
    for file in by_name.values():
        report(Loss(file.name, f"is not listed in {METADATA}; it is read all the same", {}))
    return [*listed, *by_name.values()], promise


def open_file(path: Path, scratch: Path, report: OnLoss) -> StorageFile:
    """Open a file of a bag.

    Args:
        path: file of one of `FORMATS`, by its content or else its name, packed or not.
        scratch: folder in which files are unpacked.
        report: takes what cannot be read.

    Raises:
        Exception: nothing of it can be read; damage can bring anything out of the libraries.
    """
    content = path
    if path.suffix == PACKED or _by_content(path) == PACKED:
        content = scratch / path.name
        reason = unpack_file(path, content)
        if reason is not None:
            report(Loss(path.name, f"can only be unpacked up to a damage ({reason})", position=-2))
    kind = _by_content(content) or kind_of(path)
    if kind in (VIDEO, *VIDEOS):
        return VideoFile(content, path.name, report)
    if kind not in FORMATS:
        raise ValueError(f"neither {' nor '.join(FORMATS)}")
    return FORMATS[kind](content, path.name, report)


def kind_of(file: PurePath) -> str:
    """Ending of a storage file, one of `FORMATS` if it can be read, whether it is packed, closed or not."""
    return PurePath(file.name.removesuffix(PACKED).removesuffix(ACTIVE)).suffix


def without_format(name: str) -> str:
    """A recording's name without the ending of its format; other dots belong to the name, as in dates."""
    kind = kind_of(PurePath(name))
    if kind not in (*FORMATS, *VIDEOS):
        return name
    return name.removesuffix(PACKED).removesuffix(ACTIVE).removesuffix(kind)


def is_storage(path: Path) -> bool:
    """Whether a path is a file of a bag, by its name or its content."""
    kinds = (*FORMATS, PACKED)
    return path.is_file() and (kind_of(path) in kinds or _by_content(path) in kinds)


def is_video(path: Path) -> bool:
    """Whether a path is a video file, by its name or its content."""
    return path.is_file() and (path.suffix.lower() in VIDEOS or _by_content(path) == VIDEO)


def _by_content(path: Path) -> str | None:
    """The format that a file's first bytes tell, one of those in `CONTENT`; None if they tell none."""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(_HEAD)
        return next((kind for kind, magic in CONTENT.items() if magic.match(head)), None)
    return None


def file_number(file: Path) -> tuple[int, str]:
    """The number at the end of a file's name, -1 without one, and the name: sorts NAME_2 before NAME_10."""
    digits = re.search(r"(\d+)$", Path(file.name.removesuffix(PACKED).removesuffix(ACTIVE)).stem)
    return int(digits[1]) if digits else -1, file.name


def _report_gaps(files: list[Path], report: OnLoss) -> None:
    """Without metadata.yaml, only the numbers of the files tell that one is missing."""
    numbers = {file_number(file)[0]: file for file in files}
    if len(numbers) < len(files) or -1 in numbers or not numbers:
        return
    for number in range(min(numbers), max(numbers)):
        if number not in numbers:
            before = max(each for each in numbers if each < number)
            report(Loss(f"number {number}", f"is missing behind {numbers[before].name}"))


def _missing(name: str, promise: Promise) -> Loss:
    count, start, end = promise.parts.get(name, (None, None, None))
    messages = None if count is None else {ALL: count}
    return Loss(name, f"is listed in {METADATA} and missing", messages, start, end)


def _read_promise(path: Path, report: OnLoss) -> Promise | None:
    if not path.exists():  # a recorder that was killed left none
        return None
    try:
        return _promise(read_yaml(path, "copy it again")["rosbag2_bagfile_information"])
    except DistillMatchError as error:
        reason = str(error).removeprefix(f"{path}: ")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it lacks what a bag's has ({type(error).__name__}: {error})"
    report(Loss(METADATA, f"cannot be used, {reason}; the files in its folder are read without it"))
    return None


def _promise(metadata: Mapping[str, Any]) -> Promise:
    types, counts = {}, Counter[str]()
    for each in metadata["topics_with_message_count"]:
        name = str(each["topic_metadata"]["name"])
        types[name] = str(each["topic_metadata"]["type"])
        counts[name] += int(each["message_count"])
    parts = {}
    for each in metadata.get("files") or ():
        start = int(each["starting_time"]["nanoseconds_since_epoch"])
        duration = int(each["duration"]["nanoseconds"])
        parts[PurePath(str(each["path"])).name] = int(each["message_count"]), start, start + duration
    # Only names: a path may lead out of the folder, and bags are moved.
    names = tuple(PurePath(str(name)).name for name in metadata["relative_file_paths"])
    return Promise(names, types, counts, parts)
