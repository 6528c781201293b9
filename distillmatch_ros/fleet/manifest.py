"""Manifest of a fleet, ``manifest.jsonl`` in the output folder: JSON Lines with one record per bag.

A line is appended when a bag ends; if there are several lines for one output, the last one counts. The file
is rewritten with one line per bag when a run begins and ends. Fields that others add to a line are kept.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import TypeAdapter

from distillmatch_ros.base.enums import StrEnum
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import cache_folder, make_folder, open_text, take_lock, write_text
from distillmatch_ros.fleet.places import existing, is_url, joined, published, shown, staged
from distillmatch_ros.fleet.plan import Order, Unit
from distillmatch_ros.fleet.work import Outcome

NAME = "manifest.jsonl"
SAVE_S = 30.0
"""Interval of uploads of a manifest in a store, where lines cannot be appended."""


class BagState(StrEnum):
    """State of a bag: PLANNED has no result yet, INTERRUPTED has the pairs up to Ctrl-C."""

    PLANNED = "planned"
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """A line of the manifest.

    Attributes:
        name: relative name of the output without suffix.
        input: path or URL of the bag, without password.
        size: see `Version`; None if the bag does not exist.
        stamp: see `Version`; None likewise.
        settings: hash of the settings.
        model: hash of the network file.
        state: state of the bag.
        frames: images that were read, by side.
        dropped: frames that went into no pair, by side and reason.
        statuses: pairs by status.
        seconds: duration.
        problems: see `BagSummary`.
        error: why there is no output; None if there is one.
        more: fields that others added.
    """

    name: str
    input: str
    size: int | None
    stamp: str | None
    settings: str
    model: str
    state: BagState = BagState.PLANNED
    frames: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    error: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> dict[str, Any]:
        """Its fields as a JSON object, those that others added too."""
        known = asdict(self)
        return {**known.pop("more"), **known}

    @property
    def identity(self) -> tuple[object, ...]:
        """What the result depends on."""
        return self.input, self.size, self.stamp, self.settings, self.model

    @classmethod
    def planned(cls, unit: Unit, order: Order) -> "Record":
        """Record of a bag without result."""
        size, stamp = (None, None) if unit.version is None else (unit.version.size, unit.version.stamp)
        return cls(unit.name, shown(unit.source), size, stamp, order.settings, order.model)

    def ended(self, outcome: Outcome) -> "Record":
        """This record with the result of the bag."""
        summary, error = outcome.summary, outcome.error
        state = BagState.INTERRUPTED if summary.interrupted else BagState.DONE
        return replace(
            self,
            state=state if error is None else BagState.FAILED,
            frames=dict(summary.frames),
            dropped=dict(summary.dropped),
            statuses=dict(summary.statuses),
            seconds=round(summary.seconds, 3),
            problems=tuple(summary.problems),
            error=error,
        )


_RECORD = TypeAdapter(Record)
_FIELDS = {each.name for each in fields(Record)} - {"more"}


class Manifest:
    """The manifest of a folder; see `open_manifest`."""

    def __init__(self, folder: str) -> None:
        """Read the manifest of a folder; empty if there is none.

        Raises:
            DistillMatchError: a line is invalid, or the store cannot be reached.
        """
        self._place = joined(folder, NAME)
        self._records = read_records(folder)
        self._saved = monotonic()

    @property
    def names(self) -> set[str]:
        """Names of the recorded outputs."""
        return set(self._records)

    def is_done(self, unit: Unit, order: Order) -> bool:
        """Whether this version of the bag was registered with these settings and this network."""
        record = self._records.get(unit.name)
        return (
            record is not None
            and record.state is BagState.DONE
            and record.identity == Record.planned(unit, order).identity
        )

    def begin(self, units: Iterable[Unit], order: Order) -> None:
        """Record bags that are about to be registered."""
        for unit in units:
            before = self._records.get(unit.name)
            planned = Record.planned(unit, order)
            self._records[unit.name] = planned if before is None else replace(planned, more=before.more)
        self.save()

    def end(self, outcome: Outcome) -> None:
        """Record the result of a bag that was begun."""
        name = outcome.unit.name
        record = self._records[name] = self._records[name].ended(outcome)
        if not is_url(self._place):
            with open_text(Path(self._place), append=True) as file:
                file.write(_text(record))
        elif monotonic() - self._saved > SAVE_S:
            self.save()

    def save(self) -> None:
        """Rewrite the manifest with one line per bag."""
        with published(self._place) as path:
            write_text(path, "".join(map(_text, self._records.values())))
        self._saved = monotonic()


@contextmanager
def open_manifest(folder: str) -> Iterator[Manifest]:
    """Open the manifest of a folder and lock the folder: only one run at a time writes there.

    For a folder in a store the lock covers only the processes of this user on this machine.

    Raises:
        DistillMatchError: another run has locked the folder, it cannot be written, or see `Manifest`.
    """
    place = cache_folder() / "fleet" if is_url(folder) else Path(folder)
    name = f"{sha256(folder.encode()).hexdigest()}.lock" if is_url(folder) else f".{NAME}.lock"
    make_folder(place)
    lock = take_lock(
        place / name, f"{shown(folder)}: another run is writing there; wait for it, or name another folder"
    )
    try:
        manifest = Manifest(folder)
        yield manifest
        manifest.save()
    finally:
        lock.release()


def read_records(folder: str) -> dict[str, Record]:
    """The last record of each bag in a folder's manifest, by name; empty if there is no manifest.

    Raises:
        DistillMatchError: a line is invalid, or the store cannot be reached.
    """
    if NAME not in existing(folder):
        return {}
    place = joined(folder, NAME)
    with staged(place) as path:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    records: dict[str, Record] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = _record(line)
        except ValueError as error:
            if number == len(lines) and not line.endswith("\n"):
                break  # the run was killed while it wrote this line
            raise DistillMatchError(
                f"{shown(place)}: line {number} is invalid; move the file, or name another folder"
            ) from error
        records[record.name] = record
    return records


def _record(line: str) -> Record:
    """The record of a line.

    Raises:
        ValueError: it is invalid.
    """
    told = json.loads(line)
    if not isinstance(told, dict):
        raise ValueError("no JSON object")
    known = {name: value for name, value in told.items() if name in _FIELDS}
    others = {name: value for name, value in told.items() if name not in _FIELDS}
    return replace(_RECORD.validate_python(known), more=others)


def _text(record: Record) -> str:
    return json.dumps(record.line, ensure_ascii=False) + "\n"
