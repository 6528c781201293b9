"""Pixels carried from camera to camera: lenses, borders, and what is nearest."""

import cv2
import numpy as np
import pytest
from support.simulated_rig import THERMAL, camera

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.carrying import NOTHING, carry, closed, pixels_at, z_buffer, z_buffers
from distillmatch_ros.rig.dense import interpolate, lattice_rays, project_dense, project_lattice
from distillmatch_ros.rig.model import within


def test_lenses_bend_points_as_the_camera_says() -> None:
    x, y = (
        each.astype(np.float32)
        for each in np.meshgrid(np.linspace(-0.6, 0.6, 41), np.linspace(-0.5, 0.5, 31))
    )
    rays = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)])
    for lens in ((), (-0.2, 0.05), (-0.25, 0.1, 0, 0, -0.02), (-0.2, 0.05, 1e-3, -2e-3)):
        seen = camera(THERMAL, 500.0, *lens)
        found = project_dense(seen, np.stack([x, y])).reshape(2, -1)
        inside = within(found, THERMAL)
        assert inside.sum() > 300
        np.testing.assert_allclose(found[:, inside].T, seen.project(rays)[inside], atol=0.04)


@pytest.mark.parametrize(("target", "tolerance"), [((96, 136), 1e-3), ((48, 68), 1e-3), ((50, 60), 0.2)])
def test_fields_on_a_lattice_are_interpolated_for_images_of_any_size(target: Size, tolerance: float) -> None:
    size = 96, 136
    pinhole = camera(size, 100.0)
    columns, rows = interpolate(project_lattice(pinhole, lattice_rays(pinhole)), size, target)
    own_rows, own_columns = ((np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(target, size, strict=True))
    np.testing.assert_allclose(columns, np.broadcast_to(own_columns, target), atol=tolerance)
    np.testing.assert_allclose(rows, np.broadcast_to(own_rows[:, None], target), atol=tolerance)


@pytest.mark.parametrize("target", [(96, 136), (51, 61)])
def test_every_second_pixel_of_a_field_is_interpolated_alone(target: Size) -> None:
    size = 96, 136
    fields = np.moveaxis(lattice_rays(camera(size, 100.0, -0.2)), -1, 0)
    whole = interpolate(fields, size, target)
    np.testing.assert_allclose(interpolate(fields, size, target, 2), whole[:, ::2, ::2], atol=1e-4)


def test_no_lens_shows_what_lies_where_its_model_folds_back() -> None:
    folding = camera(THERMAL, 500.0, -0.4)
    far = np.linspace(folding.reach + 1e-3, 3, 50, dtype=np.float32)
    assert np.isnan(project_dense(folding, np.stack([far, np.zeros_like(far)])[:, None])).all()


def test_pixels_reach_half_a_pixel_beyond_their_centres() -> None:
    places = np.array(
        [(-0.5, 1), (-0.49, 1), (3.49, 1), (3.5, 1), (1, -0.5), (1, 2.49), (1, 2.5), (np.nan, 1)], np.float32
    ).T
    inside = within(places, (3, 4))
    np.testing.assert_array_equal(inside, [False, True, True, False, False, True, False, False])
    np.testing.assert_array_equal(pixels_at(places, (3, 4)), [12, 4, 7, 12, 12, 9, 12, 12])
    assert within(np.zeros((2, 0), np.float32), (3, 4)).shape == (0,)


def test_the_nearest_counts_and_small_gaps_are_closed() -> None:
    pixels = np.array([0, 0, 1, 3, 5, 6, 6], np.int32)
    found = z_buffer(pixels, np.array([0.2, 0.5, 0.1, NOTHING, 0.3, 9, 9], np.float32), (1, 6))
    np.testing.assert_allclose(found[0], [0.5, 0.1, NOTHING, NOTHING, NOTHING, 0.3])
    np.testing.assert_allclose(closed(found, 1)[0, :2], [0.5, 0.1])
    assert closed(np.array([[0.5, NOTHING, 0.1]], np.float32), 1)[0, 1] > 0


def test_what_is_carried_lies_where_the_point_is_seen() -> None:
    one, other = camera((240, 320), 300.0, -0.1), camera((200, 250), 250.0, -0.2)
    pose = Pose(cv2.Rodrigues(np.array([0.05, -0.1, 0.02]))[0], np.array([0.1, -0.02, 0.03]))
    depth = np.random.default_rng(0).uniform(0.2, 2, one.size).astype(np.float32)
    places, carried = carry(depth, one, pose, other, before=(0.01, 0.0))
    rows, columns = np.indices(one.size).reshape(2, -1)
    rays = one.unproject(np.column_stack([columns, rows])) + np.array([0.01, 0, 0])
    points = pose.apply(rays / depth.reshape(-1, 1))
    inside = within(places, other.size).ravel()
    np.testing.assert_allclose(places.reshape(2, -1)[:, inside].T, other.project(points)[inside], atol=0.04)
    np.testing.assert_allclose(carried.ravel()[inside], 1 / points[inside, 2], rtol=2e-3)
    window = slice(20, 90), slice(30, 200)
    some, their_depth = carry(depth, one, pose, other, before=(0.01, 0.0), window=window)
    np.testing.assert_array_equal(some, places[(slice(None), *window)])
    np.testing.assert_array_equal(their_depth, carried[window])
    behind = Pose(np.eye(3), np.array([0.0, 0, -9]))
    assert np.isnan(carry(depth, one, behind, Camera(one.size, one.matrix))[0]).all()


def test_what_is_assumed_has_a_buffer_of_its_own() -> None:
    rng, size = np.random.default_rng(0), (6, 8)
    pixels = rng.integers(0, 49, 200).astype(np.int32)  # 48 lies outside
    depth, assumed = rng.random(200).astype(np.float32), rng.random(200) < 0.4
    for found, those in zip(z_buffers(pixels, depth, assumed, size), (~assumed, assumed), strict=True):
        np.testing.assert_array_equal(found, z_buffer(pixels[those], depth[those], size))
