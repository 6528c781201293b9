"""MCAP files, with or without an index, whole or damaged."""

import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Schema
from mcap.summary import Summary

from distillmatch_ros.bags.storage.blocks import RECORD_LIMIT, Block, BlockFile, OnLoss, Raw, ros2_name
from distillmatch_ros.bags.storage.compression import decompress
from distillmatch_ros.bags.storage.loss import Loss

MAGIC = b"\x89MCAP0\r\n"
HEADER = 9
"""Bytes of a record before its content: the opcode and the length."""
RUN = 1 << 22
"""Bytes of records outside chunks that are read together."""

_CANDIDATE = re.compile(rb"[\x05\x06](?=.{4}\x00{4})", re.DOTALL)
_WINDOW = 1 << 20
_Read = Callable[[int, int], bytes]
"""Some bytes from a position on, fewer where they end."""


@dataclass(frozen=True)
class _Record:
    """Where a record stands; ``opcode`` is None for a stretch that holds none."""

    opcode: int | None
    position: int
    size: int


class McapFile(BlockFile):
    """See `BlockFile`. Records outside chunks are taken together in blocks as if they stood in one."""

    def __init__(self, path: Path, name: str, report: OnLoss) -> None:
        """Open a file.

        Raises:
            ValueError: it is no MCAP file.
        """
        self._schemas: dict[int, str] = {}
        self._definitions: dict[int, bytes] = {}
        self._channels: dict[int, Channel] = {}
        self._chunks: set[int] = set()
        self._indices: dict[int, dict[int, int]] = {}  # messages by channel of the chunk at a position
        super().__init__(path, name, report)
        self.topics = {channel.topic: self._type(channel) for channel in self._channels.values()}

    def find_blocks(self) -> list[Block]:
        if self.read(0, len(MAGIC)) != MAGIC:
            raise ValueError("not an MCAP file")
        summary = self._summary()
        if summary is not None:
            self._schemas = {key: schema.name for key, schema in summary.schemas.items()}
            self._definitions = {key: schema.data for key, schema in summary.schemas.items()}
            self._channels = dict(summary.channels)
        blocks = self._indexed(summary) if summary is not None else None
        blocks = self._walked() if blocks is None else blocks
        statistics = None if summary is None else summary.statistics
        if statistics is not None and statistics.channel_message_counts.keys() <= self._channels.keys():
            self._promised = self._by_topic(statistics.channel_message_counts)
        return blocks

    def load(self, block: Block) -> tuple[list[Raw], str | None]:
        data, reason = self.read(block.position, block.size), None
        if block.position in self._chunks:  # the index may know better than a damaged opcode
            data, reason = self._unpacked(data[HEADER:])
        found: list[Raw] = []
        for record in _records(lambda at, size: data[at : at + size], 0, len(data)):
            content = memoryview(data)[record.position + HEADER : record.position + record.size]
            if record.opcode is None:
                reason = reason or f"is damaged {block.position} bytes after its beginning"
            elif record.opcode == Opcode.MESSAGE and len(content) >= 22:
                raw = self._message(content)
                if raw is None:
                    reason = (
                        reason or f"holds a message of no channel {block.position} bytes after its beginning"
                    )
                else:
                    found.append(raw)
            else:
                self._learn(record.opcode, content)
        return found, reason

    def index_of(self, block: Block) -> Mapping[str, int] | None:
        index = self._indices.get(block.position)
        return None if not index else self._by_topic(index)

    def _summary(self) -> Summary | None:
        try:
            self._file.seek(0)
            return make_reader(self._file).get_summary()
        except Exception:  # damage can bring anything out of the library
            return None

    def _indexed(self, summary: Summary) -> list[Block] | None:
        """The chunks, if the index counts the messages of each; otherwise None."""
        if summary.statistics is None:
            return None
        blocks, total = [], 0
        for index in summary.chunk_indexes:
            ends = index.chunk_start_offset + index.chunk_length + index.message_index_length
            offsets = sorted((offset, channel) for channel, offset in index.message_index_offsets.items())
            following = [*(offset for offset, _ in offsets), ends][1:]
            counts = {
                channel: (after - offset - HEADER - 6) // 16
                for (offset, channel), after in zip(offsets, following, strict=True)
            }
            total += sum(counts.values())
            if not counts.keys() <= self._channels.keys():
                return None
            self._chunks.add(index.chunk_start_offset)
            blocks.append(
                Block(
                    index.chunk_start_offset,
                    index.chunk_length,
                    index.message_start_time,
                    index.message_end_time,
                    self._by_topic(counts),
                )
            )
        return blocks if total == summary.statistics.message_count else None

    def _walked(self) -> list[Block]:
        """The blocks that show when one goes through the file."""
        blocks: list[Block] = []
        run: Block | None = None  # records outside chunks
        for record in _records(self.read, len(MAGIC), self.size - len(MAGIC)):
            if record.opcode in (Opcode.MESSAGE, Opcode.SCHEMA, Opcode.CHANNEL):
                if run is not None and run.position + run.size == record.position and run.size < RUN:
                    run = replace(run, size=run.size + record.size)
                    blocks[-1] = run
                else:
                    run = Block(record.position, record.size)
                    blocks.append(run)
            elif record.opcode == Opcode.CHUNK:
                run = None
                self._chunks.add(record.position)
                self._indices[record.position] = {}
                blocks.append(Block(record.position, record.size))
            elif record.opcode == Opcode.MESSAGE_INDEX and blocks and run is None:
                channel, size = struct.unpack("<HI", self.read(record.position + HEADER, 6))
                self._indices[blocks[-1].position][channel] = size // 16
            elif record.opcode in (Opcode.DATA_END, Opcode.FOOTER):
                return blocks
            elif record.opcode is None:
                self._report(
                    Loss(self.name, f"is damaged after {record.position} bytes", position=record.position)
                )
        self._report(
            Loss(self.name, f"breaks off after {self.size} bytes: it was not closed", position=self.size)
        )
        return blocks

    def _unpacked(self, chunk: bytes) -> tuple[bytes, str | None]:
        """The records of a chunk."""
        try:
            _, _, size, checksum, length = struct.unpack_from("<QQQII", chunk)
            method = chunk[32 : 32 + length].decode()
            (packed,) = struct.unpack_from("<Q", chunk, 32 + length)
        except (struct.error, UnicodeDecodeError):
            return b"", "has a damaged chunk"
        content = chunk[40 + length :]
        data, reason = decompress(method, content[:packed], min(size, RECORD_LIMIT))
        if reason is None and len(content) < packed:
            reason = "breaks off in the middle of a chunk"
        elif reason is not None:
            reason = f"has a chunk whose data cannot all be unpacked: {reason}"
        elif checksum and zlib.crc32(data) != checksum:
            reason = "has a chunk whose checksum is wrong, so that its messages may be"
        return data, reason

    def _message(self, content: memoryview) -> Raw | None:
        channel_id, _, received, _ = struct.unpack_from("<HIQQ", content)
        channel = self._channels.get(channel_id)
        if channel is None:
            return None
        schema = self._definitions.get(channel.schema_id, b"")
        encoding = channel.message_encoding
        return Raw(channel.topic, self._type(channel), received, content[22:], encoding, schema)

    def _learn(self, opcode: int, content: memoryview) -> None:
        stream = ReadDataStream(BytesIO(content))
        with suppress(Exception):  # of damaged ones the library brings up anything; their messages are missed
            if opcode == Opcode.SCHEMA:
                schema = Schema.read(stream)
                self._schemas[schema.id] = schema.name
                self._definitions[schema.id] = schema.data
            elif opcode == Opcode.CHANNEL:
                channel = Channel.read(stream)
                self._channels[channel.id] = channel

    def _type(self, channel: Channel) -> str:
        """Type of a channel's messages, as ROS 2 calls it."""
        kind = self._schemas.get(channel.schema_id, "")
        return ros2_name(kind) if channel.message_encoding == "ros1" else kind

    def _by_topic(self, counts: Mapping[int, int]) -> Counter[str]:
        total: Counter[str] = Counter()
        for channel, count in counts.items():
            if channel in self._channels:
                total[self._channels[channel].topic] += count
        return total


