"""Properties of images and recordings before registration: topics, rates, clocks, pixel values."""

import shlex
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.bags.foreign import remedy_of
from distillmatch_ros.bags.guess import (
    encodings,
    guess_depth,
    guess_topics,
    lacking,
    possible_pairs,
    several_cameras,
    usable_encodings,
)
from distillmatch_ros.bags.joining import drives_in
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.reading import Recorded, Topic
from distillmatch_ros.bags.storage.folder import is_storage, is_video
from distillmatch_ros.bags.storage.loss import LossRecord
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.files import read_thermal
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import range_of, without_status_bits
from distillmatch_ros.stream.assembly import make_synchroniser
from distillmatch_ros.stream.clocks import ClocksRecord
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.timing import Timing
from distillmatch_ros.stream.waiting import Arrival

LOOKED_AT = 20
"""Number of images of a topic whose pixels are examined."""


@dataclass(frozen=True)
class ImageFigures:
    """Statistics of an image's pixels.

    Attributes:
        width: columns.
        height: rows.
        channels: values per pixel.
        values: type of a value, such as ``uint16``.
        least: smallest finite value.
        greatest: largest finite value.
        black: value that gain control shows as black.
        white: value that gain control shows as white.
        extreme: fraction of the pixels at the smallest or the largest value.
        not_finite: fraction of the pixels that are NaN or infinite.
        bars: numbers of uniform rows and columns at the borders: top, right, bottom, left.
    """

    width: int
    height: int
    channels: int
    values: str
    least: float
    greatest: float
    black: float
    white: float
    extreme: float
    not_finite: float
    bars: tuple[int, int, int, int]


@dataclass(frozen=True)
class InspectedTopic:
    """An image topic of a bag.

    Attributes:
        name: name of the topic.
        type: type of its messages.
        messages: number of messages.
        encoding: encoding of the first image, or its compressed format.
        rate_hz: images per second, by their times of receipt; null for fewer than two.
        longest_gap: longest time without an image, s.
        repeated_stamps: images with the same stamp as the previous one.
        stamps_back: images with an older stamp than the previous one.
        stamp_ahead: median of stamp minus time of receipt, s.
        frozen: fraction of the images that are identical to the previous one.
        unreadable: error of the first image that cannot be read, or null.
        figures: statistics of the first examined image; null if none can be read.
    """

    name: str
    type: str
    messages: int
    encoding: str
    rate_hz: float | None
    longest_gap: float
    repeated_stamps: int
    stamps_back: int
    stamp_ahead: float | None
    frozen: float
    unreadable: str | None
    figures: ImageFigures | None


@dataclass(frozen=True)
class Inspection:
    """Properties of a bag or an image file.

    Attributes:
        path: its path.
        kind: ``bag`` or ``image``.
        error: why it cannot be read, or null.
        image: statistics of an image file.
        topics: image topics of a bag, and those that are not read, see `Bag.unread`.
        guess: by sensor, the topic that is probably its own; of depth only one that pairs can be given.
        pairs: number of pairs with the default settings; null without both topics.
        clocks: comparison of both cameras' clocks.
        advice: why too few frames find a partner, or none can, and what would help; null if enough do.
        losses: unreadable parts of the bag.
        command: the command to run next; null if the topics are not known.
    """

    path: str
    kind: str
    error: str | None = None
    image: ImageFigures | None = None
    topics: list[InspectedTopic] = field(default_factory=list)
    guess: dict[str, str] = field(default_factory=dict)
    pairs: int | None = None
    clocks: ClocksRecord | None = None
    advice: str | None = None
    losses: list[LossRecord] = field(default_factory=list)
    command: str | None = None


def inspect_paths(paths: list[Path]) -> Iterator[Inspection]:
    """Inspect bags and image files one after the other; one that cannot be read gives its error.

    The recordings of a folder are inspected one by one, and bags of one camera each together.
    """
    for parts in drives_in(paths, None, None):
        path = parts[0]
        kind = "bag" if path.is_dir() or is_storage(path) or is_video(path) else "image"
        try:
            yield (
                inspect_bag(*parts)
                if kind == "bag"
                else Inspection(str(path), kind, image=figures_of(read_thermal(path)))
            )
        except DistillMatchError as error:
            yield Inspection(str(path), kind, str(error))


def figures_of(image: NDArray[Any]) -> ImageFigures:
    """Compute the statistics of an image that passes `check_image`."""
    grey = to_grey(image)
    finite = grey[np.isfinite(grey)] if grey.dtype.kind == "f" else grey.ravel()
    least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    black, _, white = range_of(without_status_bits(grey))
    extreme = float(np.mean((finite == least) | (finite == greatest))) if finite.size else 0.0
    known = np.nan_to_num(grey)
    rows, columns = (known.min(axis=axis) == known.max(axis=axis) for axis in (1, 0))
    bars = (_run(rows), _run(columns[::-1]), _run(rows[::-1]), _run(columns))
    height, width = grey.shape
    return ImageFigures(
        width=width,
        height=height,
        channels=1 if image.ndim == 2 else image.shape[2],
        values=str(image.dtype),
        least=least,
        greatest=greatest,
        black=black,
        white=white,
        extreme=extreme,
        not_finite=1 - finite.size / grey.size,
        bars=bars,
    )


