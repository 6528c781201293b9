import cv2
import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE, camera, grid

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.geometry.mapping import HomographyMapping, ImageMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.model import RigModel

PLANE = np.array([0.01, -0.02, 0.06])


def test_points_in_space_are_mapped_to_where_the_visible_camera_sees_them() -> None:
    rays = RIG.thermal.unproject(grid())
    points = rays / (rays @ PLANE)[:, None]  # on the plane, in baselines
    expected = RIG.visible.project(RIG.T_visible_thermal.apply(points))
    np.testing.assert_allclose(RIG.on_plane(PLANE).to_visible(grid()), expected, atol=1e-6)


@pytest.mark.parametrize("plane", [np.zeros(3), PLANE], ids=["far", "near"])
def test_points_come_back(plane: np.ndarray) -> None:
    mapping: ImageMapping = RIG.on_plane(plane)
    np.testing.assert_allclose(mapping.to_thermal(mapping.to_visible(grid())), grid(), atol=1e-5)


def test_parallax_is_the_baseline_times_the_inverse_depth() -> None:
    straight = RigModel(camera(VISIBLE, 800), camera(THERMAL, 700), Pose(np.eye(3), np.array([1.0, 0, 0])))
    gap = straight.at(0.05).to_visible(grid()) - straight.at(0.0).to_visible(grid())
    np.testing.assert_allclose(gap, np.tile([800 * 0.05, 0], (len(gap), 1)), atol=1e-9)


def test_without_distortion_it_is_the_homography_of_the_plane() -> None:
    rig = RigModel(camera(VISIBLE, 800), camera(THERMAL, 700), RIG.T_visible_thermal)
    mapping = rig.on_plane(PLANE)
    flat = HomographyMapping(mapping.homography, THERMAL, VISIBLE)
    np.testing.assert_allclose(flat.to_visible(grid()), mapping.to_visible(grid()), atol=1e-3)
    image = np.random.default_rng(0).integers(0, 255, THERMAL, np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3)
    different = np.abs(flat.warp_thermal(image).astype(int) - mapping.warp_thermal(image))
    assert np.median(different) <= 1 and (flat.mask != mapping.mask).mean() < 2e-3


def test_closest_homography_is_closer_than_that_of_the_rays() -> None:
    mapping = RIG.on_plane(PLANE)
    between_pixels = RIG.visible.matrix @ mapping.between_rays @ np.linalg.inv(RIG.thermal.matrix)
    inner = grid()
    true = mapping.to_visible(inner)
    near, far = (
        np.hypot(*(transform(h, inner) - true).T).mean() for h in (mapping.homography, between_pixels)
    )
    assert near < far / 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_warped_values_are_those_of_the_points(dtype: type) -> None:
    rows, columns = np.mgrid[: THERMAL[0], : THERMAL[1]]
    mapping = RIG.on_plane(PLANE)
    warped = mapping.warp_thermal((columns // 4).astype(dtype)).astype(np.float64)
    assert warped.shape == VISIBLE
    places = np.array([[x, y] for x in range(200, 800, 60) for y in range(100, 450, 50)])
    expected = mapping.to_thermal(places)
    shown = mapping.mask[places[:, 1], places[:, 0]]
    assert shown.mean() > 0.7
    values = warped[places[:, 1], places[:, 0]]
    np.testing.assert_allclose(values[shown], (expected[shown, 0] - 1.5) / 4, atol=0.9)
    outside = warped[~mapping.mask]
    assert (np.isnan(outside) if dtype is np.float32 else outside == 0).all()
    assert mapping.warp_visible(np.zeros((*VISIBLE, 3), np.uint8)).shape == (*THERMAL, 3)
    inside = mapping.to_visible(np.column_stack([columns[::64, ::64].ravel(), rows[::64, ::64].ravel()]))
    in_view = ((inside > -0.5) & (inside < np.array(VISIBLE[::-1]) - 0.5)).all(axis=1)
    np.testing.assert_array_equal(mapping.thermal_mask[::64, ::64].ravel(), in_view)


def test_a_plane_through_a_camera_is_rejected() -> None:
    for plane in (np.array([-5.0, 0, 0]), np.full(3, np.nan)):
        with pytest.raises(DistillMatchError, match="plane"):
            RIG.on_plane(plane)


def test_a_baseline_gives_the_same_mapping_in_metres() -> None:
    mapping = RIG.on_plane(np.array([0.001, -0.002, 0.05]), (0.002, 0.001))
    sized = mapping.by(RIG.with_baseline(0.08))
    assert sized.rig.is_metric
    np.testing.assert_allclose(np.linalg.norm(sized.rig.T_visible_thermal.translation), 0.08)
    np.testing.assert_allclose(sized.to_visible(grid()), mapping.to_visible(grid()), atol=1e-9)
    np.testing.assert_allclose(sized.plane, mapping.plane / 0.08 * np.linalg.norm([0.98, 0.2]))
