"""Condition of the node at the end of a period, and all figures of both as text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from distillmatch_ros.base.units import Percentiles
from distillmatch_ros.engines import EngineInfo
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import RigEvent
from distillmatch_ros.rig.history import Use, rig_figures
from distillmatch_ros.ros.statistics import PeriodReport
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.timing import Timing


@dataclass(frozen=True)
class Condition:
    """State of the node, in addition to the figures of a report.

    Attributes:
        node: full name of the node.
        state: lifecycle state, such as ``active``.
        since: time of the transition to it, monotonic ns.
        error: why it is not active, if a transition failed.
        engine: network and device; None unless the engine is open.
        topics: remapped topics of both sensors; empty unless active.
        publishers: publishers of both topics, by the type of their messages.
        incompatible_qos: by sensor, the QoS policy that prevents a connection.
        timing: times of the received frames; None unless active.
        missing_infos: sensors that should be undistorted and cannot, and what is wrong with their CameraInfo,
            empty for one that has not come.
        unusable: error of the last unusable pair.
        advice: a setting that would help if no homography is found; None if none is known.
        exchanged: why the two cameras' images seem to be exchanged; None if they do not.
        rig: what was last found about the rig; None if nothing was.
        rig_use: what the known rig is for; None if none is known.
        withheld: outputs that the known rig does not give, and why.
    """

    node: str
    state: str
    since: int
    error: str | None = None
    engine: EngineInfo | None = None
    topics: Mapping[Sensor, str] | None = None
    publishers: Mapping[Sensor, Mapping[str, int]] | None = None
    incompatible_qos: Mapping[Sensor, str] | None = None
    timing: Timing | None = None
    missing_infos: Mapping[Sensor, str] = field(default_factory=dict)
    unusable: str | None = None
    advice: str | None = None
    exchanged: str | None = None
    rig: RigEvent | None = None
    rig_use: Use | None = None
    withheld: Mapping[str, str] = field(default_factory=dict)


def figures(report: PeriodReport, condition: Condition) -> dict[str, str]:
    """All figures by name, as text."""
    return dict(_figures(report, condition))


def _figures(report: PeriodReport, condition: Condition) -> Iterator[tuple[str, str]]:
    yield "state", condition.state
    if condition.engine is not None:
        yield "engine", f"{condition.engine.config} {condition.engine.precision}"
        yield "device", condition.engine.device
    yield "last error", condition.error or condition.unusable or ""
    yield from rig_figures(condition.rig, condition.rig_use)
    for name, reason in condition.withheld.items():
        yield f"{name} withheld", reason
    for sensor in condition.topics or MATCHED:
        yield f"{sensor.namespace} in [Hz]", f"{report.inputs[sensor].messages / report.seconds:.1f}"
        yield f"{sensor.namespace} lost [%]", f"{100 * report.inputs[sensor].lost:.0f}"
    yield "pairs [Hz]", f"{report.pairs / report.seconds:.1f}"
    yield "registered [Hz]", f"{sum(report.statuses.values()) / report.seconds:.1f}"
    yield "full passes [Hz]", f"{report.passes / report.seconds:.1f}"
    for topic, number in sorted(report.published.items()):
        yield f"{topic} out [Hz]", f"{number / report.seconds:.1f}"
    yield from _percentiles("skew [ms]", report.skew_ms)
    clocks = None if condition.timing is None else condition.timing.clocks()
    if clocks is not None:
        yield "clock offset [s]", f"{clocks.offset:.6f}"
        yield "clock offset std [s]", f"{clocks.offset_std:.6f}"
    if clocks is not None and clocks.drift_ppm is not None:
        yield "clock drift [ppm]", f"{clocks.drift_ppm:.1f}"
        yield "clock drift std [ppm]", f"{clocks.drift_std_ppm:.1f}"
    for stage, percentiles in report.latency_ms.items():
        yield from _percentiles(f"{stage} [ms]", percentiles)
    yield from _percentiles("inliers", report.inliers)
    for status in Status:
        yield f"status {status}", str(report.statuses[status])
    for (what, reason), number in sorted(report.total_drops.items()):
        yield f"dropped {what} {reason}", str(number)


def _percentiles(name: str, percentiles: Percentiles | None) -> Iterator[tuple[str, str]]:
    if percentiles is not None:
        yield f"{name} median", f"{percentiles.median:.2f}"
        yield f"{name} p95", f"{percentiles.p95:.2f}"