def inspect_bag(path: Path, *more: Path) -> Inspection:
    """Inspect a bag.

    Args:
        path: the bag, or its first file.
        more: its other files, or other bags of the same drive; see `open_bag`.

    Raises:
        DistillMatchError: the bag cannot be read.
    """
    paths = path, *more
    with open_bag(*paths) as bag:
        encoding_by_topic = encodings(bag)
        watched = {topic.name: _Watched(topic, encoding_by_topic[topic.name]) for topic in bag.images}
        guess = guess_topics(usable := usable_encodings(bag))
        sensors = {name: sensor for sensor, name in guess.items()}
        recommended = dict(guess)
        if len(guess) == len(MATCHED) and (depth := guess_depth(bag, guess[Sensor.VISIBLE])) is not None:
            recommended[Sensor.DEPTH] = depth
        timing, synchroniser = Timing(), make_synchroniser(Parameters())
        for each in bag.messages(tuple(watched)):
            stamp = watched[each.topic].add(each)
            if each.topic in sensors:
                sensor = sensors[each.topic]
                timing.receive(sensor, stamp, each.received)
                synchroniser.add(sensor, Arrival(stamp, each.received, None))
        unread = bag.unread
        losses, lack = [loss.record() for loss in bag.losses], lacking(bag)
        if len(guess) < len(MATCHED) and len(pairs_of := possible_pairs(usable)) > 1:
            lack = "\n".join(several_cameras(pairs_of))
    synchroniser.flush()
    found = Inspection(
        " + ".join(map(str, paths)),
        "bag",
        topics=[*(each.result() for each in watched.values()), *map(_unread, unread)],
        guess={str(sensor): name for sensor, name in recommended.items()},
        advice=lack,
        losses=losses,
    )
    if len(guess) < len(MATCHED):
        return found
    pairs, clocks = synchroniser.counts.paired, timing.clocks()
    advice = timing.unpaired(pairs, min(watched[name].messages for name in guess.values()), Parameters())
    return replace(
        found,
        pairs=pairs,
        clocks=None if clocks is None else clocks.record(),
        advice=advice,
        command=_command(paths, recommended, {} if advice is None else timing.helpful(Parameters())),
    )


def _unread(topic: Topic) -> InspectedTopic:
    return InspectedTopic(
        *(topic.name, topic.type, topic.count, "", None, 0.0, 0, 0, None, 0.0),
        unreadable=f"this type is not read; {remedy_of(topic.type)}",
        figures=None,
    )


def _command(paths: Sequence[Path], topics: Mapping[Sensor, str], changes: Mapping[str, Any]) -> str:
    words = ["distillmatch", "bag", *map(str, paths), "registered.mcap"]
    for sensor, name in topics.items():
        words += [f"--{sensor.namespace}", name]
    for name, value in changes.items():
        if value != getattr(Parameters(), name):
            words += ["--set", f"{name}={value}"]
    return shlex.join(words)


class _Watched:
    """Collects the statistics of a topic, message by message."""

    def __init__(self, topic: Topic, encoding: str) -> None:
        self._topic, self._encoding = topic, encoding
        self._converter = ros2_messages()
        self._every = max(1, topic.count // LOOKED_AT)
        self._received: list[int] = []
        self._stamps: list[int] = []
        self._checksum: int | None = None
        self._frozen = 0
        self._unreadable: str | None = None
        self._figures: ImageFigures | None = None

    @property
    def messages(self) -> int:
        """Number of messages so far."""
        return len(self._stamps)

    def add(self, each: Recorded) -> int:
        """Add a message; returns its stamp, ns."""
        stamp = self._converter.stamp_of(each.message)
        if self._figures is None or self.messages % self._every == 0:
            self._look(each.message)
        self._stamps.append(stamp)
        self._received.append(each.received)
        checksum = zlib.crc32(np.asarray(each.message.data).data)
        self._frozen += checksum == self._checksum
        self._checksum = checksum
        return stamp

    def result(self) -> InspectedTopic:
        """The statistics of all messages so far."""
        received, stamps = (np.array(times, np.int64) for times in (self._received, self._stamps))
        gaps, steps = np.diff(received) / SECOND, np.diff(stamps)
        seconds = float(gaps.sum())
        return InspectedTopic(
            self._topic.name,
            self._topic.type,
            self._topic.count,
            self._encoding,
            len(gaps) / seconds if seconds > 0 else None,
            float(gaps.max()) if len(gaps) else 0.0,
            int((steps == 0).sum()),
            int((steps < 0).sum()),
            float(np.median(stamps - received)) / SECOND if len(stamps) else None,
            self._frozen / max(len(stamps) - 1, 1),
            self._unreadable,
            self._figures,
        )

    def _look(self, message: Any) -> None:
        try:
            figures = figures_of(self._converter.to_frame(message).image)
        except DistillMatchError as error:
            self._unreadable = self._unreadable or str(error)
        else:
            self._figures = self._figures or figures


def _run(constant: NDArray[np.bool_]) -> int:
    """Number of constant lines before the first other one; 0 if all are constant."""
    return 0 if constant.all() else int(constant.argmin())
