import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.edge_scenes import THERMAL, TRUTH, VISIBLE, blocks, thermal_of

from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.registration.alignment import Aligner, Alignment
from distillmatch_ros.registration.gate import Gate


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
