"""Depth as it comes: units, holes, sizes, a camera or a LiDAR of its own."""

import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.parallax import true_rig
from distillmatch_ros.rig.depth_image import from_camera, from_points, inverse_depth_of, registered
from distillmatch_ros.scene import SyntheticPair


def test_millimetres_and_metres_say_the_same() -> None:
    metres = np.linspace(0.5, 20, 48).reshape(6, 8)
    np.testing.assert_allclose(inverse_depth_of(metres), 1 / metres, rtol=1e-6)
    millimetres = (1000 * metres).astype(np.uint16)
    np.testing.assert_allclose(inverse_depth_of(millimetres), 1 / metres, rtol=2e-3)


def test_what_is_no_distance_is_a_hole_and_infinity_is_far() -> None:
    found = inverse_depth_of(np.array([[np.nan, 0, -1, -np.inf, np.inf, 2]], np.float32))
    np.testing.assert_array_equal(found, [[np.nan, np.nan, np.nan, np.nan, 0, 0.5]])
    assert np.isnan(inverse_depth_of(np.zeros((4, 4), np.uint16))).all()


def test_values_that_no_sensor_measures_are_holes_or_far() -> None:
    found = inverse_depth_of(np.array([[1, 19, 65535, 2000, 2000]], np.uint16))
    np.testing.assert_array_equal(found, [[np.nan, np.nan, np.nan, 0.5, 0.5]])
    found = inverse_depth_of(np.array([[1e-40, 1e-3, 3e38, 2, 2, 2]]))
    np.testing.assert_array_equal(found, [[np.nan, np.nan, 0, 0.5, 0.5, 0.5]])


def test_noise_is_an_error_and_holes_among_far_things_are_none() -> None:
    rng = np.random.default_rng(0)
    smooth = np.tile(np.linspace(1, 9, 200, dtype=np.float32), (200, 1))
    far = np.where(
        rng.random(smooth.shape) < 0.3, np.inf, smooth * (1 + 0.05 * rng.standard_normal(smooth.shape))
    )
    assert (inverse_depth_of(far) == 0).mean() == pytest.approx(0.3, abs=0.02)
    for noise in (rng.uniform(0.5, 10, smooth.shape), smooth.byteswap()):
        with pytest.raises(DistillMatchError, match=r"^depth: "):
            inverse_depth_of(noise)


@pytest.mark.parametrize(
    "depth",
    [
        np.full((4, 4), 2500.0, np.float32),  # millimetres
        np.full((4, 4), 2.0).astype(np.uint16),  # metres
        np.full((4, 4), 2, np.uint8),
        np.full((4, 4), 2, np.int32),
        np.full((4, 4, 3), 2.0),
    ],
    ids=["float in mm", "integers in m", "8 bits", "32 bits", "three channels"],
)
def test_another_unit_or_kind_is_an_error_that_names_depth(depth: np.ndarray) -> None:
    with pytest.raises(DistillMatchError, match=r"^depth: "):
        inverse_depth_of(depth)


def test_half_the_resolution_covers_the_same_view(room: SyntheticPair) -> None:
    exact = 1 / room.visible_depth
    half = registered(room.visible_depth[::2, ::2], exact.shape)
    assert half.shape == exact.shape
    assert np.mean(np.abs(half - exact) < 0.02 * exact) > 0.97


def test_another_view_is_an_error_with_both_sizes() -> None:
    with pytest.raises(DistillMatchError, match=r"depth: .*320x200.*640x480"):
        registered(np.full((200, 320), 2.0), (480, 640))
    with pytest.raises(DistillMatchError, match=r"depth: .*32x24.*640x480"):
        registered(np.full((24, 32), 2.0), (480, 640))


def test_a_depth_camera_of_its_own_says_what_the_visible_one_would(room: SyntheticPair) -> None:
    rig = true_rig(room)  # as if the thermal camera measured depth
    found = from_camera(room.depth, rig.thermal, rig.T_visible_thermal, rig.visible)
    known = np.isfinite(found)
    covered = np.isfinite(room.visible_truth.places[..., 0])
    assert known[covered].mean() > 0.98
    assert known[~covered & ~room.visible_truth.hidden].mean() < 0.02
    assert np.mean(np.abs(found * room.visible_depth - 1)[known & covered] < 0.02) > 0.97
    with pytest.raises(DistillMatchError, match=r"100x80.*640x512"):
        from_camera(np.ones((80, 100)), rig.thermal, rig.T_visible_thermal, rig.visible)


def test_points_of_a_lidar_stand_for_their_surroundings(room: SyntheticPair) -> None:
    rig = true_rig(room)
    rows, columns = np.mgrid[4:720:12, 4:960:6].reshape(2, -1)
    rays = rig.visible.unproject(np.column_stack([columns, rows]))
    points = rays * room.visible_depth[rows, columns, None]
    lidar = rig.T_visible_thermal.inverse()  # it stands where the thermal camera does
    cloud = np.vstack([lidar.apply(points), [[np.nan] * 3, [1.0, 1.0, -3.0]]])
    found = from_points(cloud, rig.T_visible_thermal, rig.visible)
    known = np.isfinite(found)
    assert known.mean() > 0.9
    assert np.mean(np.abs(found * room.visible_depth - 1)[known] < 0.05) > 0.9
    nothing = np.zeros((500, 3))  # rays without a return
    np.testing.assert_array_equal(
        from_points(np.vstack([cloud, nothing]), rig.T_visible_thermal, rig.visible), found
    )
    alone = from_points(cloud[:1], rig.T_visible_thermal, rig.visible)
    assert 0 < np.isfinite(alone).mean() < 0.01
