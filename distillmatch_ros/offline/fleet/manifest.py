"""What became of each bag of a fleet, kept beside the outputs: ``manifest.jsonl``, an object a line.

A line is added when a bag is done; of several lines of one output the last one holds, and the file is
written anew with one a bag when a run begins and ends.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from hashlib import sha256
from pathlib import Path
from time import monotonic

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import cache_folder, make_folder, open_text, write_text, writing
from distillmatch_ros.offline.fleet.places import beside, existing, is_url, published, redacted, staged
from distillmatch_ros.offline.fleet.plan import Order, Unit
from distillmatch_ros.offline.fleet.work import Outcome

NAME = "manifest.jsonl"
SAVE_S = 30.0
"""Time between two uploads of a manifest in a store, which takes no single lines."""


class State(str, Enum):
    """What became of a bag; of those planned nothing is known yet, interrupted ones hold a part."""

    PLANNED = "planned"
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """A line of the manifest.

    Attributes:
        name: of the output below the folder, without suffix.
        input: path or URL of the bag, without password.
        size: of the bag, bytes; None if it was not there.
        stamp: its entity tag, or when it was changed; None likewise.
        settings: hash of the settings.
        model: hash of the network's file.
        state: what became of it.
        frames: images that were read, by side.
        dropped: frames that went into no pair, by side and reason.
        statuses: pairs by status.
        seconds: how long it took.
        problems: what could not be read, or found no partner, for people.
        error: why there is no output; None if there is one.
    """

    name: str
    input: str
    size: int | None
    stamp: str | None
    settings: str
    model: str
    state: State = State.PLANNED
    frames: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    error: str | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """Of what it is the outcome."""
        return self.input, self.size, self.stamp, self.settings, self.model

    @classmethod
    def planned(cls, unit: Unit, order: Order) -> "Record":
        """Of a bag that nothing is known of yet."""
        size, stamp = (None, None) if unit.version is None else (unit.version.size, unit.version.stamp)
        return cls(unit.name, redacted(unit.source), size, stamp, order.settings, order.model)

    def ended(self, outcome: Outcome) -> "Record":
        """The same, once the bag was worked on."""
        summary, error = outcome.summary, outcome.error
        state = State.INTERRUPTED if summary.interrupted else State.DONE
        return replace(
            self,
            state=state if error is None else State.FAILED,
            frames=dict(summary.frames),
            dropped=dict(summary.dropped),
            statuses=dict(summary.statuses),
            seconds=round(summary.seconds, 3),
            problems=tuple(summary.problems),
            error=error,
        )


_RECORD = TypeAdapter(Record)


class Manifest:
    """The manifest of a folder; see `open_manifest`."""

    def __init__(self, folder: str) -> None:
        """Read what there is.

        Raises:
            DistillMatchError: a line is none of a manifest, or the store cannot be reached.
        """
        self._place = beside(folder, NAME)
        self._records = {record.name: record for record in _read(self._place, folder)}
        self._saved = monotonic()

    @property
    def names(self) -> set[str]:
        """Of the outputs that it tells of."""
        return set(self._records)

    def is_done(self, unit: Unit, order: Order) -> bool:
        """Whether a run with these settings and this network did the bag, as it is now."""
        record = self._records.get(unit.name)
        return (
            record is not None
            and record.state is State.DONE
            and record.identity == Record.planned(unit, order).identity
        )

    def begin(self, units: Iterable[Unit], order: Order) -> None:
        """Note what is going to be done."""
        self._records |= {unit.name: Record.planned(unit, order) for unit in units}
        self.save()

    def end(self, outcome: Outcome) -> None:
        """Note what became of a bag that was begun."""
        name = outcome.unit.name
        record = self._records[name] = self._records[name].ended(outcome)
        if not is_url(self._place):
            with open_text(Path(self._place), append=True) as file:
                file.write(_line(record))
        elif monotonic() - self._saved > SAVE_S:
            self.save()

    def save(self) -> None:
        """Write it anew, a line a bag."""
        with published(self._place) as path:
            write_text(path, "".join(map(_line, self._records.values())))
        self._saved = monotonic()


@contextmanager
def open_manifest(folder: str) -> Iterator[Manifest]:
    """The manifest of a folder, which is held meanwhile: one run at a time writes there.

    A folder in a store is held among the processes of this user on this machine alone.

    Raises:
        DistillMatchError: another run holds the folder, it cannot be written, or see `Manifest`.
    """
    place = cache_folder() / "fleet" if is_url(folder) else Path(folder)
    name = f"{sha256(folder.encode()).hexdigest()}.lock" if is_url(folder) else f".{NAME}.lock"
    make_folder(place)
    lock = FileLock(place / name)
    with writing(place):
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise DistillMatchError(
                f"{redacted(folder)}: another run is writing there; wait for it, or name another folder"
            ) from error
    try:
        manifest = Manifest(folder)
        yield manifest
        manifest.save()
    finally:
        lock.release()


def _read(place: str, folder: str) -> Iterator[Record]:
    if NAME not in existing(folder):
        return
    with staged(place) as path:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            yield _RECORD.validate_json(line)
        except ValidationError as error:  # noqa: PERF203  most lines are as they should be
            if number == len(lines) and not line.endswith("\n"):
                return  # the run was killed while it wrote this line
            raise DistillMatchError(
                f"{redacted(place)}: line {number} is none of a manifest; move the file, or name another "
                "folder"
            ) from error


def _line(record: Record) -> str:
    return json.dumps(asdict(record), ensure_ascii=False) + "\n"