def _records(read: _Read, position: int, end: int) -> Iterator[_Record]:
    """The records between two positions; of a stretch that is damaged, what begins like one, and its rest."""
    while position + HEADER <= end:
        opcode, length = struct.unpack("<BQ", read(position, HEADER))
        after = position + HEADER + length
        if _plausible(read, position, end) and (
            after + HEADER > end or _plausible(read, after, end) or _is_whole_chunk(read, position)
        ):
            yield _Record(opcode, position, after - position)
            position = after
            if opcode == Opcode.FOOTER:
                return
            continue
        found = _next_record(read, position + 1, end)
        stop = end if found is None else found
        cut_off = opcode == Opcode.CHUNK and found is None
        yield _Record(opcode if cut_off else None, position, stop - position)
        position = stop
    if position < end:
        yield _Record(None, position, end - position)


def _plausible(read: _Read, position: int, end: int) -> bool:
    """Whether a record may begin here: none is empty, or longer than the file."""
    header = read(position, HEADER)
    if len(header) < HEADER:
        return False
    opcode: int
    length: int
    opcode, length = struct.unpack("<BQ", header)
    return bool(opcode > 0 and 0 < length <= min(end - position - HEADER, RECORD_LIMIT))


def _is_whole_chunk(read: _Read, position: int) -> bool:
    """Whether a chunk's two lengths, of the record and of what is packed in it, agree."""
    header = read(position, HEADER + 64)
    if len(header) < HEADER + 40 or header[0] != Opcode.CHUNK:
        return False
    (length,) = struct.unpack_from("<Q", header, 1)
    (name,) = struct.unpack_from("<I", header, HEADER + 28)
    if name > 16:
        return False
    (packed,) = struct.unpack_from("<Q", header, HEADER + 32 + name)
    return bool(length == 40 + name + packed)


def _next_record(read: _Read, position: int, end: int) -> int | None:
    """Where the next message or chunk begins, behind damage; None if there is none."""
    while position < end:
        window = read(position, min(_WINDOW, end - position))
        for match in _CANDIDATE.finditer(window):
            place = position + match.start()
            if not _plausible(read, place, end):
                continue
            opcode, length = struct.unpack("<BQ", read(place, HEADER))
            after = place + HEADER + length
            if opcode == Opcode.CHUNK and _is_whole_chunk(read, place):
                return place
            if opcode == Opcode.MESSAGE and length >= 22 and (after == end or _plausible(read, after, end)):
                return place
        position += max(len(window) - HEADER, 1) if len(window) == _WINDOW else len(window)
    return None
