"""A mapping carries points, readings and pictures across, and says where nothing corresponds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.geometry.mapping import HomographyMapping

VISIBLE, THERMAL = (120, 160), (64, 80)
SHIFT = np.array([[1.25, 0.05, 20.3], [-0.03, 1.2, 15.6], [1e-4, -5e-5, 1.0]])
MAPPING = HomographyMapping(SHIFT, THERMAL, VISIBLE)
HOMOGRAPHIES = st.tuples(
    st.tuples(st.floats(0.6, 2), st.floats(-0.3, 0.3), st.floats(-40, 60)),
    st.tuples(st.floats(-0.3, 0.3), st.floats(0.6, 2), st.floats(-40, 60)),
    st.tuples(st.floats(-1e-3, 1e-3), st.floats(-1e-3, 1e-3)),
).map(lambda rows: np.array([rows[0], rows[1], [*rows[2], 1.0]]))


def readings(dtype: type, size: tuple[int, int]) -> np.ndarray:
    values = (29000 + np.random.default_rng(0).permutation(size[0] * size[1]).reshape(size)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        values[30, 40] = np.nan
    return values


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_readings_are_kept(dtype: type) -> None:
    thermal = readings(dtype, THERMAL)
    warped, seen = MAPPING.warp_thermal(thermal), MAPPING.mask
    assert (warped.shape, warped.dtype) == (VISIBLE, dtype)
    outside = np.nan if np.dtype(dtype).kind == "f" else 0  # 0 may be a reading in floating point
    np.testing.assert_array_equal(warped[~seen], np.full((~seen).sum(), outside))
    assert 0.35 < seen.mean() < 0.45
    kept = warped[seen]
    assert np.isin(kept[np.isfinite(kept)], thermal).all()
    assert np.isnan(kept).sum() <= 4  # about one pixel stays about one pixel
    y, x = 70, 90
    column, row = MAPPING.to_thermal(np.array([[x, y]]))[0]
    assert warped[y, x] == thermal[round(row), round(column)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_visible_image_arrives_in_the_thermal_frame(dtype: type) -> None:
    ys, xs = np.mgrid[: VISIBLE[0], : VISIBLE[1]]
    colours = np.dstack([xs, ys, np.full(VISIBLE, 7)]).astype(dtype)
    warped = MAPPING.warp_visible(colours)
    assert (warped.shape, warped.dtype) == ((*THERMAL, 3), dtype)
    rows, columns = np.nonzero(MAPPING.thermal_mask)
    wanted = MAPPING.to_visible(np.stack([columns, rows], axis=1))
    assert np.abs(warped[rows, columns, :2] - wanted).max() <= 0.55 and (warped[rows, columns, 2] == 7).all()


def test_only_pixels_that_both_see_are_in_the_masks() -> None:
    shifted = HomographyMapping(np.array([[1.0, 0, -30], [0, 1, 10], [0, 0, 1]]), THERMAL, VISIBLE)
    assert shifted.mask.sum() == shifted.thermal_mask.sum() == 50 * 64
    assert shifted.mask[10:74, :50].all() and shifted.thermal_mask[:, 30:].all()


def test_8_bit_pictures_are_smooth_up_to_their_border() -> None:
    ramp = np.tile(np.arange(80, dtype=np.uint8) * 2, (64, 1))
    warped = HomographyMapping(np.diag([2.0, 2.0, 1.0]), THERMAL, (128, 160)).warp_thermal(ramp)
    np.testing.assert_array_equal(warped[64, 40:46], [40, 41, 42, 43, 44, 45])
    even = MAPPING.warp_thermal(np.full(THERMAL, 200, np.uint8))
    assert (even[MAPPING.mask] == 200).all() and (even[~MAPPING.mask] == 0).all()


def test_colour_mapped_thermal_keeps_its_channels() -> None:
    colours = np.dstack([np.full(THERMAL, value, np.uint8) for value in (10, 120, 240)])
    warped = MAPPING.warp_thermal(colours)
    assert warped.shape == (*VISIBLE, 3)
    assert set(map(tuple, warped.reshape(-1, 3))) == {(0, 0, 0), (10, 120, 240)}


@given(HOMOGRAPHIES)
@settings(max_examples=40, deadline=None)
def test_the_mask_is_what_maps_back_into_the_thermal_frame(homography: np.ndarray) -> None:
    ys, xs = np.mgrid[: VISIBLE[0], : VISIBLE[1]]
    back = transform(np.linalg.inv(homography), np.stack([xs.ravel(), ys.ravel()], axis=1))
    outside = np.maximum(-0.5 - back, back - (THERMAL[1] - 0.5, THERMAL[0] - 0.5)).max(axis=1)
    clear = np.abs(outside) > 0.05  # OpenCV rounds to 1/32 px
    mask = HomographyMapping(homography, THERMAL, VISIBLE).mask
    np.testing.assert_array_equal(mask.ravel()[clear], (outside < 0)[clear])


@given(HOMOGRAPHIES, st.tuples(st.floats(-200, 400), st.floats(-200, 400)))
@settings(max_examples=100, deadline=None)
def test_points_come_back_or_correspond_to_nothing(homography: np.ndarray, point: tuple) -> None:
    mapping = HomographyMapping(homography, THERMAL, VISIBLE)
    there = mapping.to_visible(np.array([point]))
    depth = homography[2] @ (*point, 1.0)
    assert np.isnan(there).all() if depth <= 0 else np.isfinite(there).all()
    if depth > 0.1:
        np.testing.assert_allclose(mapping.to_thermal(there)[0], point, atol=1e-5)


def test_nothing_corresponds_beyond_the_horizon() -> None:
    tilted = HomographyMapping(np.array([[1.0, 0, 0], [0, 1, 0], [0, -0.01, 1]]), THERMAL, VISIBLE)
    points = np.array([[0.0, 50], [0, 99], [0, 100], [0, 150], [np.nan, 0]])
    assert np.isnan(tilted.to_visible(points)).all(axis=1).tolist() == [False, False, True, True, True]
    assert np.isnan(tilted.to_thermal(np.array([[0.0, -150], [0, 50]]))).all(axis=1).tolist() == [True, False]
