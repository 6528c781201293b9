import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.registration.alignment import Aligner, Alignment
from distillmatch_ros.registration.gate import Gate

VISIBLE, THERMAL = (360, 480), (256, 320)
TRUTH = np.array([[1.1, 0.06, 40.0], [-0.05, 1.05, 30.0], [5e-5, 4e-5, 1.0]])


def blocks(seed: int) -> np.ndarray:
    """Overlapping rectangles of many sizes and directions."""
    generator = np.random.default_rng(seed)
    image = np.full(VISIBLE, 127, np.uint8)
    for size in np.linspace(90, 8, 150).astype(int):
        centre = generator.uniform(0, VISIBLE[1]), generator.uniform(0, VISIBLE[0])
        extent = generator.uniform(size / 2, size, 2)
        box = cv2.boxPoints((centre, tuple(extent), generator.uniform(0, 90)))
        cv2.fillConvexPoly(image, box.astype(np.int32), int(generator.integers(0, 256)))
    return image


def thermal_of(visible: np.ndarray, truth: np.ndarray = TRUTH) -> np.ndarray:
    """Half of the tones negative, blurred, noisy."""
    tones = np.concatenate([np.linspace(200, 20, 128), np.linspace(60, 240, 128)]).astype(np.uint8)
    seen = cv2.warpPerspective(visible, truth, THERMAL[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    soft = cv2.GaussianBlur(tones[seen].astype(np.float32), (0, 0), 1.2)
    return np.clip(soft + np.random.default_rng(0).normal(0, 4, THERMAL), 0, 255).astype(np.uint8)


def error(found: Alignment) -> float:
    gaps = transform(found.homography, corners(THERMAL)) - transform(TRUTH, corners(THERMAL))
    return float(np.hypot(*gaps.T).max())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(-5, 5), st.floats(-0.02, 0.02))
def test_small_errors_are_mended(seed: int, x: float, y: float, turn: float) -> None:
    visible = blocks(seed)
    off = np.array([[1, -turn, x], [turn, 1, y], [0, 0, 1]])
    found = Aligner(thermal_of(visible)).align(visible, off @ TRUTH)
    assert error(found) < 1.5
    assert found.peak_prominence > Gate().sure_peak_prominence
    assert found.homography[2, 2] == 1


def test_wrong_places_and_other_scenes_have_no_contrast() -> None:
    wrong = 0
    for seed in range(20):
        visible = blocks(seed)
        aligner = Aligner(thermal_of(visible))
        beside = np.array([[1.0, 0, 60], [0, 1, -45], [0, 0, 1]])
        wrong += aligner.align(visible, beside @ TRUTH).peak_prominence > Gate().min_peak_prominence
        wrong += aligner.align(blocks(100 + seed), TRUTH).peak_prominence > Gate().min_peak_prominence
    assert wrong <= 1


@pytest.mark.parametrize("period", [20, 32, 48])
def test_a_pattern_that_repeats_itself_has_rivals_and_a_scene_has_none(period: int) -> None:
    """Windows in rows: one period off, the edges lie on each other as well as in place."""
    rows, columns = (np.arange(side) % period < 0.6 * period for side in VISIBLE)
    windows = np.where(rows[:, None] & columns, 50, 170).astype(np.uint8)
    off = np.array([[1.0, 0, period], [0, 1, 0], [0, 0, 1]])
    plain = np.array([[1.0, 0, 80], [0, 1, 50], [0, 0, 1]])
    found = Aligner(thermal_of(windows, plain)).align(windows, off @ plain)
    assert found.peak_prominence > Gate().sure_peak_prominence
    assert found.second_peak_ratio > Gate().max_second_peak_ratio
    assert Aligner(thermal_of(blocks(0))).align(blocks(0), TRUTH).second_peak_ratio < 0.8


def test_sizes_of_the_images_do_not_matter() -> None:
    visible = blocks(3)
    larger = cv2.resize(visible, (960, 720), interpolation=cv2.INTER_LINEAR)
    doubled = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]]) @ TRUTH
    found = Aligner(thermal_of(visible)).align(larger, doubled)
    gaps = transform(found.homography, corners(THERMAL)) - transform(doubled, corners(THERMAL))
    assert np.hypot(*gaps.T).max() < 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("visible", [np.zeros(VISIBLE, np.uint8), blocks(1)])
@pytest.mark.parametrize("thermal", [np.zeros(THERMAL, np.uint8), thermal_of(blocks(1))])
def test_images_without_edges_have_no_contrast_and_move_nothing(
    visible: np.ndarray, thermal: np.ndarray
) -> None:
    found = Aligner(thermal).align(visible, TRUTH)
    assert np.isfinite(found.homography).all()
    if visible.any() and thermal.any():
        assert found.peak_prominence > Gate().sure_peak_prominence
    else:
        assert abs(found.peak_prominence) < 1e-6
        assert error(found) < 1e-6
