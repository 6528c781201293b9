"""Lost images show as gaps in the stamps, whatever the camera's rate; pauses, jitter and clocks do not."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.ros.gaps import INTERVALS, PAUSE, StampGaps


def lost(stamps: np.ndarray) -> float:
    gaps = StampGaps()
    for stamp in stamps:
        gaps.add(int(stamp))
    return gaps.lost


def stream(rate: float, count: int, jitter: float = 0.0, seed: int = 0) -> np.ndarray:
    """Stamps of a camera, ns; jitter is a standard deviation in periods."""
    noise = np.random.default_rng(seed).normal(0, jitter, count)
    return np.sort((np.arange(count) + 100 + noise) * SECOND / rate)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([7.5, 9.0, 25.0, 30.0, 60.0]), st.floats(0.4, 0.6), st.integers(0, 1000))
@example(30.0, 0.6, 25)  # three of the intervals evaluated are whole: as many as a tenth
@example(7.5, 0.4609375, 275)  # 0.21 of those that are evaluated, by chance
def test_the_fraction_of_lost_images_is_found(rate: float, fraction: float, seed: int) -> None:
    """The fraction among the images that are evaluated: among so few it strays far from the camera's own."""
    came = np.random.default_rng(seed).random(400) >= fraction
    stamps = stream(rate, 400, 0.02, seed)[came]
    steps = np.diff(np.flatnonzero(came))[np.diff(stamps) <= PAUSE][-INTERVALS:]
    assert lost(stamps) == pytest.approx(1 - len(steps) / steps.sum(), abs=0.001)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([7.5, 9.0, 30.0, 60.0]), st.floats(0, 0.1), st.integers(0, 1000))
def test_a_stream_that_jitters_loses_nothing(rate: float, jitter: float, seed: int) -> None:
    assert lost(stream(rate, 100, jitter, seed)) < 0.2


def test_a_shutter_and_a_camera_that_stops_are_no_loss() -> None:
    stamps = stream(30, 40)
    for pause in (SECOND // 2, 60 * SECOND):
        assert lost(np.concatenate([stamps[:25], stamps[25:] + pause])) == 0


def test_stamps_that_come_late_twice_or_from_a_clock_set_back_say_nothing() -> None:
    stamps = stream(30, 60)
    assert lost(np.repeat(stamps, 2)) == 0
    assert lost(stamps.reshape(-1, 2)[:, ::-1].ravel()[1:]) <= 0.5
    assert lost(np.concatenate([stamps + 3600 * SECOND, stamps])) == 0


def test_a_few_images_say_nothing() -> None:
    assert lost(stream(30, 5)[[0, 2, 4]]) == 0
