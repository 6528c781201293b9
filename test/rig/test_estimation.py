from time import perf_counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.simulated_rig import RIG, THERMAL, VISIBLE, drive, grid

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.street_rig import corner_error
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.rig.estimation import FrameMatches, fit_own, fit_rig, in_half_widths, shared_of
from distillmatch_ros.rig.projection import project


def errors(fit_mapping: object, true: object) -> np.ndarray:
    return np.hypot(*(fit_mapping.to_visible(grid()) - true.to_visible(grid())).T)  # type: ignore[attr-defined]


def worst(sizes: tuple[object, object], frames: int, **kind: float) -> float:
    """The mapping's error at its 95th percentile over images and depths, px of 960."""
    seen = drive(frames, **kind)  # type: ignore[arg-type]
    fit = fit_rig(seen.matches, *sizes)  # type: ignore[arg-type]
    gaps = [
        errors(fit.rig.on_plane(own[:3], own[3:]), RIG.on_plane(plane))
        for own, plane in zip(fit.own, seen.planes, strict=True)
    ]
    return float(np.percentile(gaps, 95))


def test_a_rig_is_found_from_noisy_matches() -> None:
    assert worst((THERMAL, VISIBLE), 24) < 1.0


@pytest.mark.slow
def test_exact_matches_give_the_exact_mapping() -> None:
    assert worst((THERMAL, VISIBLE), 20, noise_px=0.0, wrong=0.0) < 0.15


def test_given_cameras_are_kept_and_help() -> None:
    fit = fit_rig(drive(6).matches, RIG.thermal, RIG.visible)
    assert fit.rig.thermal is RIG.thermal and fit.rig.visible is RIG.visible
    assert fit.rig.origins["visible focal length"] == "given"
    assert worst((RIG.thermal, RIG.visible), 6) < 1.0


def test_a_frame_that_was_not_learned_from_needs_one_number() -> None:
    rig = fit_rig(drive(24).matches, THERMAL, VISIBLE).rig
    other = drive(8, seed=5)
    for own, plane in zip(fit_own(rig, other.matches), other.planes, strict=True):
        assert np.percentile(errors(rig.on_plane(own[:3]), RIG.on_plane(plane)), 95) < 1.2


@pytest.mark.slow
def test_a_shift_of_each_frame_is_found() -> None:
    seen = drive(24, wrong=0.0, noise_px=0.5)
    shifts = np.random.default_rng(1).normal(0, 8, (24, 2))
    moved = [FrameMatches(m.thermal, m.visible + s) for m, s in zip(seen.matches, shifts, strict=True)]
    plain, shifted = (fit_rig(moved, THERMAL, VISIBLE, numbers) for numbers in (1, 5))
    assert shifted.cost < 0.2 * plain.cost
    gaps = (shifted.own[:, 3:] - shifted.own[:, 3:].mean(axis=0)) * shifted.rig.visible.matrix[0, 0]
    assert np.corrcoef(gaps[:, 1], shifts[:, 1])[0, 1] > 0.9  # along the baseline, depth does the same


def test_derivatives_are_those_of_the_equation() -> None:
    rng = np.random.default_rng(0)
    shared = np.array([0.7, 0.5, 0, 0, 0, 1, 0.2, 0.1, -0.2, 0.1, -0.1, 0.05])
    own, thermal, beside = (
        rng.normal(0, 0.1, (3, 5)),
        rng.uniform(-1, 1, (3, 7, 2)),
        rng.normal(0, 0.05, (3, 7)),
    )
    measured = np.where(rng.random((3, 7)) < 0.5, rng.uniform(0.05, 0.3, (3, 7)), np.nan)
    model = project(shared, np.eye(3), own, thermal, beside, measured)
    for index in range(12):
        change = 1e-6 * np.eye(12)[index]
        turn = np.asarray(cv2.Rodrigues(change[2:5])[0], np.float64)
        there = project(shared + change, turn, own, thermal, beside, measured).places
        np.testing.assert_allclose((there - model.places) / 1e-6, model.by_shared[..., index], atol=1e-4)
    for index in range(5):
        there = project(shared, np.eye(3), own + 1e-6 * np.eye(5)[index], thermal, beside, measured).places
        np.testing.assert_allclose((there - model.places) / 1e-6, model.by_own[..., index], atol=1e-4)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2))
