"""Scenes for parallax, seen through lenses that bend lines: what is known of every visible pixel is true."""

import cv2
import numpy as np
import pytest

from distillmatch_ros.scene import Room, SyntheticPair
from distillmatch_ros.scene.camera import SyntheticCamera


@pytest.fixture(params=["room", "near_street"])
def pair(request: pytest.FixtureRequest) -> SyntheticPair:
    return request.getfixturevalue(request.param)


def seen_by(camera: SyntheticCamera, points: np.ndarray) -> np.ndarray:
    """Pixels of world points (N, 3), by OpenCV's lens model."""
    vector = cv2.Rodrigues(camera.rotation)[0]
    lens = np.array([camera.k1, 0, 0, 0])
    shift = -camera.rotation @ camera.centre
    return cv2.projectPoints(points[:, None], vector, shift, camera.matrix, lens)[0][:, 0]


def test_rays_go_where_the_lens_model_says(room: SyntheticPair) -> None:
    for camera in (room.visible_camera, room.thermal_camera):
        rows, columns = np.mgrid[: camera.size[1] : 37, : camera.size[0] : 41].reshape(2, -1)
        points = camera.rays[rows, columns].astype(float) * 3 + camera.centre
        np.testing.assert_allclose(seen_by(camera, points), np.column_stack([columns, rows]), atol=0.01)


def test_every_visible_pixel_knows_where_the_thermal_camera_sees_its_point(pair: SyntheticPair) -> None:
    places = pair.visible_truth.places
    rows, columns = np.nonzero(np.isfinite(places[..., 0]) & np.isfinite(pair.visible_depth))
    some = np.random.default_rng(0).choice(rows.size, 2000, replace=False)
    rows, columns = rows[some], columns[some]
    rays = pair.visible_camera.rays[rows, columns].astype(float)
    points = rays * pair.visible_depth[rows, columns, None] + pair.visible_camera.centre
    np.testing.assert_allclose(seen_by(pair.thermal_camera, points), places[rows, columns], atol=0.03)


def test_there_and_back_is_the_same_pixel(pair: SyntheticPair) -> None:
    places = pair.visible_truth.places
    back = cv2.remap(pair.truth, places[..., 0], places[..., 1], cv2.INTER_NEAREST, borderValue=[np.nan] * 4)
    rows, columns = np.nonzero(np.isfinite(back[..., 0]))
    gaps = np.hypot(*(back[rows, columns] - np.column_stack([columns, rows])).T)
    assert np.quantile(gaps, 0.98) < 1.5  # thermal pixels are larger than visible ones


def test_what_hides_is_nearer_than_what_is_hidden(pair: SyntheticPair) -> None:
    hidden = pair.visible_truth.hidden
    assert 0.003 < hidden.mean() < 0.1
    assert not np.isfinite(pair.visible_truth.places[hidden]).any()
    nearest = cv2.erode(pair.visible_depth, np.ones((81, 81)))
    assert np.mean(nearest[hidden] < 0.97 * pair.visible_depth[hidden]) > 0.95


def test_a_room_is_near_and_lies_in_several_planes(room: SyntheticPair) -> None:
    assert 1 < np.percentile(room.visible_depth, 1) < 1.6
    assert 5 < np.percentile(room.visible_depth, 90) <= np.percentile(room.visible_depth, 99.9) < 6.6
    celsius = room.thermal / 100 - 273.15
    assert 5 < celsius.min() < 15 < 38 < celsius.max() < 55  # a cold bottle, hot coffee
    parallax = np.linalg.norm(room.thermal_camera.centre - room.visible_camera.centre)
    assert parallax == pytest.approx(0.08)


@pytest.mark.slow
def test_same_seed_same_room() -> None:
    one, again, other = Room(5).render(1.0), Room(5).render(1.0), Room(6).render(1.0)
    for name in ("visible", "thermal", "truth", "depth", "visible_depth"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert np.mean(one.visible != other.visible) > 0.5
    assert np.mean(one.visible != Room(5).render(3.0).visible) > 0.3  # people and robot move
