"""Thread-safe counters between two diagnostics reports."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.ros.gaps import StampGaps
from distillmatch_ros.stream.sensors import Sensor

Drop = tuple[str, str]
"""The sensor in the words of ROS (``rgb``, ``thermal``, ``depth``; or ``pair``), and the reason."""

MISSING = "MISSING"
"""A pair goes on without a further sensor, whose frames were not near enough in time."""
SUPERSEDED = "SUPERSEDED"
"""A pair was dropped because a newer one came before the engine was free."""
UNUSABLE = "UNUSABLE"
"""Header and data of an image disagree, or nothing can be made of it."""
CAMERA_INFO = "CAMERA_INFO"
"""A CameraInfo cannot be used, or a pair waits for one."""

AGE = "age"
"""Latency stage: from the receipt of the visible image until all outputs are published."""


@dataclass(frozen=True)
class Input:
    """Received images of one sensor.

    Attributes:
        messages: number of messages in the period.
        stamp: stamp of the newest, ns.
        received: time of its receipt, monotonic ns; None if there is none.
        lost: fraction of the latest images that were lost, in [0, 1), by the gaps in their stamps.
    """

    messages: int = 0
    stamp: int = 0
    received: int | None = None
    lost: float = 0.0


@dataclass(frozen=True)
class PeriodReport:
    """Figures of one period; ``total_drops`` are since the start of the statistics.

    Attributes:
        seconds: length of the period, s.
        inputs: received images by sensor.
        pairs: number of pairs found.
        drops: dropped frames in the period, by sensor and reason.
        total_drops: dropped frames since the start, by sensor and reason.
        skew_ms: magnitude of the skew of the pairs found, ms.
        statuses: number of registrations by status.
        rejections: number of rejections by threshold, see `Rejection`.
        inliers: inliers of registrations with matches.
        passes: number of finished full passes of the network.
        latency_ms: latency by stage, `AGE` among them, ms.
        published: number of messages by topic.
    """

    seconds: float
    inputs: Mapping[Sensor, Input]
    pairs: int
    drops: Counter[Drop]
    total_drops: Counter[Drop]
    skew_ms: Percentiles | None
    statuses: Counter[Status]
    rejections: Counter[str]
    inliers: Percentiles | None
    passes: int
    latency_ms: Mapping[str, Percentiles]
    published: Counter[str]


@dataclass
class _Period:
    start: int
    messages: Counter[Sensor] = field(default_factory=Counter)
    drops: Counter[Drop] = field(default_factory=Counter)
    skew_ms: list[float] = field(default_factory=list)
    statuses: Counter[Status] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    inliers: list[float] = field(default_factory=list)
    passes: int = 0
    latency_ms: dict[str, list[float]] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)


class Statistics:
    """Counters that any thread may update and one reader takes. Times are monotonic, ns."""

    def __init__(self, now: int) -> None:
        self._lock = threading.Lock()
        self._period = _Period(now)
        self._latest: dict[Sensor, tuple[int, int | None]] = dict.fromkeys(Sensor, (0, None))
        self._gaps = {sensor: StampGaps() for sensor in Sensor}
        self._total_drops: Counter[Drop] = Counter()

    def receive(self, sensor: Sensor, stamp: int, now: int) -> None:
        """Count a received message."""
        with self._lock:
            self._period.messages[sensor] += 1
            self._latest[sensor] = stamp, now
            self._gaps[sensor].add(stamp)

    def drop(self, sensor: str, reason: str, count: int = 1) -> None:
        """Count dropped frames or pairs."""
        with self._lock:
            self._period.drops[sensor, reason] += count

    def pair(self, skew: int) -> None:
        """Count a pair with this skew, ns."""
        with self._lock:
            self._period.skew_ms.append(abs(skew) / 1e6)

    def register(self, registration: Registration, latency_ms: Mapping[str, float], passes: int = 1) -> None:
        """Count a registered pair; ``passes`` over it or earlier pairs were finished meanwhile."""
        with self._lock:
            self._period.statuses[registration.status] += 1
            if registration.rejected_by is not None:
                self._period.rejections[registration.rejected_by.threshold] += 1
            self._period.passes += passes
            if registration.status.has_pass:
                self._period.inliers.append(int(registration.inliers.sum()))
            for stage, ms in latency_ms.items():
                self._period.latency_ms.setdefault(stage, []).append(ms)

    def publish(self, topics: Iterable[str]) -> None:
        """Count a published message on each of these topics."""
        with self._lock:
            self._period.published.update(topics)

    def take(self, now: int) -> PeriodReport:
        """Take the figures since the last call."""
        with self._lock:
            period, self._period = self._period, _Period(now)
            self._total_drops.update(period.drops)
            inputs = {
                sensor: Input(period.messages[sensor], *self._latest[sensor], self._gaps[sensor].lost)
                for sensor in Sensor
            }
            total_drops = self._total_drops.copy()
        return PeriodReport(
            seconds=max(now - period.start, 1) / 1e9,
            inputs=inputs,
            pairs=len(period.skew_ms),
            drops=period.drops,
            total_drops=total_drops,
            skew_ms=Percentiles.of(period.skew_ms) if period.skew_ms else None,
            statuses=period.statuses,
            rejections=period.rejections,
            inliers=Percentiles.of(period.inliers) if period.inliers else None,
            passes=period.passes,
            latency_ms={stage: Percentiles.of(ms) for stage, ms in period.latency_ms.items()},
            published=period.published,
        )
