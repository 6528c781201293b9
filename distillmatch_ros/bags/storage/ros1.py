"""Bags of ROS 1, with or without an index, whole or damaged."""

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.bags.storage.blocks import (
    RECORD_LIMIT,
    Block,
    BlockFile,
    OnLoss,
    Raw,
    ros2_name,
)
from distillmatch_ros.bags.storage.compression import decompress
from distillmatch_ros.bags.storage.loss import Loss

MAGIC = b"#ROSBAG V2.0\n"

_MESSAGE, _BAG, _CHUNK, _INFO, _CONNECTION = 2, 3, 5, 6, 7  # what a record's ``op`` says
_CANDIDATE = re.compile(rb"op=[\x02\x05]")
_HEADER_LIMIT = 1 << 12
"""Bytes of a record's header; its fields are names, times and numbers."""
_WINDOW = 1 << 20
_Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class _Record:
    """A record: where it begins, its fields, where its data lie, and their length by its word.

    ``fields`` is None for a stretch that holds no record.
    """

    position: int
    fields: Mapping[str, bytes] | None
    data: int
    size: int

    @property
    def op(self) -> int:
        op = (self.fields or {}).get("op", b"")
        return op[0] if op else -1

    @property
    def end(self) -> int:
        return self.data + self.size


class Ros1File(BlockFile):
    """See `BlockFile`."""

    def __init__(self, path: Path, name: str, report: OnLoss) -> None:
        """Open a bag.

        Raises:
            ValueError: it is no bag of ROS 1.
        """
        self._connections: dict[bytes, tuple[str, str]] = {}
        super().__init__(path, name, report)
        self.topics = dict(self._connections.values())

    def find_blocks(self) -> list[Block]:
        if self.read(0, len(MAGIC)) != MAGIC:
            raise ValueError("not a ROS 1 bag")
        try:
            blocks = self._indexed()
        except (KeyError, ValueError, struct.error, IndexError):  # whatever damage makes of it
            blocks = None
        return self._walked() if blocks is None else blocks

    def load(self, block: Block) -> tuple[list[Raw], str | None]:
        read: _Read = self.read
        reason = None
        record = _record(read, block.position)
        if record is None or record.op not in (_CHUNK, _MESSAGE):
            return [], f"is damaged {block.position} bytes after its beginning"
        begin, end = record.position, min(record.end, self.size)
        if record.op == _CHUNK:
            packed = read(record.data, record.size)
            fields = record.fields or {}
            limit = min(*struct.unpack("<I", fields.get("size", b"\xff" * 4)), RECORD_LIMIT)
            data, damage = decompress(fields.get("compression", b"none").decode("latin-1"), packed, limit)
            if len(packed) < record.size:
                reason = "breaks off in the middle of a chunk"
            elif damage is not None:
                reason = f"has a chunk whose data cannot all be unpacked: {damage}"
            read, begin, end = lambda at, size: data[at : at + size], 0, len(data)
        found: list[Raw] = []
        for each in _records(read, begin, end):
            raw = self._message(each, read) if each.end <= end else None
            if raw is not None:
                found.append(raw)
            elif each.fields is None or each.end > end or each.op == _MESSAGE:
                reason = reason or f"is damaged {block.position} bytes after its beginning"
        return found, reason

    def _message(self, record: _Record, read: _Read) -> Raw | None:
        """The message of a record that is one; that of a connection is noted."""
        data = read(record.data, record.size)
        fields = record.fields or {}
        if record.op == _CONNECTION:
            self._learn(fields, data)
        elif (
            record.op == _MESSAGE
            and fields.get("conn") in self._connections
            and len(fields.get("time", b"")) == 8
        ):
            seconds, nanoseconds = struct.unpack("<II", fields["time"])
            topic, kind = self._connections[fields["conn"]]
            return Raw(topic, kind, seconds * 10**9 + nanoseconds, data, "ros1")
        return None

    def _learn(self, fields: Mapping[str, bytes], data: bytes) -> None:
        described = _fields(data)
        if described is None or not fields.get("topic") or "conn" not in fields or "type" not in described:
            return
        name = fields["topic"].decode("utf-8", "replace")
        topic = "/" * name.startswith("/") + "/".join(part for part in name.split("/") if part)
        self._connections.setdefault(
            fields["conn"], (topic, ros2_name(described["type"].decode("utf-8", "replace")))
        )

    def _indexed(self) -> list[Block] | None:
        """The chunks by the index at the end of the file; None without one."""
        head = _record(self.read, len(MAGIC))
        if head is None or head.fields is None or head.op != _BAG:
            return None
        (index,) = struct.unpack("<Q", head.fields["index_pos"])
        (chunks,) = struct.unpack("<I", head.fields["chunk_count"])
        if not head.end <= index <= self.size:
            return None
        infos: list[_Record] = []
        for record in _records(self.read, index, self.size):
            if record.fields is None or record.end > self.size:
                return None
            if record.op == _CONNECTION:
                self._learn(record.fields, self.read(record.data, record.size))
            elif record.op == _INFO:
                infos.append(record)
        if len(infos) != chunks or (not infos and index > head.end):
            return None
        return [self._described(info) for info in infos]

    def _described(self, info: _Record) -> Block:
        """The chunk of which an index record tells."""
        fields = info.fields or {}
        (position,) = struct.unpack("<Q", fields["chunk_pos"])
        start, end = (_time(fields[name]) for name in ("start_time", "end_time"))
        counts: Counter[str] = Counter()
        for connection, count in struct.iter_unpack("<4sI", self.read(info.data, info.size)):
            counts[self._connections[connection][0]] += count
        return Block(position, 0, start, end, counts)

    def _walked(self) -> list[Block]:
        """The chunks that show when one goes through the file."""
        blocks = []
        for record in _records(self.read, len(MAGIC), self.size):
            if record.fields is None:
                reason = f"is damaged after {record.position} bytes"
                self._report(Loss(self.name, reason, position=record.position))
            elif record.op in (_CHUNK, _MESSAGE):
                blocks.append(Block(record.position, 0))
            elif record.op == _CONNECTION:
                self._learn(record.fields, self.read(record.data, record.size))
        reason = f"breaks off after {self.size} bytes: it was not closed"
        self._report(Loss(self.name, reason, position=self.size))
        return blocks


