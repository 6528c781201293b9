"""Streams whose images repeat: slow sensors, closed shutters, cameras that hang."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.registration.status import Status
from distillmatch_ros.stream.repetition import Freshness, FrozenDetector, RepeatWatch


def thermal(image: np.ndarray, seconds: float) -> Frame:
    return Frame(image, "16UC1", round(seconds * SECOND), "thermal")


def is_frozen(detector: FrozenDetector, frame: Frame) -> bool:
    return detector.update(frame) is Freshness.FROZEN


NOISE = np.random.default_rng(0).integers(7000, 7400, (512, 640)).astype(np.uint16)


def test_frozen_once_the_picture_stays_for_long_enough() -> None:
    detector = FrozenDetector(0.4)
    detector.update(thermal(NOISE + np.uint16(3), 2.9))
    verdicts = [is_frozen(detector, thermal(NOISE.copy(), 3 + 0.1 * n)) for n in range(7)]
    assert verdicts == [False] * 4 + [True] * 3
    assert not is_frozen(detector, thermal(NOISE + np.uint16(1), 3.7))


def closed_shutter(spoil: Callable[[np.ndarray, int], np.ndarray]) -> list[bool]:
    """A camera of 9 Hz whose shutter closes from 1 s to 3 s, while something in its pictures goes on."""
    generator, detector, verdicts = np.random.default_rng(5), FrozenDetector(0.4), []
    picture = NOISE
    for n in range(45):
        if not 9 <= n < 27:
            picture = NOISE + generator.integers(0, 5, NOISE.shape, np.uint16)
        verdicts.append(is_frozen(detector, thermal(spoil(picture.copy(), n), n / 9)))
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
    assert is_frozen(detector, thermal(image.copy(), 2))


@pytest.mark.parametrize(("hz", "published"), [(1, 10), (8.7, 30), (9, 60)])
def test_a_sensor_may_keep_its_own_pace(hz: float, published: float) -> None:
    detector, generator = FrozenDetector(0.1), np.random.default_rng(0)
    pictures = [NOISE + generator.integers(0, 5, NOISE.shape, np.uint16) for _ in range(60)]
    steps = range(int(4 * published))
    assert not any(
        is_frozen(detector, thermal(pictures[int(n / published * hz)], n / published)) for n in steps
    )
    stopped = [is_frozen(detector, thermal(pictures[59], 4 + n / published)) for n in steps]
    assert any(stopped)


def test_a_simulator_that_stands_still_is_not_frozen() -> None:
    rendered = np.full((240, 320), 29_000, np.uint16)
    rendered[100:, 50:200] = 30_500
    detector = FrozenDetector(0.4)
    assert not any(is_frozen(detector, thermal(rendered.copy(), n / 10)) for n in range(100))
    textured = NOISE.copy()  # noise-free all the same: only what moves changes
    moving = FrozenDetector(0.4)
    for n in range(5):
        frame = textured.copy()
        frame[50:130, 20 * n : 20 * n + 80] = 31_000
        moving.update(thermal(frame, n / 10))
    assert not any(is_frozen(moving, thermal(frame.copy(), 1 + n / 10)) for n in range(60))


def test_a_slow_camera_published_fast_is_not_frozen() -> None:
    detector = FrozenDetector(0.4)
    pictures = [NOISE + np.uint16(n) for n in range(10)]
    assert not any(is_frozen(detector, thermal(pictures[n * 9 // 30], n / 30)) for n in range(30))


def test_frozen_detection_can_be_off_and_follows_clock_resets() -> None:
    off = FrozenDetector(0.0)
    assert not any(is_frozen(off, thermal(NOISE, n)) for n in range(9))
    detector = FrozenDetector(0.4)
    assert [is_frozen(detector, thermal(NOISE, at)) for at in (50, 0, 0.3, 1.6)] == [
        False,
        False,
        False,
        True,
    ]


SCENE = cv2.GaussianBlur(np.random.default_rng(1).random((400, 900)).astype(np.float32), (0, 0), 6)
SCENE = np.clip(60_000 * (SCENE - SCENE.min()) / np.ptp(SCENE), 0, 65_535).astype(np.uint16)


def seen(at: int, seconds: float, seed: int) -> Frame:
    """A camera that has panned so far, with its own noise."""
    noise = np.random.default_rng(seed).integers(0, 500, (240, 320)).astype(np.uint16)
    return thermal(SCENE[80:320, at : at + 320] // 2 + noise, seconds)


def statuses(visible: Callable[[int], Frame], heat: Callable[[int], Frame], pairs: int = 40) -> list[str]:
    watch = RepeatWatch(0.4)
    return [str(watch.update(visible(n), heat(n))) for n in range(pairs)]


def restamped(frame: Frame, n: int) -> Frame:
    return replace(frame, stamp=round(n / 20 * SECOND))


def test_a_visible_camera_that_hangs_while_the_thermal_one_pans_is_stale() -> None:
    def hung(n: int) -> Frame:
        return restamped(seen(8 * min(n, 10), 0, min(n, 10)), n)

    said = statuses(hung, lambda n: seen(8 * n, n / 20, 100 + n))
    assert said[:11] == ["None"] * 11
    assert set(said[11:18]) == {"REPEATED"} and set(said[18:]) == {str(Status.STALE_VISIBLE)}


def test_a_still_visible_image_is_in_order_where_nothing_moves() -> None:
    still = seen(100, 0, 7)
    said = statuses(lambda n: restamped(still, n), lambda n: seen(100, n / 20, 100 + n))
    assert said == ["None"] * 40


def test_both_images_of_a_simulator_may_stand_still() -> None:
    rendered = np.full((240, 320), 29_000, np.uint16)
    rendered[100:, 50:200] = 30_500
    assert statuses(lambda n: thermal(rendered, n / 20), lambda n: thermal(rendered, n / 20)) == ["None"] * 40


@pytest.mark.parametrize("step", [0, 8])
def test_repeats_of_a_slow_thermal_camera_count_only_while_panning(step: int) -> None:
    said = statuses(
        lambda n: seen(step * n, n / 20, n),
        lambda n: restamped(seen(step * (n // 3 * 3), 0, 100 + n // 3), n),
    )
    repeated = "REPEATED" if step else "None"
    assert said == [repeated if n % 3 else "None" for n in range(40)]


def hangs(depth: Callable[[int], np.ndarray], view: Callable[[int], Frame], pairs: int = 40) -> list[bool]:
    """What is said of depth at 20 Hz beside what the RGB camera sees."""
    watch = RepeatWatch(0.4)
    return [
        watch.depth_hangs(Frame(depth(n), "32FC1", round(n / 20 * SECOND), "rgb"), view(n))
        for n in range(pairs)
    ]


PANNED = cv2.resize(SCENE, (1800, 800)).astype(np.float32) / 10_000 + 0.5


def panned(n: int) -> np.ndarray:
    """Depth without noise of a camera that pans, metres."""
    return PANNED[100:340, 8 * n : 8 * n + 320].copy()


def panning(n: int) -> Frame:
    return seen(8 * n, n / 20, n)


def test_depth_that_hangs_while_the_rgb_camera_pans_is_noticed_until_it_goes_on() -> None:
    said = hangs(lambda n: panned(n if n < 10 or n > 30 else 10), panning)
    assert not any(said[:13]) and all(said[13:31]) and not any(said[31:])


def test_depth_that_never_changes_is_noticed_once_the_camera_has_moved() -> None:
    assert hangs(lambda n: panned(0), panning) == [n >= 30 for n in range(40)]


def test_depth_without_noise_may_stay_where_nothing_moves() -> None:
    assert not any(hangs(lambda n: panned(0), lambda n: seen(100, n / 20, n), pairs=100))


def test_slow_depth_that_is_sent_again_does_not_hang() -> None:
    assert not any(hangs(lambda n: panned(n // 4 * 4), panning))


@pytest.mark.parametrize("known", [0.01, 0.2])
def test_depth_that_is_known_in_few_pixels_does_not_hang(known: float) -> None:
    def sparse(n: int) -> np.ndarray:
        return np.where(np.random.default_rng(n).random((240, 320)) < known, panned(n), np.float32(np.nan))

    assert not any(hangs(sparse, panning))


def test_depth_is_watched_unless_that_is_off() -> None:
    watch = RepeatWatch(0.0)
    depth = [Frame(panned(0), "32FC1", round(n / 20 * SECOND), "rgb") for n in range(40)]
    assert not any(watch.depth_hangs(each, panning(n)) for n, each in enumerate(depth))
    watch = watch.with_seconds(0.4)
    assert watch.depth_hangs(replace(depth[-1], stamp=3 * SECOND), panning(39))
