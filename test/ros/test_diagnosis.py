"""Each trouble has a level and says what to do."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import Finding, RigEvent
from distillmatch_ros.ros.condition import Condition, figures
from distillmatch_ros.ros.diagnosis import ERROR, OK, STALE, WARN, diagnose
from distillmatch_ros.ros.statistics import Input, Percentiles, Statistics
from distillmatch_ros.ros.transport import before_a_command, shipped
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.timing import Timing

NOW = 100 * SECOND
TOPICS = {Sensor.VISIBLE: "/rgb/image", Sensor.THERMAL: "/thermal/image"}


def timing(ahead: int = 0) -> Timing:
    """Two cameras at 30 Hz, the thermal one's stamps so many ns ahead."""
    times = Timing()
    for index in range(60):
        taken = index * SECOND // 30
        times.receive(Sensor.VISIBLE, taken, taken + SECOND // 100)
        times.receive(Sensor.THERMAL, taken + ahead, taken + SECOND // 100)
    return times


IMAGE = "sensor_msgs/msg/Image"
ACTIVE = Condition(
    "/distillmatch",
    "active",
    since=0,
    topics=TOPICS,
    publishers={sensor: {IMAGE: 1} for sensor in MATCHED},
    timing=timing(),
)


def registration(status: Status, reason: str = "min_matches") -> Registration:
    found = Registration.without_matches(status, None, {})
    return replace(found, rejected_by=Rejection(reason)) if status.is_rejection else found


def statistics(
    thermal: int = 30, skew: int | None = 0, status: Status | None = Status.OK, reason: str = "min_matches"
) -> Statistics:
    """A second of 30 visible frames."""
    counted = Statistics(NOW - SECOND)
    for sensor, frames in ((Sensor.VISIBLE, 30), (Sensor.THERMAL, thermal)):
        for _ in range(frames):
            counted.receive(sensor, 0, NOW - SECOND // 2)
    for _ in range(min(30, thermal) if skew is not None else 0):
        counted.pair(skew or 0)
        if status is not None:
            counted.register(registration(status, reason), {"engine": 20.0, "age": 25.0})
    return counted


def mixed_up() -> Statistics:
    """Images of two publishers on one topic: half of them find no partner."""
    counted = statistics()
    counted.drop("rgb", "UNMATCHED", 30)
    return counted


@pytest.mark.parametrize(
    ("counted", "changes", "level", "message"),
    [
        (statistics(), {}, OK, "30.0 pairs/s"),
        (statistics(), {"exchanged": "seem to be exchanged"}, WARN, "seem to be exchanged"),
        (statistics(), {"rig": RigEvent(0, Finding.CONTRADICTED, "0.1 m apart")}, WARN, "0.1 m apart"),
        (statistics(), {"rig": RigEvent(0, Finding.KNOWN, "known")}, OK, "30.0 pairs/s"),
        (statistics(thermal=9), {}, OK, "9.0 pairs/s"),
        (statistics(), {"state": "inactive"}, WARN, "ros2 lifecycle set /distillmatch activate"),
        (statistics(), {"state": "unconfigured", "error": "no file"}, ERROR, "unconfigured: no file"),
        (statistics(thermal=0), {}, STALE, "no messages on /thermal/image for 100 s, despite 1 publisher(s)"),
        (
            statistics(thermal=0),
            {"since": NOW - SECOND},
            WARN,
            "last second: the cameras are slower than 1 Hz",
        ),
        (statistics(thermal=0), {"publishers": {}}, STALE, "it has no publisher; start the thermal camera"),
        (
            statistics(thermal=0),
            {"publishers": {Sensor.VISIBLE: {IMAGE: 1}, Sensor.THERMAL: {"std_msgs/msg/String": 1}}},
            ERROR,
            "its publisher sends std_msgs/msg/String, which is no image; remap thermal/image",
        ),
        (
            mixed_up(),
            {"publishers": {Sensor.VISIBLE: {IMAGE: 2}, Sensor.THERMAL: {IMAGE: 1}}},
            WARN,
            "/rgb/image has 2 publishers, whose images are mixed up",
        ),
        (  # one of them was killed, and is known for a while yet
            statistics(),
            {"publishers": {Sensor.VISIBLE: {IMAGE: 2}, Sensor.THERMAL: {IMAGE: 1}}},
            OK,
            "30.0 pairs/s",
        ),
        (
            statistics(thermal=0),
            {"incompatible_qos": {Sensor.THERMAL: "reliability"}},
            ERROR,
            "set qos_overrides./thermal/image.subscription.reliability",
        ),
        (
            statistics(skew=None),
            {"timing": timing(-5 * SECOND)},
            ERROR,
            "no pairs: stamps are 5 s apart, set thermal_offset to 5.000 or pairing: arrival",
        ),
        (statistics(skew=None), {}, ERROR, "no pairs: none is stamped within 0.025 s"),
        (statistics(status=Status.FEW_MATCHES), {}, WARN, "30 pairs: mostly FEW_MATCHES"),
        (statistics(status=Status.STALE_THERMAL), {}, WARN, "thermal image is frozen"),
        (statistics(status=Status.STALE_VISIBLE), {}, WARN, "visible image is frozen"),
        (statistics(status=Status.FIXED), {}, OK, "30.0 pairs/s"),
        (statistics(status=None), {}, WARN, "last second: the engine needs longer than that for one"),
        (
            statistics(status=None),
            {"missing_infos": dict.fromkeys(MATCHED, "")},
            ERROR,
            "rgb/camera_info and thermal/c",
        ),
        (statistics(), {"missing_infos": {Sensor.THERMAL: ""}}, WARN, "thermal/camera_info, so that these"),
        (
            statistics(),
            {"missing_infos": {Sensor.THERMAL: "K is wrong"}},
            WARN,
            "camera_info (K is wrong), so",
        ),
    ],
)
def test_diagnosis(counted: Statistics, changes: dict[str, Any], level: int, message: str) -> None:
    found = diagnose(counted.take(NOW), replace(ACTIVE, **changes), Parameters(), NOW)
    assert message in found.message
    assert found.level == level


def test_a_calibration_that_has_just_come_is_not_called_missing() -> None:
    counted = statistics(status=None)
    counted.drop("pair", "CAMERA_INFO")
    waiting = replace(ACTIVE, missing_infos={Sensor.THERMAL: ""})
    report = counted.take(NOW)
    assert "undistort: nothing usable on thermal/" in diagnose(report, waiting, Parameters(), NOW).message
    assert "undistort" not in diagnose(report, ACTIVE, Parameters(), NOW).message


def gappy(*, lost: Sensor, skew: int | None) -> Statistics:
    """A second in which two of three frames of one sensor did not come."""
    counted = Statistics(NOW - SECOND)
    for index in range(30):
        for sensor in MATCHED:
            if sensor is not lost or index % 9 < 3:
                counted.receive(sensor, index * SECOND // 30, NOW - SECOND // 2)
    if skew is not None:
        counted.pair(skew)
        counted.register(registration(Status.OK), {"engine": 20.0, "age": 25.0})
    return counted


@pytest.mark.parametrize(("skew", "level"), [(None, ERROR), (0, WARN)])
@pytest.mark.parametrize("sensor", MATCHED)
def test_lost_images_are_no_matter_of_clocks(sensor: Sensor, skew: int | None, level: int) -> None:
    condition = replace(ACTIVE, timing=timing(-SECOND // 10))
    report = gappy(lost=sensor, skew=skew).take(NOW)
    found = diagnose(report, condition, Parameters(), NOW)
    assert found.level == level
    assert f"of the images of {TOPICS[sensor]} are lost between publisher and node" in found.message
    assert before_a_command(shipped()) in found.message
    assert "offset" not in found.message
    assert 55 <= int(figures(report, condition)[f"{sensor.namespace} lost [%]"]) <= 75


def test_a_slow_engine_is_told_from_lost_images() -> None:
    counted = Statistics(NOW - SECOND)
    for index in range(30):
        for sensor in MATCHED:
            counted.receive(sensor, index * SECOND // 30, NOW - SECOND // 2)
        counted.pair(0)
        if index % 5 == 0:
            counted.register(registration(Status.OK), {"engine": 150.0, "age": 180.0})
        else:
            counted.drop("pair", "SUPERSEDED")
    found = diagnose(counted.take(NOW), ACTIVE, Parameters(), NOW)
    assert (found.level, found.message.partition(":")[0]) == (OK, "6.0 pairs/s of 30.0")
    assert "the engine is slower than the cameras" in found.message


def test_an_engine_that_catches_up_is_not_called_slow() -> None:
    """2.0 pairs/s of 1.0: those of the second before were registered in this one too."""
    counted = Statistics(NOW - SECOND)
    for sensor in MATCHED:
        counted.receive(sensor, 0, NOW - SECOND // 2)
    counted.pair(0)
    for _ in range(2):
        counted.register(registration(Status.OK), {"engine": 150.0, "age": 180.0})
    counted.drop("pair", "SUPERSEDED")
    assert diagnose(counted.take(NOW), ACTIVE, Parameters(), NOW).message == "2.0 pairs/s"


def test_unusable_images_are_quoted() -> None:
    counted = statistics()
    counted.drop("rgb", "UNUSABLE", 3)
    found = diagnose(counted.take(NOW), replace(ACTIVE, unusable="step 5 is too small"), Parameters(), NOW)
    assert (found.level, found.message) == (WARN, "3 unusable: step 5 is too small")


def test_report_is_of_its_period_and_drops_add_up() -> None:
    counted = Statistics(0)
    counted.receive(Sensor.VISIBLE, 7, SECOND // 2)
    counted.drop("thermal", "UNMATCHED", 2)
    counted.register(registration(Status.OK), {"engine": 10.0})
    counted.register(registration(Status.OK), {"engine": 30.0})
    counted.publish(["overlay"])
    first = counted.take(2 * SECOND)
    assert (first.seconds, first.statuses, first.published) == (
        2.0,
        Counter({Status.OK: 2}),
        Counter(overlay=1),
    )
    assert first.inputs[Sensor.VISIBLE] == Input(1, 7, SECOND // 2)
    assert first.latency_ms["engine"] == Percentiles(20.0, 29.0)
    assert figures(first, ACTIVE)["overlay out [Hz]"] == "0.5"
    counted.drop("thermal", "UNMATCHED")
    second = counted.take(3 * SECOND)
    assert not second.statuses
    assert not second.latency_ms
    assert second.inputs[Sensor.VISIBLE] == Input(0, 7, SECOND // 2)
    assert second.drops == Counter({("thermal", "UNMATCHED"): 1})
    assert figures(second, ACTIVE)["dropped thermal UNMATCHED"] == "3"