def _records(read: _Read, position: int, end: int) -> Iterator[_Record]:
    """The records between two positions; a chunk may be cut off by the end."""
    while position < end:
        record = _record(read, position)
        if record is None or (record.end > end and record.op != _CHUNK):
            found = _next_record(read, position + 1, end)
            yield _Record(position, None, position, (end if found is None else found) - position)
            position = end if found is None else found
            continue
        yield record
        position = record.end


def _record(read: _Read, position: int) -> _Record | None:
    """The record at a position, if one begins there."""
    start = read(position, 4)
    size = struct.unpack("<I", start)[0] if len(start) == 4 else 0
    if not 0 < size <= _HEADER_LIMIT:
        return None
    header = read(position + 4, size + 4)
    if len(header) < size + 4:
        return None
    fields = _fields(header[:size])
    if fields is None or len(fields.get("op", b"")) != 1:
        return None
    (length,) = struct.unpack("<I", header[size:])
    return _Record(position, fields, position + size + 8, length) if length <= RECORD_LIMIT else None


def _next_record(read: _Read, position: int, end: int) -> int | None:
    """Where the next chunk or message begins, behind damage; None if there is none."""
    while position < end:
        window = read(position, _WINDOW)
        for match in _CANDIDATE.finditer(window):
            # The field stands somewhere in the header, whose length stands before it.
            for back in range(8, 96):
                place = position + match.start() - back
                record = _record(read, place) if place >= position else None
                if record is not None and record.op in (_CHUNK, _MESSAGE):
                    return place
        position += len(window) - 128 if len(window) == _WINDOW else len(window)
    return None


def _fields(data: bytes) -> dict[str, bytes] | None:
    """The fields of a header; None if it is damaged."""
    fields, position = {}, 0
    while position < len(data):
        if position + 4 > len(data):
            return None
        (size,) = struct.unpack_from("<I", data, position)
        name, equals, value = data[position + 4 : position + 4 + size].partition(b"=")
        if not equals or position + 4 + size > len(data):
            return None
        fields[name.decode("latin-1")] = value
        position += 4 + size
    return fields


def _time(data: bytes) -> int:
    seconds, nanoseconds = struct.unpack("<II", data)
    return int(seconds) * 10**9 + int(nanoseconds)
