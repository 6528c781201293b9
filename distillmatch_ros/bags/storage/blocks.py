"""Files of messages in blocks, read block by block: a damaged block costs no other one."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import BinaryIO

from distillmatch_ros.bags.storage.loss import Loss

RECORD_LIMIT = 1 << 30
"""Bytes above which the length of a record is taken for damage; an image has a hundredth of it."""


@dataclass(frozen=True)
class Raw:
    """A message as the bag holds it.

    Attributes:
        topic: such as ``/rgb/image``.
        type: such as ``sensor_msgs/msg/Image``.
        received: when the recorder got it, ns.
        data: serialised.
        encoding: how, as MCAP calls it: ``cdr``, ``ros1``, ``json`` or ``protobuf``.
        schema: the definition of a protobuf type.
    """

    topic: str
    type: str
    received: int
    data: bytes | memoryview
    encoding: str = "cdr"
    schema: bytes = b""


@dataclass(frozen=True)
class Block:
    """Neighbouring messages of a file.

    Attributes:
        position: where it begins in the file, bytes.
        size: its length there, bytes.
        start: time of receipt of its first message, ns.
        end: of its last one.
        counts: how many messages it holds by its index, by topic; None without index.
    """

    position: int
    size: int
    start: int = 0
    end: int = 0
    counts: Mapping[str, int] | None = None


OnLoss = Callable[[Loss], None]


class StorageFile(ABC):
    """A file of a bag.

    Attributes:
        name: as losses call it.
        topics: message type by topic.
        counts: how many messages there are of each topic, those included that turn out to be lost.
    """

    def __init__(self, name: str, report: OnLoss) -> None:
        self.name = name
        self.topics: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self._report = report

    @property
    @abstractmethod
    def span(self) -> tuple[int, int] | None:
        """Times of receipt of the first and the last message, ns; None without any."""

    @abstractmethod
    def messages(self, topics: Collection[str]) -> Iterator[Raw]:
        """The messages of some topics in the order of their receipt."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""


class BlockFile(StorageFile):
    """A file of blocks, the same for the formats of ROS 1 and ROS 2."""

    def __init__(self, path: Path, name: str, report: OnLoss) -> None:
        super().__init__(name, report)
        self._file: BinaryIO = path.open("rb")
        self.size = path.stat().st_size
        try:
            self._promised: Counter[str] = Counter()
            """Messages by topic, by what the file says of itself."""
            self._blocks = [self._counted(block) for block in self.find_blocks()]
        except BaseException:
            self._file.close()
            raise
        for block in self._blocks:
            self.counts.update(block.counts or {})
        self.counts |= self._promised

    @abstractmethod
    def find_blocks(self) -> list[Block]:
        """All blocks; topics are known once it and `load` are done, and damage between blocks is reported."""

    @abstractmethod
    def load(self, block: Block) -> tuple[list[Raw], str | None]:
        """The messages of a block as far as they can be read, and why not all can; None if all can."""

    def close(self) -> None:
        self._file.close()

    def read(self, position: int, size: int) -> bytes:
        """Some bytes of the file, fewer where it ends."""
        self._file.seek(position)
        return self._file.read(max(0, min(size, self.size - position)))

    @property
    def span(self) -> tuple[int, int] | None:
        held = [block for block in self._blocks if block.counts]
        return (min(block.start for block in held), max(block.end for block in held)) if held else None

    def messages(self, topics: Collection[str]) -> Iterator[Raw]:
        given: Counter[str] = Counter()
        lost: Counter[str] = Counter()
        waiting: list[tuple[int, int, int, Raw]] = []
        for block in sorted(self._blocks, key=lambda block: (block.start, block.position)):
            if not any((block.counts or {}).get(topic) for topic in topics):
                continue
            while waiting and waiting[0][0] < block.start:
                yield heappop(waiting)[-1]
            found, missing = self._checked(block, topics)
            lost += missing
            for number, raw in enumerate(found):
                given[raw.topic] += 1
                heappush(waiting, (raw.received, block.position, number, raw))
        while waiting:
            yield heappop(waiting)[-1]
        unexplained = {topic: self.counts[topic] - given[topic] - lost[topic] for topic in topics}
        if missed := {topic: count for topic, count in unexplained.items() if count > 0}:
            start = min((block.start for block in self._blocks), default=None)
            end = max((block.end for block in self._blocks), default=None)
            self._report(Loss(self.name, "holds fewer messages than it says", missed, start, end, -1))

    def index_of(self, block: Block) -> Mapping[str, int] | None:
        """How many messages of each topic a block holds by an index that stands beside it, if one does."""
        return None

    def _counted(self, block: Block) -> Block:
        """The block with its counts, for which one without an index has to be read."""
        if block.counts is not None:
            return block
        found, reason = self.load(block)
        times = [raw.received for raw in found] or [block.start, block.end]
        known = max(times) > 0  # of a block without an index nothing tells but its messages
        read, index = Counter(raw.topic for raw in found), self.index_of(block)
        counts = read if index is None else read | Counter(index)
        block = replace(block, start=min(times), end=max(times), counts=counts)
        if reason is not None:
            missing = None if index is None else counts - read
            start, end = (block.start, block.end) if known else (None, None)
            self._report(Loss(self.name, reason, missing, start, end, block.position))
        return block

    def _checked(self, block: Block, topics: Collection[str]) -> tuple[list[Raw], Counter[str]]:
        """The messages of a block, and how many of them are missing by its index."""
        found, reason = self.load(block)
        found = [raw for raw in found if raw.topic in topics]
        wanted = Counter({topic: n for topic, n in (block.counts or {}).items() if topic in topics})
        missing = wanted - Counter(raw.topic for raw in found)
        if reason is not None or missing:
            reason = reason or f"is damaged {block.position} bytes after its beginning"
            self._report(Loss(self.name, reason, missing, block.start, block.end, block.position))
        return found, missing


def ros2_name(kind: str) -> str:
    """What ROS 2 calls a message type of ROS 1."""
    package, _, name = kind.rpartition("/")
    return f"{package}/msg/{name}"
