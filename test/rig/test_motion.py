"""The offset between two streams, from pictures that move as one: the thermal stamps are late or early."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bags import texture

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.rig.motion import MotionMeter, TimeOffset, time_offset

RATE = 20.0


def yaw(time: np.ndarray) -> np.ndarray:
    """How far a picture has moved, px: a robot that turns to and fro."""
    return 12 * np.sin(2 * time) + 7 * np.sin(5.3 * time + 1) + 3 * np.sin(11 * time)


def metered(scene: np.ndarray, times: np.ndarray, stamps: np.ndarray, invert: bool) -> np.ndarray:
    meter = MotionMeter()
    for time, stamp in zip(times, stamps, strict=True):
        move = np.array([[1, 0, -60 - float(yaw(time))], [0, 1, -20 - 0.2 * float(yaw(time))]])
        view = cv2.warpAffine(scene, move, (160, 128))
        meter.add(255 - view if invert else view, round(stamp * SECOND))
    return meter.speeds


@pytest.mark.parametrize("late", [0.0, 0.08, -0.13])
def test_late_stamps_are_found_from_motion(late: float) -> None:
    times = np.arange(0, 8, 1 / RATE)
    scene, other = texture(1, (180, 300)), texture(2, (180, 300))
    visible = metered(scene, times, times + 1000, invert=False)
    thermal = metered(other, times + 0.013, times + 0.013 + 1000 + late, invert=True)
    found = time_offset(visible, thermal)
    assert found is not None
    assert abs(found.seconds + late) < max(3 * found.deviation, 0.008)
    assert found.differs_from(0.0) == (late != 0.0)


@settings(max_examples=6, deadline=None)
@given(st.floats(-0.4, 0.4), st.integers(0, 99))
def test_any_offset_of_noisy_speeds(offset: float, seed: int) -> None:
    rng, times = np.random.default_rng(seed), np.arange(0, 30, 0.07)
    speeds = np.column_stack([np.gradient(yaw(times), 0.07), np.zeros(len(times))])
    noisy = [np.column_stack([times, speeds + rng.normal(0, 3, speeds.shape)]) for _ in range(2)]
    noisy[1][:, 0] -= offset
    found = time_offset(*noisy)
    assert found is not None and abs(found.seconds - offset) < 0.02


def test_motion_that_does_not_tell_tells_nothing() -> None:
    times = np.arange(0, 20, 0.1)
    rng = np.random.default_rng(0)
    still = np.column_stack([times, np.zeros((len(times), 2))])
    assert time_offset(still, still) is None
    apart = [np.column_stack([times, rng.normal(0, 1, (len(times), 2))]) for _ in range(2)]
    assert time_offset(*apart) is None
    moving = np.column_stack([times, yaw(times), yaw(times)])
    assert time_offset(moving[:20], moving) is None
    assert not TimeOffset(0.004, 0.001, 0.9).differs_from(0.0)


def test_repeated_stamps_and_other_sizes_are_no_motion() -> None:
    meter = MotionMeter()
    for stamp, size in ((0, (64, 80)), (0, (64, 80)), (SECOND, (90, 80)), (2 * SECOND, (90, 80))):
        meter.add(texture(3, size), stamp)
    assert meter.speeds.shape == (1, 3) and abs(meter.speeds[0, 1]) < 0.1
