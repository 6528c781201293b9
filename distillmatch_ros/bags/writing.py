"""Writing MCAP bags that ROS 2 and Foxglove read: message definitions, offered QoS, zstd chunks, an index."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_outputs, make_folder, take_lock, writing

_FOREVER = QosTime(2147483647, 4294967295)  # DDS's infinity
OFFERED_QOS = Qos(
    history=QosHistory.KEEP_LAST,
    depth=10,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.VOLATILE,
    deadline=_FOREVER,
    lifespan=_FOREVER,
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=_FOREVER,
    avoid_ros_namespace_conventions=False,
)

LATCHED_QOS = OFFERED_QOS._replace(depth=1, durability=QosDurability.TRANSIENT_LOCAL)
"""Of what is said once: those who come later get it too."""

LOCK = "lock"
"""File in the folder where a bag grows, which the process that writes it holds."""


def check_bag(path: Path, overwrite: bool) -> None:
    """See that a bag can be written, and that nothing is lost by it.

    Raises:
        DistillMatchError: see `check_outputs`; or another run is writing it.
    """
    check_outputs([path], overwrite)
    part = _part_of(path)
    if part.exists():
        _lock(part).release()


def _lock(part: Path) -> FileLock:
    """Hold the folder in which a bag grows; the system lets go of it when the process ends, however it ends.

    Raises:
        DistillMatchError: another run holds it, or what is there was not left by one.
    """
    if any(path.name not in (LOCK, part.stem.removesuffix(".mcap")) for path in part.iterdir()):
        raise DistillMatchError(f"{part}: holds files that no run left; move them, or name another file")
    return take_lock(part / LOCK, f"{part}: another run is writing it; wait for it, or name another file")


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


class BagWriter:
    """One MCAP file in the making, as a context manager. One thread at a time may write.

    Until it is closed the bag grows in the folder PATH.part, of which a killed process leaves a bag without
    an index; the next run to the same path replaces that. An exception, Ctrl-C among them, closes it in good
    order: what was written stays.
    """

    def __init__(self, path: Path, types: Typestore, overwrite: bool = False) -> None:
        """Begin a bag.

        Args:
            path: the file, ``NAME.mcap``.
            types: the definitions of what will be written.
            overwrite: replace a file that exists, once the bag is whole.

        Raises:
            DistillMatchError: see `check_bag`.
        """
        check_bag(path, overwrite)
        self.path = path
        self._types = types
        self._connections: dict[str, Connection] = {}
        self._part = _part_of(path)
        make_folder(path.parent)
        with writing(path):
            self._part.mkdir(exist_ok=True)
            self._lock = _lock(self._part)
            shutil.rmtree(self._part / path.stem, ignore_errors=True)  # of a run that was killed
            # Version 8 is what both Humble and its successors read.
            self._writer = Writer(self._part / path.stem, version=8, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, topic: str, received: int, message: Any, qos: Qos = OFFERED_QOS) -> None:
        """Add a message of one of rosbags' classes, received at so many ns."""
        kind = message.__msgtype__
        self.write_serialised(topic, kind, received, self._types.serialize_cdr(message, kind), qos)

    def write_serialised(
        self, topic: str, kind: str, received: int, data: bytes | memoryview, qos: Qos = OFFERED_QOS
    ) -> None:
        """Add a message that is CDR already; ``kind`` is its type, such as ``sensor_msgs/msg/Image``."""
        with writing(self.path):
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(
                    topic, kind, typestore=self._types, offered_qos_profiles=[qos]
                )
            self._writer.write(self._connections[topic], received, data)

    def note(self, key: str, value: str) -> None:
        """Keep a text about the bag as a whole, in rosbag2's ``custom_data``."""
        self._writer.set_custom_data(key, value)

    def close(self) -> None:
        """Write the index and move the file to its place."""
        with writing(self.path):
            self._writer.close()
            (self._part / self.path.stem / f"{self.path.stem}.mcap").replace(self.path)
            shutil.rmtree(self._part)
            self._lock.release()
