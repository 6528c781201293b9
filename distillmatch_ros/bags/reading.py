"""Bags as they come: ROS 1 and ROS 2, whole or damaged. Every message comes out as one of ROS 2."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from distillmatch_ros.bags.foreign import NAMES, UNREAD, ForeignImages, is_video, remedy_of
from distillmatch_ros.bags.storage.blocks import RECORD_LIMIT, Raw, StorageFile
from distillmatch_ros.bags.storage.compression import unpack_message
from distillmatch_ros.bags.storage.folder import (
    FORMATS,
    METADATA,
    Promise,
    open_file,
    storage_files,
)
from distillmatch_ros.bags.storage.loss import ALL, Loss
from distillmatch_ros.bags.storage.series import recordings
from distillmatch_ros.bags.typestore import ros2_types
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.pairs import HEADER

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", *NAMES)
POINTS_TYPE = "sensor_msgs/msg/PointCloud2"


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: its name, its message type such as ``sensor_msgs/msg/Image``, how many messages."""

    name: str
    type: str
    count: int

    @property
    def not_read(self) -> str:
        """A line for people about a topic that is not read."""
        return f"{self.name}  ({self.type}, {self.count} messages): not read; {remedy_of(self.type)}"


@dataclass(frozen=True)
class Recorded:
    """A message, and when the recorder got it in ns."""

    topic: str
    received: int
    message: Any


