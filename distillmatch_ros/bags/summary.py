"""The summary of a processed bag."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from typing_extensions import TypedDict

from distillmatch_ros.bags.storage.loss import Loss, LossRecord
from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.rig.history import UNTOLD, RigHistory, RigHistoryRecord
from distillmatch_ros.stream.clocks import Clocks, ClocksRecord

TOLD = 20
"""Losses told in words."""


class BagRecord(TypedDict):
    """What became of a bag, as a JSON object.

    Attributes:
        bag: its path.
        out: what was written, or null.
        topics: image topics by sensor: ``rgb``, ``thermal``, ``depth``.
        frames: images that were read, by side.
        pairs: pairs that were registered.
        dropped: frames that went into no pair, by side and reason.
        statuses: pairs by status.
        seconds: how long it all took.
        rate_hz: pairs a second.
        rate_of_registration_alone: fraction of the time that was spent in registration.
        latency_ms: ``median`` and ``p95`` of a registration, milliseconds; null without one.
        undistorted: sides whose images were undistorted.
        problems: what could not be read, or found no partner, for people; empty if all is well.
        notes: what was decided in the user's place, for people.
        losses: what the bag no longer holds.
        clocks: how the cameras' clocks compare, or null.
        rig: what the drive told of its rig, or null.
        interrupted: it was stopped before the end of the bag.
    """

    bag: str
    out: str | None
    topics: dict[str, str]
    frames: dict[str, int]
    pairs: int
    dropped: dict[str, int]
    statuses: dict[str, int]
    seconds: float
    rate_hz: float
    rate_of_registration_alone: float
    latency_ms: dict[str, float] | None
    undistorted: list[str]
    problems: list[str]
    notes: list[str]
    losses: list[LossRecord]
    clocks: ClocksRecord | None
    rig: RigHistoryRecord | None
    interrupted: bool


@dataclass
class BagSummary:
    """What became of a bag.

    Attributes:
        bag: its path.
        out: what was written, or would have been; None if nothing was to be.
        topics: image topics by sensor.
        frames: images that were read, by side.
        dropped: frames that went into no pair, by side and reason, such as ``visible unmatched``.
        statuses: pairs by status.
        seconds: how long it all took.
        registration_ms: how long each registration took.
        undistorted: sides whose images were undistorted.
        problems: what could not be read, or found no partner, for people; empty if all is well.
        notes: what was decided in the user's place, for people.
        losses: what the bag no longer holds.
        clocks: how those of both cameras compare; None if that is not known.
        rig: what the drive told of its rig; `UNTOLD` before its end.
        interrupted: it was stopped before the end of the bag.
    """

    bag: str
    out: str | None
    topics: dict[str, str] = field(default_factory=dict)
    frames: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    registration_ms: list[float] = field(default_factory=list)
    undistorted: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    clocks: Clocks | None = None
    rig: RigHistory = UNTOLD
    interrupted: bool = False

    def drop(self, reason: str, problem: str) -> None:
        """Count what cannot be used; the first of a kind is told in full."""
        if not self.dropped[reason]:
            self.problems.append(problem)
        self.dropped[reason] += 1

    def lose(self, losses: Sequence[Loss]) -> None:
        """Note what could not be read; of many losses, only the first are told in words."""
        self.losses = list(losses)
        self.problems.extend(map(str, losses[:TOLD]))
        if len(losses) > TOLD:
            self.problems.append(f"{len(losses) - TOLD} more losses of this kind; --json lists them all")

    @property
    def pairs(self) -> int:
        """Pairs that were registered."""
        return len(self.registration_ms)

    @property
    def rate_hz(self) -> float:
        """Pairs a second."""
        return self.pairs / self.seconds if self.seconds else 0.0

    @property
    def busy(self) -> float:
        """Fraction of the time that was spent in registration, in [0, 1]."""
        return sum(self.registration_ms) / 1e3 / self.seconds if self.seconds else 0.0

    @property
    def latency_ms(self) -> Percentiles | None:
        """Of a registration, ms; None without one."""
        return Percentiles.of(self.registration_ms) if self.registration_ms else None

    def record(self) -> BagRecord:
        """The summary as a JSON object."""
        return {
            "bag": self.bag,
            "out": self.out,
            "topics": self.topics,
            "frames": dict(self.frames),
            "pairs": self.pairs,
            "dropped": dict(self.dropped),
            "statuses": dict(self.statuses),
            "seconds": round(self.seconds, 3),
            "rate_hz": round(self.rate_hz, 3),
            "rate_of_registration_alone": round(self.busy, 3),
            "latency_ms": asdict(latency) if (latency := self.latency_ms) else None,
            "undistorted": self.undistorted,
            "problems": self.problems,
            "notes": self.notes,
            "losses": [loss.record() for loss in self.losses],
            "clocks": self.clocks.record() if self.clocks is not None else None,
            "rig": self.rig.record(),
            "interrupted": self.interrupted,
        }
