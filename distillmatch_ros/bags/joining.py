"""Bags that hold one camera each, recorded on two machines: which of them are one drive."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.bags.guess import guess_topics, usable_encodings
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.storage.series import recordings
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.stream.sensors import Sensor

NamedBag = tuple[str, tuple[str, ...]]
"""A bag's name, and the paths or URLs of its parts."""


@dataclass(frozen=True)
class _Held:
    """The one camera that a bag holds, and its times of receipt, ns."""

    bag: NamedBag
    sensor: Sensor
    start: int
    end: int


def drives_in(paths: Sequence[Path], rgb: str | None, thermal: str | None) -> list[tuple[Path, ...]]:
    """The recordings at some paths, those of one camera joined, each as the paths of its parts."""
    found = [(str(parts[0]), tuple(map(str, parts))) for path in paths for parts in parts_of(path)]
    joined = join_cameras(found, rgb, thermal) if len(found) > 1 else found
    return [tuple(map(Path, parts)) for _, parts in joined]


def parts_of(path: Path) -> list[tuple[Path, ...]]:
    """See `recordings`; a path that cannot be read is one recording, whose reading reports it."""
    with suppress(OSError):
        return recordings(path)
    return [(path,)]


def join_cameras(bags: Sequence[NamedBag], rgb: str | None, thermal: str | None) -> list[NamedBag]:
    """Join each bag of a visible camera alone with that of a thermal one.

    One of each kind is a drive, whatever their clocks say; of several, those that overlap in time the most.

    Args:
        bags: local bags.
        rgb: image topic of the visible camera; guessed if None.
        thermal: image topic of the thermal camera, likewise.

    Returns:
        The bags, a joined one in place of its first.
    """
    alone = [held for each in bags if (held := _one_camera(each, rgb, thermal)) is not None]
    visible = [held for held in alone if held.sensor is Sensor.VISIBLE]
    others = [held for held in alone if held.sensor is Sensor.THERMAL]
    only = len(visible) == len(others) == 1
    partner: dict[NamedBag, NamedBag] = {}
    for held in visible:
        best = max(others, key=lambda other: _overlap(held, other), default=None)
        if best is not None and (only or _overlap(held, best) > 0):
            others.remove(best)
            partner |= {held.bag: best.bag, best.bag: held.bag}
    joined: list[NamedBag] = []
    taken = set[NamedBag]()
    for bag in bags:
        if bag in taken:
            continue
        if (other := partner.get(bag)) is not None:
            taken.add(other)
            bag = f"{bag[0]}+{other[0].rpartition('/')[2]}", (*bag[1], *other[1])
        joined.append(bag)
    return joined


def contents(sources: Sequence[str]) -> str:
    """The image topics of a bag, or why it cannot be read, in one line."""
    try:
        with open_bag(*map(Path, sources)) as bag:
            held = [topic.name for topic in bag.images if topic.count]
            return f"{bag.path}: holds {' and '.join(held) or 'no images that are read'}"
    except DistillMatchError as error:
        return str(error)


def _one_camera(given: NamedBag, rgb: str | None, thermal: str | None) -> _Held | None:
    """What a bag of one camera holds; None if it holds both, none, or cannot be read."""
    name, sources = given
    with suppress(DistillMatchError), open_bag(*map(Path, sources)) as bag:
        images = {topic.name for topic in bag.images if topic.count}
        named = {Sensor.VISIBLE: rgb, Sensor.THERMAL: thermal}
        encoding_by_topic = {} if rgb and thermal else usable_encodings(bag)
        guess = guess_topics(encoding_by_topic)
        found = {
            sensor
            for sensor, topic in named.items()
            if (topic in images if topic is not None else sensor in guess)
        }
        if not found and len(images) == 1:  # such as /image_raw: the name of the bag may tell
            found = set(guess_topics({f"/{name}{t}": encoding for t, encoding in encoding_by_topic.items()}))
        if len(found) == 1 and (span := bag.span) is not None:
            return _Held(given, found.pop(), *span)
    return None


def _overlap(one: _Held, other: _Held) -> int:
    return min(one.end, other.end) - max(one.start, other.start)
