"""A homography that swings with the pictures' motion tells the latency; one that moves otherwise does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.rig.motion import TimeOffset
from distillmatch_ros.rig.swing import LIKELY_S, Swing

HZ = 10.0
TO_VISIBLE = np.array([[2.0, 0.1], [-0.1, 2.0]])


def way(seconds: np.ndarray, period_s: float = 4.0) -> np.ndarray:
    """Where the scene is in the visible picture of cameras that turn to and fro, (N, 2), reference pixels."""
    angle = 2 * np.pi * np.asarray(seconds) / period_s
    return np.stack([120 * np.cos(angle), 15 * np.sin(1.7 * angle)], axis=-1)


def swung(
    late_s: float, seconds: float = 4.0, noise_px: float = 1.0, moved: np.ndarray | float = 0.0
) -> Swing:
    """Pairs of a camera that is late by a time, the thermal one if above 0."""
    times = np.arange(round(seconds * HZ)) / HZ
    visible, thermal = way(times - max(-late_s, 0.0)), way(times - max(late_s, 0.0))
    noise = np.random.default_rng(0).normal(0, noise_px, visible.shape)
    swing = Swing()
    for time, seen, heat, centre in zip(
        times, visible, thermal @ np.linalg.inv(TO_VISIBLE).T, visible - thermal + noise + moved, strict=True
    ):
        swing.add(float(time), seen, heat, centre, TO_VISIBLE)
    return swing


@given(st.floats(0.1, 0.45), st.sampled_from([-1, 1]))
def test_the_latency_of_either_camera_is_told(late_s: float, sign: int) -> None:
    offset = swung(sign * late_s).offset()
    assert offset is not None and offset.seconds == pytest.approx(-sign * late_s, abs=0.03)
    assert offset.differs_from(0.0)


def test_it_is_told_within_a_second() -> None:
    offset = swung(0.3, seconds=0.9).offset()
    assert offset is not None and offset.seconds == pytest.approx(-0.3, abs=0.1)


def test_cameras_that_turn_after_a_rest_tell_it_with_the_first_pairs_that_are_displaced() -> None:
    times = np.arange(23) / HZ
    turned, seen = (np.maximum(0.0, times - late - 2.0) ** 2 * 600 for late in (0.0, 0.1))
    swing = Swing()
    for time, visible, moved in zip(times, turned, turned - seen, strict=True):
        x = np.array([1.0, 0.0])
        thermal = (visible - moved) * x @ np.linalg.inv(TO_VISIBLE).T
        swing.add(float(time), visible * x, thermal, moved * x, TO_VISIBLE)
    offset = swing.offset()
    assert offset is not None and offset.seconds == pytest.approx(-0.1, abs=0.02)
    assert offset.differs_from(0.0) and turned[-1] - seen[-1] == pytest.approx(18.0)


@given(st.floats(0.1, 0.4), st.sampled_from([-1, 1]), st.floats(1.0, 4.0))
def test_an_offset_displaces_the_last_pair_by_what_has_been_seen_meanwhile(
    late_s: float, sign: int, seconds: float
) -> None:
    last = (round(seconds * HZ) - 1) / HZ
    here, before = way(np.array([last, last - late_s]))
    displaced = swung(sign * late_s, seconds).displacement_px(-sign * late_s)
    assert displaced == pytest.approx(float(np.hypot(*(here - before))), abs=4.0)
    assert Swing().displacement_px(late_s) is None


@given(st.integers(0, 100))
def test_cameras_in_time_swing_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 2.0, (40, 2))
    assert swung(0.0, moved=noise).offset() is None


def test_a_knock_and_a_scene_that_comes_nearer_are_no_latency() -> None:
    times = np.arange(40)[:, None] / HZ
    assert swung(0.0, moved=60.0 * (times > 2.5)).offset() is None
    assert swung(0.0, moved=30.0 * np.abs(times - 2.0) * (1.0, 0.0)).offset() is None


@given(st.integers(2, 20))
def test_a_knock_of_cameras_at_rest_is_no_latency(rests: int) -> None:
    swing = Swing()
    for number in range(rests + 6):
        knocked = np.array([20.0, 0.0]) * (number >= rests)
        swing.add(number / HZ, np.zeros(2), -knocked @ np.linalg.inv(TO_VISIBLE).T, knocked, TO_VISIBLE)
        assert swing.offset() is None and swing.suspected() is None


def test_what_was_found_stays_while_cameras_rest_and_goes_when_they_turn_in_time() -> None:
    found = TimeOffset(-0.3, 0.03, 0.99)
    resting = Swing()
    for number in range(20):
        resting.add(number / HZ, np.zeros(2), np.zeros(2), np.zeros(2), TO_VISIBLE)
    assert resting.offset(found) is found
    assert swung(0.0).offset(found) is None


def test_a_gap_begins_anew() -> None:
    swing = swung(0.3)
    swing.add(10.0, np.zeros(2), np.zeros(2), np.zeros(2), TO_VISIBLE)
    assert swing.offset() is None


def test_the_time_of_pairs_without_a_gap_is_known() -> None:
    assert Swing().span_s == 0
    assert swung(0.3, seconds=1.0).span_s == pytest.approx(0.9)


def test_latencies_are_excluded_once_motion_has_changed() -> None:
    assert swung(0.0, seconds=0.1).longest() == LIKELY_S  # one pair
    assert swung(0.0, seconds=2.0).longest() < 0.1
    late = swung(0.3, seconds=2.0).longest()
    assert late == pytest.approx(0.3, abs=0.03)


@given(st.floats(20.0, 300.0))
def test_an_even_turn_excludes_no_latency(speed: float) -> None:
    swing = Swing()
    for number in range(12):
        moved = np.array([speed * number / HZ, 0.0])
        swing.add(number / HZ, moved, moved @ np.linalg.inv(TO_VISIBLE).T, np.zeros(2), TO_VISIBLE)
    assert swing.longest() == pytest.approx(LIKELY_S)


def test_a_latency_that_differs_from_pair_to_pair_is_suspected_not_told() -> None:
    times = np.arange(40) / HZ
    late = np.random.default_rng(1).uniform(0.0, 0.2, 40)
    swing = Swing()
    for time, seen, heat in zip(times, way(times), way(times - late), strict=True):
        swing.add(float(time), seen, heat @ np.linalg.inv(TO_VISIBLE).T, seen - heat, TO_VISIBLE)
    suspected = swing.suspected()
    assert swing.offset() is None and suspected is not None
    assert suspected.seconds == pytest.approx(-0.1, abs=0.05)
    assert swung(0.0).suspected() is None


@given(st.integers(1, 4))
def test_few_pairs_deny_nothing(pairs: int) -> None:
    found = TimeOffset(-0.3, 0.03, 0.99)
    assert swung(0.0, seconds=pairs / HZ).offset(found) is found
