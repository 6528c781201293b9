"""The synthetic street: the same seed gives the same pixels, and its truth is true."""

import cv2
import numpy as np
import pytest

from distillmatch_ros.scene import Scene, SyntheticPair, render_pair
from distillmatch_ros.scene.camera import SyntheticCamera
from distillmatch_ros.scene.raster import Surface, Texture, rasterise


@pytest.fixture(params=["day", "night"])
def pair(request: pytest.FixtureRequest) -> SyntheticPair:
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_same_seed_same_pixels(day: SyntheticPair) -> None:
    again, other = render_pair(1), render_pair(2)
    for name in ("visible", "thermal", "truth", "depth"):
        np.testing.assert_array_equal(getattr(again, name), getattr(day, name))
    assert np.mean(other.visible != day.visible) > 0.5


def test_images_are_what_cameras_deliver(pair: SyntheticPair) -> None:
    assert (pair.visible.shape, pair.visible.dtype) == ((720, 960, 3), np.uint8)
    assert (pair.thermal.shape, pair.thermal.dtype) == ((512, 640), np.uint16)
    assert (pair.truth.shape, pair.truth.dtype) == ((512, 640, 2), np.float32)
    assert (pair.depth.shape, pair.depth.dtype) == ((512, 640), np.float32)
    celsius = pair.thermal / 100 - 273.15
    assert -40 < celsius.min() < 5 < 25 < celsius.max() < 90  # a cold sky, people and engines
    assert pair.visible.std() > 20


def test_night_is_dark(day: SyntheticPair, night: SyntheticPair) -> None:
    assert night.visible.mean() < 0.6 * day.visible.mean()


def test_truth_is_what_the_pinhole_cameras_say(pair: SyntheticPair) -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(np.isfinite(pair.truth[..., 0]))
    assert rows.size > 0.95 * pair.depth.size
    some = rng.choice(rows.size, 2000, replace=False)
    rows, columns = rows[some], columns[some]
    thermal, visible = pair.thermal_camera, pair.visible_camera
    rays = np.linalg.inv(thermal.matrix) @ np.stack([columns, rows, np.ones(rows.size)])
    points = (
        thermal.rotation.T @ (rays * np.minimum(pair.depth[rows, columns], 1e7)) + thermal.centre[:, None]
    )
    seen = visible.matrix @ visible.rotation @ (points - visible.centre[:, None])
    np.testing.assert_allclose((seen[:2] / seen[2]).T, pair.truth[rows, columns], atol=0.02)


def test_edges_of_both_images_meet_at_the_truth(pair: SyntheticPair) -> None:
    visible_edges = edges(cv2.cvtColor(pair.visible, cv2.COLOR_BGR2GRAY))
    thermal_edges = edges(pair.thermal)
    valid = np.isfinite(pair.truth[..., 0])

    def agreement(dx: float, dy: float) -> float:
        places = np.nan_to_num(pair.truth) + np.float32([dx, dy])
        sampled = cv2.remap(visible_edges, places, None, cv2.INTER_LINEAR)
        return float(np.corrcoef(sampled[valid], thermal_edges[valid])[0, 1])

    here = agreement(0, 0)
    assert here > 0.25
    for shift in ((4, 0), (-4, 0), (0, 4), (0, -4)):
        assert here > agreement(*shift) + 0.05


def test_brightness_tells_little_about_heat(pair: SyntheticPair) -> None:
    valid = np.isfinite(pair.truth[..., 0]) & (pair.depth < 1000)  # without the sky
    grey = cv2.remap(
        cv2.cvtColor(pair.visible, cv2.COLOR_BGR2GRAY), np.nan_to_num(pair.truth), None, cv2.INTER_LINEAR
    )
    assert abs(np.corrcoef(grey[valid], pair.thermal[valid])[0, 1]) < 0.75


