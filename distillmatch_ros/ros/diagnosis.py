"""Diagnosis of one period: level, finding and remedy from its figures and the node's condition."""

from dataclasses import dataclass

from distillmatch_ros.registration.rejection import CAUSES
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.ros.condition import Condition
from distillmatch_ros.ros.statistics import CAMERA_INFO, MISSING, SUPERSEDED, UNUSABLE, PeriodReport
from distillmatch_ros.ros.transport import before_a_command, shipped
from distillmatch_ros.stream.parameters import Parameters, tolerance_of
from distillmatch_ros.stream.sensors import ATTACHED, MATCHED
from distillmatch_ros.stream.timing import FEW, Timing

OK, WARN, ERROR, STALE = range(4)
"""Levels of diagnostic_msgs/DiagnosticStatus."""

SILENCE_S = 2.0
"""Time without a message after which a topic counts as silent, s."""
LOST = 0.3
"""Fraction of a camera's images lost before the node, from which on there is a warning."""
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
SLOW = 0.1
"""Fraction of the pairs dropped by a busy engine, from which on it is mentioned."""


@dataclass(frozen=True)
class Diagnosis:
    """A level, and its message in one line."""

    level: int
    message: str


def diagnose(report: PeriodReport, condition: Condition, parameters: Parameters, now: int) -> Diagnosis:
    """The first problem that affects the results, or the rate if there is none."""
    if condition.state != "active":
        return _not_active(condition)
    for found in (
        _silent(report, condition, now),
        _no_calibration(report, condition),
        _doubled(report, condition),
        _lost(report, condition),
        _unpaired(report, condition, parameters),
        _unusable(report, condition),
        _given_wrong(condition),
        _unregistered(report, condition),
        _not_attached(report, condition),
        _half_calibrated(condition),
    ):
        if found is not None:
            return found
    return _speed(report)


def _not_active(condition: Condition) -> Diagnosis:
    if condition.error is not None:
        return Diagnosis(ERROR, f"{condition.state}: {condition.error}")
    verb = "activate" if condition.state == "inactive" else "configure"
    return Diagnosis(WARN, f"{condition.state}: ros2 lifecycle set {condition.node} {verb}")


def _silent(report: PeriodReport, condition: Condition, now: int) -> Diagnosis | None:
    for sensor in MATCHED:
        topic = (condition.topics or {}).get(sensor, "")
        last = report.inputs[sensor].received
        seconds = (now - max(last or 0, condition.since)) / 1e9
        if report.inputs[sensor].messages or seconds < SILENCE_S:
            continue
        silence = f"no messages on {topic} for {seconds:.0f} s"
        policy = (condition.incompatible_qos or {}).get(sensor)
        if policy is not None:
            return Diagnosis(
                ERROR,
                f"{silence}: its publisher's QoS is incompatible with this subscription ({policy}); set "
                f"qos_overrides.{topic}.subscription.{policy}",
            )
        publishers = (condition.publishers or {}).get(sensor, {})
        if not publishers:
            return Diagnosis(
                STALE, f"{silence}: it has no publisher; start the {sensor} camera, or check the remapping"
            )
        if not set(publishers) & set(IMAGE_TYPES):
            return Diagnosis(
                ERROR,
                f"{silence}: its publisher sends {', '.join(publishers)}, which is no image; remap "
                f"{sensor.namespace}/image to a topic of {' or '.join(IMAGE_TYPES)}",
            )
        number = sum(publishers.values())
        return Diagnosis(
            STALE,
            f"{silence}, despite {number} publisher(s): is the {sensor} camera running? If so, its "
            f"images are lost in transport: {_transport()}",
        )
    return None


def _not_attached(report: PeriodReport, condition: Condition) -> Diagnosis | None:
    """Most pairs go on without a further sensor that should be used."""
    for sensor in ATTACHED:
        missing, total = report.drops[sensor.namespace, MISSING], sum(report.statuses.values())
        if missing <= FEW * total:
            continue
        topic = (condition.topics or {}).get(sensor, "")
        number = report.inputs[sensor].messages
        why = (
            f"none of {number} images was near enough in time: set {tolerance_of(sensor)}"
            if number
            else f"no messages on {topic}: start the {sensor} camera, or check the remapping"
        )
        return Diagnosis(WARN, f"{missing} pairs without {sensor}; {why}")
    return None


def _no_calibration(report: PeriodReport, condition: Condition) -> Diagnosis | None:
    waiting = any(reason == CAMERA_INFO for _, reason in report.drops) and not report.statuses
    missing = len(condition.missing_infos)
    if missing == 0 or (missing < len(MATCHED) and not waiting):
        return None
    return Diagnosis(
        ERROR, f"undistort: nothing usable on {_infos(condition)}; publish it, or switch undistort off"
    )