class Bag:
    """A bag that is open for reading, as a context manager.

    What can be read is given out; what cannot is told by `losses`, once all messages were read.

    Attributes:
        path: a ``.bag``, ``.mcap`` or ``.db3`` file, the folder of a ROS 2 bag; also packed
            as ``.zstd``.
        topics: by name.
    """

    def __init__(self, path: Path, *more: Path) -> None:
        """Open a bag.

        Args:
            path: the bag, or its first file.
            more: its other files, if it is no folder of its own.

        Raises:
            DistillMatchError: there is no such bag, nothing in it can be read, or it is a folder of several.
        """
        self.path = path
        self._more = more
        self._losses: dict[tuple[str, int], Loss] = {}
        self._types = ros2_types()
        self._open = ExitStack()
        self._files: list[StorageFile] = []
        try:
            if not path.exists():
                raise DistillMatchError(f"{path}: no such bag; check the path")
            self._promise = self._open_files()
        except OSError as error:  # a folder without permission, a disk that fails
            self._open.close()
            raise DistillMatchError(
                f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
            ) from error
        except BaseException:
            self._open.close()
            raise
        self.topics: Mapping[str, Topic] = self._all_topics()
        if self._losses and not (self._files and self.topics):
            self._open.close()
            raise self._unreadable()

    def __enter__(self) -> "Bag":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def span(self) -> tuple[int, int] | None:
        """Times of receipt of the first and the last message, ns; None without any."""
        spans = [span for file in self._files if (span := file.span) is not None]
        return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None

    @property
    def losses(self) -> list[Loss]:
        """What could not be read so far."""
        return list(self._losses.values())

    @property
    def damage(self) -> str | None:
        """The losses in words, a line each; None if there are none."""
        return "\n".join(str(loss) for loss in self.losses) or None

    @property
    def images(self) -> list[Topic]:
        """The topics that hold images, compressed or not."""
        return [topic for topic in self.topics.values() if topic.type in IMAGE_TYPES]

    @property
    def unread(self) -> list[Topic]:
        """Topics of image types that are not read; of any other type if too few topics hold images."""
        few = sum(topic.count > 0 for topic in self.images) < 2  # the two cameras
        return [
            topic
            for topic in self.topics.values()
            if topic.type in UNREAD or (few and topic.type not in IMAGE_TYPES)
        ]

    def image_topic(self, name: str | None, option: str, points: bool = False) -> Topic:
        """The image topic of that name.

        Args:
            name: what the user asked for; None if nothing.
            option: where the user asks for it, such as ``--rgb``.
            points: whether it may hold points in space instead.

        Raises:
            DistillMatchError: the bag has no such image topic; the message lists those it has.
        """
        types = (*IMAGE_TYPES, POINTS_TYPE) if points else IMAGE_TYPES
        images = {topic.name: topic for topic in self.topics.values() if topic.type in types}
        if name is not None and name in images:
            return images[name]
        wrong = f"{option} is missing" if name is None else f"{option} {name} is no image topic of this bag"
        listed = [f"{topic.name}  ({topic.type}, {topic.count} messages)" for topic in images.values()]
        listed += [topic.not_read for topic in self.unread if topic.name not in images]
        if not self.topics:
            raise DistillMatchError(
                f"{self.path}: holds no topics; nothing was recorded, or all of it is lost"
            )
        if not images:
            raise DistillMatchError(f"{self.path}: {wrong}; it holds no images that are read", *listed)
        if self.losses and not any(topic.count for topic in images.values()):
            raise DistillMatchError(f"{self.path}: all images are lost", *map(str, self.losses))
        raise DistillMatchError(f"{self.path}: {wrong}; choose from", *listed)

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        """The messages of some topics in the order of their arrival, as far as they can be read.

        May be called again.
        """
        given: Counter[str] = Counter()
        undecoded: dict[str, list[int]] = {}
        foreign, received = ForeignImages(self._types), 0
        for raw in self._raw(topics):
            given[raw.topic] += 1
            received = raw.received
            for message in self._decoded(raw, foreign, undecoded):
                yield Recorded(raw.topic, received, message)
        for topic, message in foreign.rest():
            yield Recorded(topic, received, message)
        self._compare(given, topics)

    def _raw(self, topics: Collection[str]) -> Iterator[Raw]:
        for file in self._files:
            try:
                yield from file.messages(topics)
            except Exception as error:  # noqa: PERF203  a damaged bag can bring anything out of a library
                reason = f"breaks off: {str(error) or type(error).__name__}"
                self._note(Loss(file.name, reason, position=-3))

    def _decoded(self, raw: Raw, foreign: ForeignImages, undecoded: dict[str, list[int]]) -> Iterator[Any]:
        """The message, or of one of another type the images in it."""
        try:
            raw = replace(raw, data=unpack_message(raw.data, RECORD_LIMIT))
            if raw.type in NAMES:
                yield from foreign.images(raw)
                return
            data = self._types.ros1_to_cdr(raw.data, raw.type) if raw.encoding == "ros1" else raw.data
            message = self._types.deserialize_cdr(data, raw.type)
            yield from foreign.frames_of(raw.topic, message) if is_video(message) else (message,)
        except DistillMatchError:  # a package is missing
            raise
        except Exception as error:  # likewise
            times = undecoded.setdefault(raw.topic, [])
            times.append(raw.received)
            reason = f"holds messages that cannot be decoded: {str(error) or type(error).__name__}"
            loss = Loss(self.path.name, reason, {raw.topic: len(times)}, times[0], times[-1])
            self._losses[f"decoding {raw.topic}", 0] = loss

    def _compare(self, given: Counter[str], topics: Collection[str]) -> None:
        """See whether all messages came that metadata.yaml promises."""
        if self._promise is None:
            return
        lost: Counter[str] = Counter()
        for loss in self.losses:
            lost.update(loss.messages or {})
        missing = {topic: self._promise.counts.get(topic, 0) - given[topic] - lost[topic] for topic in topics}
        missing = {topic: count for topic, count in missing.items() if count > 0 and topic in self.topics}
        if sum(missing.values()) > lost[ALL]:
            self._note(Loss(METADATA, "promises more messages than its files hold", missing, position=-4))

    def _open_files(self) -> Promise | None:
        parts = recordings(self.path)
        if len(parts) > 1:
            names = [" and ".join(str(part) for part in each) for each in parts]
            raise DistillMatchError(f"{self.path}: holds {len(parts)} recordings; name one of them", *names)
        paths, promise = storage_files(parts[0][0], self._note)
        if len(paths) == 1:
            paths += self._more
        if not paths:
            self._note(Loss(self.path.name, f"holds no {' or '.join(FORMATS)} file"))
        scratch = Path(self._open.enter_context(TemporaryDirectory(prefix="distillmatch-")))
        for path in paths:
            try:
                file = open_file(path, scratch, self._note)
            except DistillMatchError:  # a package is missing
                raise
            except Exception as error:  # likewise
                self._note(Loss(path.name, f"cannot be read: {str(error) or type(error).__name__}"))
                continue
            self._open.callback(file.close)
            self._files.append(file)
        if promise is not None and not all(map(promise.lists, paths)):  # a name may be another than it was
            spans = {file: file.span for file in self._files}
            self._files.sort(key=lambda file: (spans[file] or (0, 0))[0])
        return promise

    def _all_topics(self) -> Mapping[str, Topic]:
        types, counts = {}, Counter[str]()
        for file in self._files:
            types.update(file.topics)
            counts.update(file.counts)
        promise = self._promise
        if promise is not None:
            absent = {topic: count for topic, count in promise.counts.items() if topic not in types}
            if len(self._files) < len(promise.files):
                types.update({topic: promise.types[topic] for topic in absent})
            elif any(absent.values()):
                self._note(Loss(METADATA, "names topics that its files do not hold", +Counter(absent)))
        return {name: Topic(name, types[name], counts[name]) for name in sorted(types)}

    def _unreadable(self) -> DistillMatchError:
        reason = str(self.losses[0]).partition(";")[0]
        remedy = "pass a .bag, .mcap or .db3 file, the folder of a ROS 2 bag, or a video"
        if all((self.path / side).is_dir() for side in HEADER):
            remedy = "a folder of image pairs goes to match --pairs, calibrate or align"
        return DistillMatchError(f"{self.path}: not a bag that can be read ({reason}); {remedy}")

    def _note(self, loss: Loss) -> None:
        known = self._losses.get(loss.key)
        self._losses[loss.key] = loss if known is None else known.with_(loss)
