"""Bags without a usable index, read from front to back as far as they go.

A recorder that was killed, a copy that broke off and MCAP's ``fastwrite`` preset leave such files.
"""

import bz2
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import lz4.frame
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import get_chunk_data_stream

RECORD_LIMIT = 1 << 30
"""Bytes above which the length of a record is taken for damage; an image has a hundredth of it."""

_MCAP_MAGIC = b"\x89MCAP0\r\n"
_ROS1_MAGIC = b"#ROSBAG V2.0\n"
_MESSAGE, _CHUNK, _CONNECTION = 2, 5, 7  # operations of a ROS 1 bag
_DECOMPRESS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"none": bytes,
    b"bz2": bz2.decompress,
    b"lz4": lz4.frame.decompress,
}


class BrokenOffError(Exception):
    """The file ends, or stops making sense, before its end; the message says how."""


@dataclass(frozen=True)
class Raw:
    """A message as the bag holds it.

    Attributes:
        topic: such as ``/rgb/image``.
        type: such as ``sensor_msgs/msg/Image``.
        received: when the recorder got it, ns.
        data: serialised, as CDR unless ``ros1``.
        ros1: serialised as ROS 1 does it.
    """

    topic: str
    type: str
    received: int
    data: bytes | memoryview
    ros1: bool = False


def scan(path: Path) -> Iterator[Raw]:
    """All messages of a file in the order in which they stand there.

    Args:
        path: a ``.mcap``, ``.db3`` or ``.bag`` file.

    Raises:
        BrokenOffError: after the last message that could be read, unless the file is whole.
    """
    if path.suffix not in _READERS:
        raise BrokenOffError(f"neither {' nor '.join(SUFFIXES)}")
    try:
        yield from _READERS[path.suffix](path)
    except (EOFError, EndOfFile) as error:
        raise BrokenOffError("it ends in the middle of a record") from error
    except Exception as error:  # damage can bring anything out of three libraries
        raise BrokenOffError(str(error) or type(error).__name__) from error


def _mcap(path: Path) -> Iterator[Raw]:
    schemas: dict[int, str] = {}
    channels: dict[int, Channel] = {}
    with path.open("rb") as file:
        if file.read(len(_MCAP_MAGIC)) != _MCAP_MAGIC:
            raise ValueError("not an MCAP file")
        for record in _mcap_records(file.read):
            if isinstance(record, Schema):
                schemas[record.id] = record.name
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message):
                channel = channels[record.channel_id]
                kind = schemas.get(channel.schema_id, "")
                if channel.message_encoding == "ros1":
                    yield Raw(channel.topic, _ros2_name(kind), record.log_time, record.data, ros1=True)
                else:
                    yield Raw(channel.topic, kind, record.log_time, record.data)


def _mcap_records(read: Callable[[int], bytes]) -> Iterator[Schema | Channel | Message]:
    """What the records hold, in chunks or not; of a chunk that was cut off, the records before the cut."""
    while start := read(9):
        opcode, length = struct.unpack("<BQ", start)
        if opcode == Opcode.FOOTER:
            return
        data = _exactly(read, length, whole=opcode != Opcode.CHUNK)
        stream = ReadDataStream(BytesIO(data))
        if opcode == Opcode.SCHEMA:
            yield Schema.read(stream)
        elif opcode == Opcode.CHANNEL:
            yield Channel.read(stream)
        elif opcode == Opcode.MESSAGE:
            yield Message.read(stream, length)
        elif opcode == Opcode.CHUNK:
            chunk = Chunk.read(stream)
            cut_off = len(data) < length
            inner, size = get_chunk_data_stream(chunk, validate_crc=not cut_off)
            yield from _mcap_records(BytesIO(inner.read(size)).read)
            if cut_off:
                raise EOFError


def _sqlite(path: Path) -> Iterator[Raw]:
    # Not immutable: what a killed recorder left in the write-ahead log belongs to the bag.
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        database.execute("PRAGMA writable_schema=ON")  # or SQLite rejects a file that was cut off, unseen
        listed = database.execute("SELECT id, name, type FROM topics")
        topics = {key: (name, kind) for key, name, kind in listed}
        stored = database.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id")
        for key, received, data in stored:
            yield Raw(*topics[key], received, data)
    finally:
        database.close()


def _ros1(path: Path) -> Iterator[Raw]:
    connections: dict[bytes, tuple[str, str]] = {}
    with path.open("rb") as file:
        if file.read(len(_ROS1_MAGIC)) != _ROS1_MAGIC:
            raise ValueError("not a ROS 1 bag")
        for header, data in _ros1_records(file.read):
            if header["op"][0] != _CHUNK:
                yield from _ros1_message(header, data, connections)
                continue
            inner = BytesIO(_DECOMPRESS[header["compression"]](data))
            for inner_header, inner_data in _ros1_records(inner.read):
                yield from _ros1_message(inner_header, inner_data, connections)


def _ros1_message(
    header: Mapping[str, bytes], data: bytes, connections: dict[bytes, tuple[str, str]]
) -> Iterator[Raw]:
    """The message of a record that is one; that of a connection is noted."""
    if header["op"][0] == _CONNECTION:
        topic, kind = header["topic"].decode(), _ros1_fields(data)["type"].decode()
        connections[header["conn"]] = (topic if topic.startswith("/") else f"/{topic}", _ros2_name(kind))
    elif header["op"][0] == _MESSAGE:
        seconds, nanoseconds = struct.unpack("<II", header["time"])
        yield Raw(*connections[header["conn"]], seconds * 10**9 + nanoseconds, data, ros1=True)


def _ros2_name(kind: str) -> str:
    package, _, name = kind.rpartition("/")
    return f"{package}/msg/{name}"


def _ros1_records(read: Callable[[int], bytes]) -> Iterator[tuple[dict[str, bytes], bytes]]:
    """Header and data of each record; a chunk may be cut off, which is told after it."""
    while start := read(4):
        header = _ros1_fields(_exactly(read, *struct.unpack("<I", start)))
        (size,) = struct.unpack("<I", read(4))
        data = _exactly(read, size, whole=header["op"][0] != _CHUNK)
        yield header, data
        if len(data) < size:
            raise EOFError


def _ros1_fields(data: bytes) -> dict[str, bytes]:
    fields, position = {}, 0
    while position < len(data):
        (size,) = struct.unpack_from("<I", data, position)
        name, _, value = data[position + 4 : position + 4 + size].partition(b"=")
        fields[name.decode()] = value
        position += 4 + size
    return fields


def _exactly(read: Callable[[int], bytes], size: int, whole: bool = True) -> bytes:
    if size > RECORD_LIMIT:
        raise ValueError(f"a record claims to have {size} bytes")
    data = read(size)
    if whole and len(data) < size:
        raise EOFError
    return data


_READERS = {".mcap": _mcap, ".db3": _sqlite, ".bag": _ros1}
SUFFIXES = tuple(_READERS)
