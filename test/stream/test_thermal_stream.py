"""Thermal streams: when one stands still, and the range that overlays show."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.gain_control import Range, range_of, stretch, to_8bit
from distillmatch_ros.stream.thermal_stream import FrozenDetector, RangeFilter


def thermal(image: np.ndarray, seconds: float) -> Frame:
    return Frame(image, "16UC1", round(seconds * SECOND), "thermal")


NOISE = np.random.default_rng(0).integers(7000, 7400, (512, 640)).astype(np.uint16)


def test_frozen_once_the_picture_stays_for_long_enough() -> None:
    detector = FrozenDetector(0.4)
    detector.update(thermal(NOISE + np.uint16(3), 2.9))
    verdicts = [detector.update(thermal(NOISE.copy(), 3 + 0.1 * n)) for n in range(7)]
    assert verdicts == [False] * 4 + [True] * 3
    assert not detector.update(thermal(NOISE + np.uint16(1), 3.7))


def closed_shutter(spoil: Callable[[np.ndarray, int], np.ndarray]) -> list[bool]:
    """A camera of 9 Hz whose shutter closes from 1 s to 3 s, while something in its pictures goes on."""
    generator, detector, verdicts = np.random.default_rng(5), FrozenDetector(0.4), []
    picture = NOISE
    for n in range(45):
        if not 9 <= n < 27:
            picture = NOISE + generator.integers(0, 5, NOISE.shape, np.uint16)
        verdicts.append(detector.update(thermal(spoil(picture.copy(), n), n / 9)))
    return verdicts


def telemetry(image: np.ndarray, n: int) -> np.ndarray:
    image[-2:] = n * 111
    return image


def clock(image: np.ndarray, n: int) -> np.ndarray:
    image[5:25, 10:90] = 40_000 * (np.random.default_rng(n).random((20, 80)) < 0.3)
    return image


@pytest.mark.parametrize("spoil", [lambda image, n: image, telemetry, clock])
def test_closed_shutter_shows_behind_telemetry_and_clocks(
    spoil: Callable[[np.ndarray, int], np.ndarray],
) -> None:
    verdicts = closed_shutter(spoil)
    assert not any(verdicts[:9]) and not any(verdicts[28:])
    assert sum(verdicts[9:28]) >= 12


def test_nan_that_stays_is_frozen_too() -> None:
    image = NOISE.astype(np.float32)
    image[:64, :64] = np.nan
    detector = FrozenDetector(0.1)
    detector.update(thermal(image, 0))
    assert detector.update(thermal(image.copy(), 2))


@pytest.mark.parametrize(("hz", "published"), [(1, 10), (8.7, 30), (9, 60)])
def test_a_sensor_may_keep_its_own_pace(hz: float, published: float) -> None:
    detector, generator = FrozenDetector(0.1), np.random.default_rng(0)
    pictures = [NOISE + generator.integers(0, 5, NOISE.shape, np.uint16) for _ in range(60)]
    steps = range(int(4 * published))
    assert not any(detector.update(thermal(pictures[int(n / published * hz)], n / published)) for n in steps)
    stopped = [detector.update(thermal(pictures[59], 4 + n / published)) for n in steps]
    assert any(stopped)


def test_a_simulator_that_stands_still_is_not_frozen() -> None:
    rendered = np.full((240, 320), 29_000, np.uint16)
    rendered[100:, 50:200] = 30_500
    detector = FrozenDetector(0.4)
    assert not any(detector.update(thermal(rendered.copy(), n / 10)) for n in range(100))
    textured = NOISE.copy()  # noise-free all the same: only what moves changes
    moving = FrozenDetector(0.4)
    for n in range(5):
        frame = textured.copy()
        frame[50:130, 20 * n : 20 * n + 80] = 31_000
        moving.update(thermal(frame, n / 10))
    assert not any(moving.update(thermal(frame.copy(), 1 + n / 10)) for n in range(60))


def test_a_slow_camera_published_fast_is_not_frozen() -> None:
    detector = FrozenDetector(0.4)
    pictures = [NOISE + np.uint16(n) for n in range(10)]
    assert not any(detector.update(thermal(pictures[n * 9 // 30], n / 30)) for n in range(30))


def test_frozen_detection_can_be_off_and_follows_clock_resets() -> None:
    off = FrozenDetector(0.0)
    assert not any(off.update(thermal(NOISE, n)) for n in range(9))
    detector = FrozenDetector(0.4)
    assert [detector.update(thermal(NOISE, at)) for at in (50, 0, 0.3, 1.6)] == [False, False, False, True]


def updated(ranges: RangeFilter, image: np.ndarray, seconds: float) -> Range:
    return ranges.update(range_of(image), int(seconds * SECOND))


def test_overlay_range_does_not_flicker_but_follows() -> None:
    ranges = RangeFilter()
    hot = NOISE.copy()
    hot[:100] += 4000
    shown = [updated(ranges, hot if n % 2 else NOISE, n / 30) for n in range(30)]
    assert max(abs(a[2] - b[2]) for a, b in pairwise(shown)) < 250  # of 4000
    for n in range(300):
        settled = updated(ranges, NOISE, 1 + n / 30)
    own = updated(RangeFilter(), NOISE, 0)
    np.testing.assert_allclose(settled, own, atol=1)
    np.testing.assert_array_equal(stretch(NOISE, own), to_8bit(NOISE))


def test_overlay_range_restarts_with_another_scene_and_time() -> None:
    ranges = RangeFilter()
    first = updated(ranges, NOISE, 5)
    assert updated(ranges, NOISE + np.uint16(9000), 5.03)[0] == first[0] + 9000
    assert updated(ranges, NOISE + np.uint16(9100), 1)[0] == first[0] + 9100