def _half_calibrated(condition: Condition) -> Diagnosis | None:
    if not condition.missing_infos:
        return None
    return Diagnosis(
        WARN,
        f"undistort: nothing usable on {_infos(condition)}, so that these images keep their distortion; "
        "publish it",
    )


def _infos(condition: Condition) -> str:
    return " and ".join(
        f"{sensor.namespace}/camera_info" + (f" ({problem})" if problem else "")
        for sensor, problem in condition.missing_infos.items()
    )


def _doubled(report: PeriodReport, condition: Condition) -> Diagnosis | None:
    """Images of two publishers look like lost ones, or like a clock that jumps.

    A publisher that was killed is known for a while yet; no frame is dropped because of it.
    """
    for sensor, publishers in (condition.publishers or {}).items():
        dropped = sum(count for (what, _), count in report.drops.items() if what == sensor.namespace)
        if (number := max(publishers.values(), default=0)) > 1 and dropped:
            return Diagnosis(
                WARN,
                f"{(condition.topics or {}).get(sensor, sensor)} has {number} publishers, whose images are "
                "mixed up; stop all but one, or remap them",
            )
    return None


def _lost(report: PeriodReport, condition: Condition) -> Diagnosis | None:
    """Lost frames have no partner; correcting the offset between the clocks would not help."""
    lost = {sensor: report.inputs[sensor].lost for sensor in MATCHED if report.inputs[sensor].lost > LOST}
    if not lost:
        return None
    listed = " and ".join(
        f"{fraction:.0%} of the images of {(condition.topics or {}).get(sensor, sensor)}"
        for sensor, fraction in lost.items()
    )
    return Diagnosis(
        WARN if report.pairs else ERROR,
        f"{listed} are lost between publisher and node, by the gaps in their stamps: {_transport()}",
    )


def _transport() -> str:
    """Remedy for images that are lost in transport."""
    return f"start their publisher with {before_a_command(shipped())}"


def _speed(report: PeriodReport) -> Diagnosis:
    """The rate, and whether the engine limits it."""
    seconds, registered = report.seconds, sum(report.statuses.values())
    superseded = sum(count for (_, reason), count in report.drops.items() if reason == SUPERSEDED)
    if not registered:
        slower = "engine needs longer than that for one" if report.pairs else "cameras are slower than 1 Hz"
        return Diagnosis(WARN, f"no pair was registered in the last second: the {slower}")
    rate = f"{registered / seconds:.1f} pairs/s"
    if superseded > SLOW * report.pairs and registered < report.pairs:  # else it caught up from before
        return Diagnosis(
            OK,
            f"{rate} of {report.pairs / seconds:.1f}: the engine is slower than the cameras, and takes the "
            "newest pair",
        )
    return Diagnosis(OK, rate)


def _unpaired(report: PeriodReport, condition: Condition, parameters: Parameters) -> Diagnosis | None:
    fewest = min(report.inputs[sensor].messages for sensor in MATCHED)
    # A single frame may still get its partner.
    if fewest < 2:
        return None
    timing = condition.timing or Timing()
    found = timing.unpaired(report.pairs, fewest, parameters)
    return None if found is None else Diagnosis(WARN if report.pairs else ERROR, found)


def _unusable(report: PeriodReport, condition: Condition) -> Diagnosis | None:
    number = sum(count for (_, reason), count in report.drops.items() if reason == UNUSABLE)
    if number == 0:
        return None
    return Diagnosis(ERROR if not report.statuses else WARN, f"{number} unusable: {condition.unusable}")


def _given_wrong(condition: Condition) -> Diagnosis | None:
    rig = condition.rig if condition.rig and condition.rig.finding == Finding.CONTRADICTED else None
    found = condition.exchanged or (rig and rig.sentence)
    return Diagnosis(WARN, found) if found else None


def _unregistered(report: PeriodReport, condition: Condition) -> Diagnosis | None:
    total = sum(report.statuses.values())
    if report.statuses[Status.STALE_VISIBLE]:
        return Diagnosis(
            WARN, "the visible image is frozen while the thermal one moves: its camera or driver hangs"
        )
    if report.statuses[Status.STALE_THERMAL]:
        return Diagnosis(
            WARN, "the thermal image is frozen: the shutter is closed for a moment, or the camera hangs"
        )
    if total == 0 or any(number and status.is_good for status, number in report.statuses.items()):
        return None
    most, _ = report.statuses.most_common(1)[0]
    found = f"no homography of its own for any of {total} pairs: mostly {most}"
    if report.rejections:
        cause = CAUSES[report.rejections.most_common(1)[0][0]]
        found += f", {cause.sentence}; {cause.remedy if condition.advice is None else condition.advice}"
    return Diagnosis(WARN, found)
