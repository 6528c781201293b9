"""Evaluation: the quadrilaterals, the corner error, the area under the recall curve, what counts as wrong."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.accuracy import Score, area_under_recall, compare, evaluate
from distillmatch_ros.evaluation.warped import (
    HARD,
    PRESETS,
    RIG,
    SMALL,
    WIDE,
    Preset,
    read_aligned,
    sample_quad,
    trials,
)
from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.images.pairs import PairPaths, read_folder

SHIFT_BY_30 = np.array([(1, 0, 30), (0, 1, 0), (0, 0, 1)], np.float64)


def smooth_noise(seed: int, shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pairs whose two sides are the same picture."""
    for side in ("visible", "thermal"):
        (tmp_path / side).mkdir()
        for seed, name in enumerate("abc"):
            cv2.imwrite(str(tmp_path / side / f"{name}.png"), smooth_noise(seed))
    return tmp_path


class Oracle:
    """Knows the trials that are to come, and answers with the truth followed by a given motion."""

    def __init__(
        self, pairs: list[PairPaths], preset: Preset, seed: int, warps: int, motion: np.ndarray
    ) -> None:
        self._answers = iter(
            motion @ trial.truth
            for pair in pairs
            for trial in trials(*read_aligned(pair), pair.visible.stem, preset, seed, warps)
        )

    def __call__(self, visible: np.ndarray, thermal: np.ndarray) -> np.ndarray:
        assert thermal.shape[:2] == (512, 640)
        return next(self._answers)


@pytest.mark.parametrize(
    ("errors", "threshold", "expected"),
    [
        ([0, 0, 0], 3, 100),
        ([np.inf, np.inf], 10, 0),
        ([], 10, 0),
        # One error in the middle: a ramp to 1 over half of the range, then level.
        ([5], 10, 75),
        # Recall 0 -> 1/2 on [0, 2], 1/2 -> 1 on [2, 4], 1 on [4, 10]: 0.5 + 1.5 + 6.
        ([4, 2], 10, 80),
        # The rejection halves the recall; an error at the threshold does not count.
        ([2, np.inf], 10, 45),
        ([10, 2], 10, 45),
    ],
)
def test_area_under_recall_by_hand(errors: list[float], threshold: float, expected: float) -> None:
    assert area_under_recall(np.array(errors, np.float64), threshold) == pytest.approx(expected)


@given(st.lists(st.floats(0, 40) | st.just(np.inf), min_size=1, max_size=30), st.sampled_from([3, 5, 10, 20]))
def test_area_under_recall_is_the_integral_of_the_joined_points(
    errors: list[float], threshold: float
) -> None:
    finite = sorted(error for error in errors if error < threshold)
    grid = np.linspace(0, threshold, 4001)
    recall = np.interp(grid, [0, *finite], np.arange(len(finite) + 1) / len(errors))
    riemann = 100 * np.mean((recall[1:] + recall[:-1]) / 2)
    assert area_under_recall(np.array(errors), threshold) == pytest.approx(riemann, abs=0.1)


def test_score_counts_refusals_and_wrong_ones_apart() -> None:
    score = Score.of("m", "rig", [1.0, 9.0, 20.0, 20.1, np.inf, None, None])
    assert (score.trials, score.rejections, score.wrong) == (7, 2, 2)
    assert score.median_px == 20.1
    assert score.under_10_px == pytest.approx(100 * 2 / 7)
    assert Score.of("m", "rig", [1.0, None, None]).median_px == np.inf


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
@given(seed=st.integers(0, 2**32), width=st.integers(32, 2000), height=st.integers(32, 2000))
def test_quads_lie_inside_and_keep_to_the_preset(preset: Preset, seed: int, width: int, height: int) -> None:
    quad = sample_quad(np.random.default_rng(seed), preset, width, height)
    last = np.array([width - 1, height - 1])
    assert (quad >= 0).all() and (quad <= last).all()
    # The mean of the corners is the shifted centre plus the mean jitter.
    assert (np.abs(quad.mean(axis=0) / last - 0.5) <= preset.shift + preset.jitter + 1e-9).all()
    assert cv2.isContourConvex(quad.astype(np.float32)) and cv2.contourArea(quad.astype(np.float32), True) > 0


def test_without_jitter_a_quad_is_the_image_scaled_rotated_and_shifted() -> None:
    preset = dataclasses.replace(HARD, jitter=0)
    for seed in range(50):
        quad = sample_quad(np.random.default_rng(seed), preset, 641, 513)
        top, right = quad[1] - quad[0], quad[2] - quad[1]
        assert top @ right == pytest.approx(0, abs=1e-6)
        side = np.linalg.norm(top) / 640
        assert 0.5 <= side <= 0.8
        assert np.linalg.norm(right) / 512 == pytest.approx(side)
        assert abs(np.degrees(np.arctan2(top[1], top[0]))) <= 25


def test_thermal_camera_sees_the_quad_without_borders() -> None:
    ramp = np.tile(np.arange(1000, 1300, dtype=np.uint16), (200, 1))
    for trial in trials(ramp, ramp, "a", HARD, 0, 5):
        assert trial.thermal.shape == (512, 640) and trial.thermal.dtype == np.uint16
        y, x = np.mgrid[0:512, 0:640].reshape(2, -1)
        mapped = trial.truth @ np.stack([x, y, np.ones_like(x)])
        seen = 1000 + (mapped[0] / mapped[2]).reshape(512, 640)
        np.testing.assert_allclose(trial.thermal, seen, atol=1)