def test_only_what_hides_behind_an_edge_has_no_truth(pair: SyntheticPair) -> None:
    hidden = np.isnan(pair.truth[..., 0])
    inverse = 1 / pair.depth
    jumps = cv2.dilate(inverse, np.ones((3, 3))) - cv2.erode(inverse, np.ones((3, 3))) > 1.5e-3
    near_a_jump = cv2.dilate(jumps.astype(np.uint8), np.ones((31, 31))) > 0
    assert 0 < hidden.mean() < 0.05
    assert np.mean(near_a_jump[hidden]) > 0.99


@pytest.mark.slow
def test_driving_moves_the_cameras_and_leaves_no_trace() -> None:
    scene = Scene(3, night=True)
    start, later, again = scene.render(0), scene.render(30), scene.render(0)
    np.testing.assert_array_equal(start.visible, again.visible)
    np.testing.assert_array_equal(start.thermal, again.thermal)
    assert later.visible_camera.centre[2] > start.visible_camera.centre[2] + 100
    assert np.mean(start.visible != later.visible) > 0.5
    assert np.isfinite(later.truth).mean() > 0.95  # the street goes on for ever


def edges(image: np.ndarray) -> np.ndarray:
    """Gradient strength of the logarithm, saturated, so that a few strong edges do not decide."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    strength = cv2.magnitude(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1))
    return np.minimum(strength / np.percentile(strength, 90), 1)


CAMERA = SyntheticCamera(
    (101, 81), np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]), np.eye(3), np.zeros(3)
)


def plate(value: float, z: float, half: float = 1.0) -> Surface:
    """A plate that faces the camera at depth ``z``, ``2 * half`` wide and high."""
    texture = Texture(
        np.full((64, 64, 4), (value, value, value, 1), np.float32),
        np.full((64, 64, 2), (value, 1), np.float32),
        (2 * half, 2 * half),
    )
    return Surface(texture, (-half, -half, z), (2 * half, 0, 0), (0, 2 * half, 0))


def test_plate_lands_where_the_pinhole_puts_it() -> None:
    canvas = rasterise(CAMERA, [plate(0.5, 5)], "thermal")
    rows, columns = np.nonzero(canvas.inverse_depth)
    # 1 m at 5 m is 20 px either way; the soft rim of half a texel may add a pixel.
    assert abs(columns.min() - 30) <= 1
    assert abs(columns.max() - 70) <= 1
    assert abs(rows.min() - 20) <= 1
    assert abs(rows.max() - 60) <= 1
    np.testing.assert_allclose(canvas.inverse_depth[25:55, 35:65], 1 / 5, rtol=1e-5)
    np.testing.assert_allclose(canvas.pixels[25:55, 35:65], np.broadcast_to([0.5, 1], (30, 30, 2)), rtol=1e-5)


def test_nearer_plate_hides_the_farther_one() -> None:
    canvas = rasterise(CAMERA, [plate(0.2, 10, half=4), plate(0.9, 5)], "visible")
    np.testing.assert_allclose(canvas.pixels[40, 50, :3], 0.9, rtol=1e-5)
    np.testing.assert_allclose(canvas.pixels[40, 20, :3], 0.2, rtol=1e-5)


@pytest.mark.parametrize("z", [-5.0, 0.05])
def test_plate_behind_or_at_the_lens_is_not_drawn(z: float) -> None:
    assert not rasterise(CAMERA, [plate(0.5, z)], "visible").inverse_depth.any()


def test_plate_seen_from_behind_is_not_drawn() -> None:
    turned = Surface(plate(0.5, 5).texture, (1, -1, 5), (-2, 0, 0), (0, 2, 0))
    assert not rasterise(CAMERA, [turned], "visible").inverse_depth.any()


def test_ground_that_runs_under_the_camera_ends_at_the_horizon() -> None:
    texture = plate(0.5, 1).texture
    ground = Surface(texture, (-50, 1, 80), (100, 0, 0), (0, 0, -100))
    inverse = rasterise(CAMERA, [ground], "visible").inverse_depth
    assert not inverse[:40].any()
    # 1 m below the lens, row 40 + k sees the ground at 100 / k metres.
    np.testing.assert_allclose(inverse[60, 50], 20 / 100, rtol=1e-5)
