"""Bags as they come: ROS 1 and ROS 2, whole or broken off. Every message comes out as one of ROS 2."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from types import TracebackType
from typing import Any

from mcap.reader import make_reader
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import Reader as Ros2Reader

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.offline.bag.scanning import SUFFIXES, BrokenOffError, Raw, scan
from distillmatch_ros.offline.bag.typestore import ros2_types

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
REORDERED = 32
"""Messages among which those of a bag without an index are brought into the order of their arrival."""


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: its name, its message type such as ``sensor_msgs/msg/Image``, how many messages."""

    name: str
    type: str
    count: int


@dataclass(frozen=True)
class Recorded:
    """A message, and when the recorder got it in ns."""

    topic: str
    received: int
    message: Any


class Bag:
    """A bag that is open for reading, as a context manager.

    Attributes:
        path: a ``.bag``, ``.mcap`` or ``.db3`` file, or the folder of a ROS 2 bag.
        topics: by name.
        damage: why not all of the bag can be read, or None; known once all messages were read.
    """

    def __init__(self, path: Path) -> None:
        """Open a bag.

        Raises:
            DistillMatchError: there is no such bag, or nothing in it can be read.
        """
        self.path = path
        self.damage: str | None = None
        self._types = ros2_types()
        self._open_files = ExitStack()
        if not path.exists():
            raise DistillMatchError(f"{path}: no such bag; check the path")
        self._source: _Indexed | _Scanned
        try:
            self._source = _Indexed(path, self._open_files)
        except Exception as error:  # a damaged bag can bring anything out of its reader
            self._source = _Scanned(path, self._note)
            if not self._source.topics:
                reason = str(error) or type(error).__name__
                raise DistillMatchError(
                    f"{path}: not a bag that can be read ({reason}); pass a .bag, .mcap or .db3 file, "
                    "or the folder of a ROS 2 bag"
                ) from error
        self.topics: Mapping[str, Topic] = self._source.topics

    def __enter__(self) -> "Bag":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_files.close()

    @property
    def images(self) -> list[Topic]:
        """The topics that hold images, compressed or not."""
        return [topic for topic in self.topics.values() if topic.type in IMAGE_TYPES]

    def image_topic(self, name: str | None, option: str) -> Topic:
        """The image topic of that name.

        Args:
            name: what the user asked for; None if nothing.
            option: where the user asks for it, such as ``--rgb``.

        Raises:
            DistillMatchError: the bag has no such image topic; the message lists those it has.
        """
        images = {topic.name: topic for topic in self.images}
        if name is not None and name in images:
            return images[name]
        wrong = f"{option} is missing" if name is None else f"{option} {name} is no image topic of this bag"
        if not images:
            raise DistillMatchError(f"{self.path}: {wrong}; it holds no images at all")
        listed = [f"  {topic.name}  ({topic.type}, {topic.count} messages)" for topic in images.values()]
        raise DistillMatchError("\n".join([f"{self.path}: {wrong}; choose from", *listed]))

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        """The messages of some topics in the order of their arrival; reading ends where the bag is damaged.

        May be called again.
        """
        try:
            for raw in self._source.messages(topics):
                message = self._decoded(raw)
                if message is not None:
                    yield Recorded(raw.topic, raw.received, message)
        except Exception as error:  # likewise
            self._note(f"broken off: {str(error) or type(error).__name__}")

    def _decoded(self, raw: Raw) -> Any:
        try:
            data = self._types.ros1_to_cdr(raw.data, raw.type) if raw.ros1 else raw.data
            return self._types.deserialize_cdr(data, raw.type)
        except Exception as error:  # likewise
            self._note(f"a message of {raw.topic} cannot be decoded: {str(error) or type(error).__name__}")
            return None

    def _note(self, damage: str) -> None:
        self.damage = self.damage or damage


class _Indexed:
    """A whole bag, in the hands of rosbags."""

    def __init__(self, path: Path, open_files: ExitStack) -> None:
        self._ros1 = path.suffix == ".bag"
        # rosbags gives up in the middle of an MCAP without an index if its messages are not quite in order.
        if not self._ros1 and not all(_has_index(file) for file in _storage_files(path)):
            raise BrokenOffError("it has no index")
        self._reader: Any = Ros1Reader(path) if self._ros1 else Ros2Reader(path)
        self._reader.open()
        open_files.callback(self._reader.close)
        self.topics = _summed((each.topic, each.msgtype, each.msgcount) for each in self._reader.connections)

    def messages(self, topics: Collection[str]) -> Iterator[Raw]:
        wanted = [connection for connection in self._reader.connections if connection.topic in topics]
        if wanted:  # no connection would mean all of them
            for connection, received, data in self._reader.messages(wanted):
                yield Raw(connection.topic, connection.msgtype, received, data, self._ros1)


class _Scanned:
    """A bag without an index: one pass to learn its topics, another for its messages."""

    def __init__(self, path: Path, note: Any) -> None:
        self._files = [path] if path.is_file() else _storage_files(path)
        self._note = note
        counts = Counter((raw.topic, raw.type) for raw in self._all())
        self.topics = _summed((topic, kind, number) for (topic, kind), number in counts.items())

    def messages(self, topics: Collection[str]) -> Iterator[Raw]:
        waiting: list[tuple[int, int, Raw]] = []
        for number, raw in enumerate(raw for raw in self._all() if raw.topic in topics):
            heappush(waiting, (raw.received, number, raw))
            if len(waiting) > REORDERED:
                yield heappop(waiting)[-1]
        while waiting:
            yield heappop(waiting)[-1]

    def _all(self) -> Iterator[Raw]:
        for file in self._files:
            read = 0
            try:
                for raw in scan(file):
                    yield raw
                    read += 1
            except BrokenOffError as error:
                self._note(f"{file.name} breaks off after {read} messages: {error}")


def _summed(counted: Iterable[tuple[str, str, int]]) -> dict[str, Topic]:
    topics: dict[str, Topic] = {}
    for name, kind, number in counted:
        topics[name] = Topic(name, kind, number + (topics[name].count if name in topics else 0))
    return dict(sorted(topics.items()))


def _storage_files(path: Path) -> list[Path]:
    """The files of a ROS 2 bag in the order of their recording: NAME_2 comes before NAME_10."""
    if path.is_file():
        return [path]

    def number(file: Path) -> tuple[int, str]:
        digits = re.search(r"(\d+)$", file.stem)
        return int(digits[1]) if digits else -1, file.name

    return sorted((file for file in path.iterdir() if file.suffix in SUFFIXES), key=number)


def _has_index(file: Path) -> bool:
    if file.suffix == ".db3":
        # What a killed recorder left in the write-ahead log; rosbags passes over it.
        return not Path(f"{file}-wal").exists()
    with file.open("rb") as opened:
        summary = make_reader(opened).get_summary()
    if summary is None or summary.statistics is None:
        return False
    return bool(summary.chunk_indexes) or not summary.statistics.message_count