@pytest.mark.parametrize("preset", [SMALL, WIDE], ids=lambda preset: preset.name)
def test_other_cameras_see_what_the_truth_says(preset: Preset) -> None:
    ramp = np.tile(np.arange(0, 6500, 5, dtype=np.uint16), (1000, 1))
    for trial in trials(ramp, ramp, "a", preset, 0, 5):
        assert trial.thermal.shape[::-1] == preset.size
        (height, width), (thermal_height, thermal_width) = trial.visible.shape, trial.thermal.shape
        inside = (
            transform(trial.truth, np.array([[thermal_width / 2, thermal_height / 2]])).round().astype(int)
        )
        shown = int(trial.thermal[thermal_height // 2, thermal_width // 2])
        assert abs(int(trial.visible[inside[0, 1], inside[0, 0]]) - shown) <= 20
        ends = transform(trial.truth, trial.points)
        if preset is WIDE:  # errors are measured where both cameras see
            np.testing.assert_allclose(ends, corners((height, width)), atol=1e-6)
            assert (trial.points >= -0.5).all() and (trial.points <= np.array(preset.size)).all()
            assert np.ptp(trial.points, axis=0) == pytest.approx(np.array(preset.size) / 1.5, rel=0.2)
        shift = np.array([[1.0, 0, 3], [0, 1, 4], [0, 0, 1]])
        assert trial.corner_error(shift @ trial.truth) == pytest.approx(5 * 640 / width)


def test_a_finer_image_is_blurred_before_it_is_sampled() -> None:
    checkerboard = (np.indices((1536, 1920)).sum(axis=0) % 2 * 255).astype(np.uint8)
    (trial,) = trials(checkerboard, checkerboard, "a", RIG, 0, 1)
    assert trial.thermal.std() < 25


def test_the_truth_scores_100(folder: Path) -> None:
    pairs = read_folder(folder)
    score = evaluate(Oracle(pairs, RIG, 3, 2, np.eye(3)), pairs, RIG, seed=3, warps=2)
    assert score.trials == 6 and score.median_px == pytest.approx(0, abs=1e-6)
    assert score.auc_3 == pytest.approx(100, abs=1e-4) and score.wrong == score.rejections == 0


def test_error_is_told_in_pixels_of_a_640_wide_image_and_wrong_beyond_20(folder: Path) -> None:
    pairs = read_folder(folder)
    score = evaluate(Oracle(pairs, HARD, 0, 3, SHIFT_BY_30), pairs, HARD)
    assert score.median_px == pytest.approx(30 * 640 / 160)
    assert score.wrong == score.trials == 9 and score.auc_20 == 0


@pytest.mark.parametrize("homography", [np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_a_homography_that_maps_nowhere_is_wrong_not_rejected(folder: Path, homography: np.ndarray) -> None:
    score = evaluate(lambda visible, thermal: homography, read_folder(folder), warps=1)
    assert score.median_px == np.inf and (score.wrong, score.rejections) == (3, 0)


def test_adding_a_pair_changes_no_other(folder: Path) -> None:
    def truths(pairs: list[PairPaths], seed: int, warps: int) -> dict[str, np.ndarray]:
        return {
            pair.visible.stem: np.array(
                [trial.truth for trial in trials(*read_aligned(pair), pair.visible.stem, RIG, seed, warps)]
            )
            for pair in pairs
        }

    pairs = read_folder(folder)
    every, last = truths(pairs, 1, 3), truths(pairs[2:], 1, 2)
    np.testing.assert_array_equal(every["c"][:2], last["c"])
    assert not np.allclose(every["a"], every["b"])
    assert not np.allclose(every["a"], truths(pairs[:1], 2, 3)["a"])


def test_compare_gives_every_method_the_same_trials_and_reports_what_it_cannot_use(folder: Path) -> None:
    (folder / "thermal" / "a.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "thermal" / "b.png"), smooth_noise(1, (60, 80)))
    seen: dict[str, list[int]] = {"one": [], "two": []}

    def method(name: str):
        return lambda visible, thermal: seen[name].append(int(thermal.astype(np.int64).sum()))

    ticks: list[None] = []
    report = compare(
        {name: method(name) for name in seen},
        read_folder(folder),
        warps=2,
        on_pair=lambda: ticks.append(None),
    )
    assert [(score.preset, score.method) for score in report.scores] == [
        ("rig", "one"),
        ("rig", "two"),
        ("hard", "one"),
        ("hard", "two"),
    ]
    assert seen["one"] == seen["two"] and len(set(seen["one"])) == 4
    assert all(score.rejections == score.trials == 2 for score in report.scores)
    assert report.pairs == len(ticks) == 3
    assert [Path(pair.thermal).name for pair in report.unreadable] == ["a.png", "b.png"]
    assert "equal size" in report.unreadable[1].reason


def test_evaluate_stops_at_a_pair_it_cannot_use(folder: Path) -> None:
    cv2.imwrite(str(folder / "visible" / "b.png"), smooth_noise(1, (1, 1)))
    cv2.imwrite(str(folder / "thermal" / "b.png"), smooth_noise(1, (1, 1)))
    with pytest.raises(DistillMatchError, match="at least 32 px"):
        evaluate(lambda visible, thermal: None, read_folder(folder))
