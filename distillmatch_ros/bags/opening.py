"""Opens a recording: one bag, or the bags of one drive, read as one."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from heapq import merge
from pathlib import Path

from distillmatch_ros.bags.reading import Bag, Recorded
from distillmatch_ros.bags.storage.folder import without_format
from distillmatch_ros.bags.storage.loss import Loss
from distillmatch_ros.bags.storage.series import series


class JoinedBag(Bag):
    """Bags of one drive, such as one of each camera, read as one.

    A topic that several of them hold is called by the name of its bag, such as ``/thermal/image_raw`` for
    ``/image_raw`` of thermal.mcap.
    """

    def __init__(self, bags: Sequence[Sequence[Path]]) -> None:
        """Open the bags.

        Args:
            bags: the files of each; see `Bag`.

        Raises:
            DistillMatchError: see `Bag`.
        """
        self.path = bags[0][0]
        with ExitStack() as opening:
            self._bags = {without_format(parts[0].name): opening.enter_context(Bag(*parts)) for parts in bags}
            self._open = opening.pop_all()
        held = Counter(name for bag in self._bags.values() for name in bag.topics)
        self._named: dict[str, dict[str, str]] = {  # names here, by bag and name there
            stem: {name: name if held[name] == 1 else f"/{stem}{name}" for name in bag.topics}
            for stem, bag in self._bags.items()
        }
        self.topics = {
            here: replace(self._bags[stem].topics[name], name=here)
            for stem, names in self._named.items()
            for name, here in names.items()
        }

    @property
    def span(self) -> tuple[int, int] | None:
        spans = [span for bag in self._bags.values() if (span := bag.span) is not None]
        return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None

    @property
    def losses(self) -> list[Loss]:
        return [loss for bag in self._bags.values() for loss in bag.losses]

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        def of(stem: str, bag: Bag) -> Iterator[Recorded]:
            names = {name: here for name, here in self._named[stem].items() if here in topics}
            for each in bag.messages(tuple(names)):
                yield replace(each, topic=names[each.topic])

        return merge(*(of(stem, bag) for stem, bag in self._bags.items()), key=lambda each: each.received)


def open_bag(path: Path, *more: Path) -> Bag:
    """Open a recording of one or more paths: the files of a bag, or the bags of one drive.

    Raises:
        DistillMatchError: see `Bag`.
    """
    if not more:
        return Bag(path)
    files = [each for each in (path, *more) if not each.is_dir()]
    parts = [*series(files), *((each,) for each in (path, *more) if each.is_dir())]
    return Bag(*parts[0]) if len(parts) == 1 else JoinedBag(parts)