def test_lenses_that_fold_back_give_numbers_without_overflow(k1: float, k2: float, focal: float) -> None:
    # Steps of a fit come by such lenses.
    shared = np.array([focal, 0.5, 0, 0, 0, 1, 0.2, 0.1, k1, k2, -0.1, 0.05])
    places = np.stack(np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)), axis=-1).reshape(1, -1, 2)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        model = project(shared, np.eye(3), np.zeros((1, 5)), places)
    assert np.isfinite(model.places).all()
    assert np.isfinite(model.derivatives).all()


def test_a_measured_depth_is_that_along_the_visible_axis() -> None:
    rig = RIG.with_baseline(0.5)
    thermal = np.random.default_rng(0).uniform((50, 50), np.array(THERMAL[::-1]) - 50, (20, 2))
    points = rig.T_visible_thermal.apply(rig.thermal.unproject(thermal) * np.linspace(2, 9, 20)[:, None])
    shared = shared_of(rig)
    shared[8:] = 0  # the points are straight
    own, rotation = np.zeros((1, 5)), rig.T_visible_thermal.rotation
    places = in_half_widths(thermal, rig.thermal)[None]
    seen = project(shared, rotation, own, places, measured=1 / points[None, :, 2]).places[0]
    np.testing.assert_allclose(
        seen * VISIBLE[1] / 2, points[:, :2] / points[:, 2:] * rig.visible.matrix[0, 0], atol=1e-6
    )


def test_relief_that_is_always_in_the_same_place_does_not_bend_the_lenses() -> None:
    rng, matches = np.random.default_rng(0), []
    for depth in rng.uniform(0.01, 0.03, 12):
        thermal = rng.uniform((0, 0), THERMAL[::-1], (150, 2))
        rays = RIG.thermal.unproject(thermal)
        walls = (
            depth + 0.05 * np.abs(rays[:, 0]) + 0.05 * np.maximum(rays[:, 1], 0)
        )  # a street: road and houses
        pose = RIG.T_visible_thermal
        points = rays @ pose.rotation.T + walls[:, None] * pose.translation
        matches.append(FrameMatches(thermal, RIG.visible.project(points) + rng.normal(0, 0.4, (150, 2))))
    fit = fit_rig(matches, THERMAL, VISIBLE)
    assert corner_error(RIG, fit.rig.at(float(np.median(fit.own[:, 2])))) < 0.6


def test_equal_matches_give_equal_rigs_and_few_are_rejected() -> None:
    one, other = (fit_rig(drive(5).matches, THERMAL, VISIBLE).rig for _ in range(2))
    np.testing.assert_array_equal(one.T_visible_thermal.rotation, other.T_visible_thermal.rotation)
    with pytest.raises(DistillMatchError, match="too few"):
        fit_rig(drive(2).matches, THERMAL, VISIBLE)
    nothing = FrameMatches(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(DistillMatchError, match="too few"):
        fit_rig([nothing] * 9, THERMAL, VISIBLE)
    np.testing.assert_array_equal(fit_own(RIG, [nothing], 5), np.zeros((1, 5)))


@pytest.mark.slow
def test_a_hundred_frames_take_five_seconds() -> None:
    matches = drive(100).matches
    start = perf_counter()
    fit_rig(matches, THERMAL, VISIBLE)
    assert perf_counter() - start < 15  # 5 s on one core; three times that on a shared one


def test_fisheye_is_taken_by_its_camera() -> None:
    fisheye = Camera(VISIBLE, RIG.visible.matrix, np.array([0.02, 0, 0, 0]), "equidistant")
    matches = []
    for frame in drive(8, wrong=0.0).matches:
        rays = RIG.visible.unproject(frame.visible)
        matches.append(FrameMatches(frame.thermal, fisheye.project(rays)))
    fit = fit_rig(matches, RIG.thermal, fisheye)
    np.testing.assert_allclose(fit.rig.T_visible_thermal.rotation, RIG.T_visible_thermal.rotation, atol=0.006)
