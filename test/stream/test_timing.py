"""Frames without partners: the cause is named, and the setting that is advised makes pairs."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.stream.assembly import make_synchroniser
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.timing import Timing
from distillmatch_ros.stream.waiting import Arrival

START = 1_700_000_000 * SECOND
MS = SECOND // 1000
Event = tuple[int, Sensor, int]
Stamp = Callable[[int], int]


def events(
    visible: Stamp = lambda taken: taken,
    thermal: Stamp = lambda taken: taken,
    *,
    seconds: float = 10.0,
    rates: tuple[float, float] = (30.0, 30.0),
    later: int = 2 * MS,
    jitter: float = 0.2 * MS,
) -> list[Event]:
    """When frames were received, whose, and how they were stamped; ``later``: the thermal frames' receipt."""
    rng, found = np.random.default_rng(1), []
    for sensor, stamp, rate, delay in zip(MATCHED, (visible, thermal), rates, (0, later), strict=True):
        for index in range(int(seconds * rate)):
            taken = START + int(index * SECOND / rate)
            found.append((taken + delay + int(rng.normal(0, jitter)), sensor, stamp(taken)))
    return sorted(found)


def pairs(frames: list[Event], parameters: Parameters) -> int:
    synchroniser = make_synchroniser(parameters)
    found = sum(len(synchroniser.add(sensor, Arrival(stamp, at, None))) for at, sensor, stamp in frames)
    return found + len(synchroniser.flush())


def diagnosed(frames: list[Event], parameters: Parameters | None = None) -> str | None:
    parameters = parameters or Parameters()
    timing = Timing()
    for received, sensor, stamp in frames:
        timing.receive(sensor, stamp, received)
    fewest = min(sum(sensor is each for _, sensor, _ in frames) for each in MATCHED)
    return timing.unpaired(pairs(frames, parameters), fewest, parameters)


def advised(text: str) -> list[dict[str, Any]]:
    """The settings that a diagnosis names, one after the other."""
    (told,) = re.findall(r"set (.*?) \(", text)
    changes = []
    for each in told.split(" or "):
        found = re.findall(r"(pairing|thermal_offset|tolerance)(?:: | to )(\S+)", each)
        changes.append({name: value if name == "pairing" else float(value) for name, value in found})
    return changes


SINCE_BOOT = 1_699_999_000 * SECOND


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (events(thermal=lambda taken: taken - SINCE_BOOT), "stamps are 1.7e+09 s apart"),
        (events(thermal=lambda _: 0), "thermal stamps are constant at 0 s: the driver does not stamp"),
        (events(visible=lambda _: 5 * SECOND), "visible stamps are constant at 5 s"),
        (
            events(lambda _: 0, lambda _: 0),
            "visible stamps are constant at 0 s and thermal stamps are constant",
        ),
        (events(thermal=lambda taken: taken + 45 * MS, rates=(10, 10)), "stamps are 0.043 s apart"),
        (events(thermal=lambda taken: taken + 10 * SECOND, rates=(30, 9)), "stamps are 10 s apart"),
        (
            events(thermal=lambda taken: START + 5 * SECOND + int((taken - START) * 1.002), seconds=60),
            "set pairing: arrival or thermal_offset",
        ),
        (
            events(thermal=lambda taken: taken + 40 * MS, rates=(10, 10), later=40 * MS),
            "set tolerance to 0.048",
        ),
    ],
)
def test_cause_is_named_and_the_advice_makes_pairs(frames: list[Event], expected: str) -> None:
    text = diagnosed(frames)
    assert text is not None and expected in text and "times of receipt are usable" in text
    for change in advised(text):
        some = [event for event in frames if event[0] < START + 5 * SECOND]
        fewest = min(sum(sensor is each for _, sensor, _ in some) for each in MATCHED)
        if "drifts" not in text or "pairing" in change:  # one offset does not serve for long there
            assert pairs(some, Parameters().changed(change)) >= 0.9 * fewest


def test_offset_and_drift_come_with_their_certainty() -> None:
    timing = Timing()
    frames = events(
        thermal=lambda taken: taken - 3 * SECOND + int((taken - START) * 50e-6), seconds=120, later=0
    )
    for received, sensor, stamp in frames:
        timing.receive(sensor, stamp, received)
    clocks = timing.clocks()
    assert clocks is not None and clocks.drifts and clocks.drift_ppm is not None
    assert abs(clocks.offset + 3.0) < 0.01 and 1e-4 < clocks.offset_std < 1e-3
    assert abs(clocks.drift_ppm - 50) < 4 * (clocks.drift_std_ppm or 0) < 5


def test_steady_clocks_do_not_drift() -> None:
    timing = Timing()
    for received, sensor, stamp in events(seconds=60):
        timing.receive(sensor, stamp, received)
    clocks = timing.clocks()
    assert clocks is not None and not clocks.drifts


def test_times_of_receipt_that_say_nothing_are_told() -> None:
    half = SECOND // 2
    burst = [
        (-(-at // half) * half, sensor, stamp + 10 * SECOND * (sensor is Sensor.THERMAL))
        for at, sensor, stamp in events()
    ]
    text = diagnosed(burst)
    assert text is not None and "times of receipt are unusable" in text and "off by whole frames" in text
    (change,) = advised(text)
    assert pairs(burst, Parameters().changed(change)) > 200


def test_recordings_one_after_the_other() -> None:
    text = diagnosed(events(later=60 * SECOND))
    assert text is not None and "came 50.0 s after the last one of the visible camera" in text


def test_camera_without_images() -> None:
    text = diagnosed([event for event in events() if event[1] is Sensor.VISIBLE])
    assert text is not None and "no image of the thermal camera came" in text


def test_wrong_settings_are_found_too() -> None:
    for wrong in ({"thermal_offset": 3.0}, {"pairing": "arrival", "thermal_offset": -1.0}):
        parameters = Parameters().changed(wrong)
        text = diagnosed(events(), parameters)
        assert text is not None
        assert all(pairs(events(), parameters.changed(change)) > 270 for change in advised(text))


def test_nothing_to_say_where_frames_pair() -> None:
    assert diagnosed(events()) is None
    assert diagnosed(events(rates=(30, 9))) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(2**40), 2**40), st.sampled_from(MATCHED), st.integers(0, 2**62)),
        min_size=1,
        max_size=60,
    )
)
def test_any_times_are_diagnosed(frames: list[Event]) -> None:
    timing = Timing()
    for received, sensor, stamp in frames:
        timing.receive(sensor, stamp, received)
    assert timing.unpaired(0, 1, Parameters())
    timing.clocks()
