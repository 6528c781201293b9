"""Counters between two diagnostics reports; thread-safe."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from distillmatch_ros.base.units import Spread
from distillmatch_ros.ros.gaps import StampGaps
from distillmatch_ros.stream.synchroniser import Side

Drop = tuple[str, str]
"""A side (or ``pair``) and the reason why it was dropped."""

AGE = "age"
"""Latency stage: from the receipt of the visible image until all outputs are published."""


@dataclass(frozen=True)
class Input:
    """What came from one side.

    Attributes:
        messages: how many.
        stamp: of the newest, ns.
        received: when it came, monotonic ns; None if nothing did.
        lost: fraction of the latest images that did not come, in [0, 1), by the gaps in their stamps.
    """

    messages: int = 0
    stamp: int = 0
    received: int | None = None
    lost: float = 0.0


@dataclass(frozen=True)
class Report:
    """One period's figures; ``total_drops`` count since the statistics began.

    Attributes:
        seconds: the period's length.
        inputs: of each side.
        pairs: pairs found.
        drops: frames dropped in the period, by side and reason.
        total_drops: the same since the start.
        skew_ms: of the pairs found, magnitude.
        statuses: registrations by status.
        inliers: of each registration that has matches.
        passes: full passes of the network that ended.
        latency_ms: by stage, `AGE` among them.
        published: messages by topic.
    """

    seconds: float
    inputs: Mapping[Side, Input]
    pairs: int
    drops: Counter[Drop]
    total_drops: Counter[Drop]
    skew_ms: Spread | None
    statuses: Counter[str]
    inliers: Spread | None
    passes: int
    latency_ms: Mapping[str, Spread]
    published: Counter[str]


@dataclass
class _Period:
    start: int
    messages: Counter[Side] = field(default_factory=Counter)
    drops: Counter[Drop] = field(default_factory=Counter)
    skew_ms: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    inliers: list[float] = field(default_factory=list)
    passes: int = 0
    latency_ms: dict[str, list[float]] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)


class Statistics:
    """Counts for one reader at a time; any thread may write. Times are monotonic nanoseconds."""

    def __init__(self, now: int) -> None:
        self._lock = threading.Lock()
        self._period = _Period(now)
        self._latest: dict[Side, tuple[int, int | None]] = dict.fromkeys(Side, (0, None))
        self._gaps = {side: StampGaps() for side in Side}
        self._total_drops: Counter[Drop] = Counter()

    def receive(self, side: Side, stamp: int, now: int) -> None:
        """A message came."""
        with self._lock:
            self._period.messages[side] += 1
            self._latest[side] = stamp, now
            self._gaps[side].add(stamp)

    def drop(self, side: str, reason: str, count: int = 1) -> None:
        """Frames, or a pair, lead to nothing."""
        with self._lock:
            self._period.drops[side, reason] += count

    def pair(self, skew: int) -> None:
        """Two frames were paired, this many nanoseconds apart."""
        with self._lock:
            self._period.skew_ms.append(abs(skew) / 1e6)

    def register(
        self, status: str, inliers: int | None, latency_ms: Mapping[str, float], passes: int = 1
    ) -> None:
        """A pair went all the way; full passes, over it or earlier pairs, ended meanwhile.

        There are no inliers to count of a pair that was tracked.
        """
        with self._lock:
            self._period.statuses[status] += 1
            self._period.passes += passes
            if inliers is not None:
                self._period.inliers.append(inliers)
            for stage, ms in latency_ms.items():
                self._period.latency_ms.setdefault(stage, []).append(ms)

    def publish(self, topics: Iterable[str]) -> None:
        """A message went out on each of these."""
        with self._lock:
            self._period.published.update(topics)

    def take(self, now: int) -> Report:
        """Figures since the last call."""
        with self._lock:
            period, self._period = self._period, _Period(now)
            self._total_drops.update(period.drops)
            inputs = {
                side: Input(period.messages[side], *self._latest[side], self._gaps[side].lost)
                for side in Side
            }
            total_drops = self._total_drops.copy()
        spreads = {stage: Spread.of(ms) for stage, ms in period.latency_ms.items()}
        return Report(
            seconds=max(now - period.start, 1) / 1e9,
            inputs=inputs,
            pairs=len(period.skew_ms),
            drops=period.drops,
            total_drops=total_drops,
            skew_ms=Spread.of(period.skew_ms) if period.skew_ms else None,
            statuses=period.statuses,
            inliers=Spread.of(period.inliers) if period.inliers else None,
            passes=period.passes,
            latency_ms={stage: spread for stage, spread in spreads.items() if spread is not None},
            published=period.published,
        )
