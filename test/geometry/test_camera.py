from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera

SIZE = (480, 640)
MATRIX = np.array([[500.0, 0, 315], [0, 490, 243], [0, 0, 1]])
LENSES = {
    "plumb_bob": (-0.28, 0.09, 0.001, -0.0015, 0.0),
    "rational_polynomial": (0.3, 0.05, 0.001, -0.001, 0.01, 0.6, 0.1, 0.02),
    "thin_prism": (0.1, -0.05, 0.001, 0, 0, 0.2, 0, 0, 0.003, 0.001, -0.002, 0),
    "tilted": (0.1, -0.05, 0.001, 0, 0, 0.2, 0, 0, 0, 0, 0, 0, 0.02, -0.01),
    "equidistant": (0.05, -0.01, 0.003, -0.001),
}


def lens(model: str, distortion: tuple[float, ...] | None = None) -> Camera:
    return Camera(SIZE, MATRIX, np.array(LENSES[model] if distortion is None else distortion), model)


def info(**changes: Any) -> SimpleNamespace:
    roi = {"x_offset": 0, "y_offset": 0, "width": 0, "height": 0} | changes.pop("roi", {})
    fields = {
        "height": 512,
        "width": 640,
        "distortion_model": "plumb_bob",
        "d": np.array([-0.3, 0.1, 0.001, 0.002, 0.0]),
        "k": np.array([500.0, 0, 320, 0, 510, 256, 0, 0, 1]),
        "r": np.eye(3).ravel(),
        "p": np.zeros(12),
        "binning_x": 0,
        "binning_y": 0,
    }
    return SimpleNamespace(**(fields | changes), roi=SimpleNamespace(**roi))


def image_pixels(step: int = 16) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(0, SIZE[1], step), np.arange(0, SIZE[0], step))
    return np.column_stack([columns.ravel(), rows.ravel()]).astype(np.float64)


@pytest.mark.parametrize("model", LENSES)
def test_pixels_come_back_from_their_rays(model: str) -> None:
    rays = lens(model).unproject(image_pixels())
    assert (rays[:, 2] == 1).all() and np.abs(rays[:, :2]).max() > 0.5
    np.testing.assert_allclose(lens(model).project(3.7 * rays), image_pixels(), atol=1e-5)


@given(
    k1=st.floats(-0.35, 0.3),
    k2=st.floats(-0.05, 0.15),
    tangential=st.floats(-0.003, 0.003),
    fisheye=st.booleans(),
)
def test_a_ray_that_is_seen_comes_back_and_no_other_is_made_up(
    k1: float, k2: float, tangential: float, fisheye: bool
) -> None:
    camera = (
        lens("equidistant", (k1 / 10, k2 / 10, 0, 0))
        if fisheye
        else lens("plumb_bob", (k1, k2, tangential, 0))
    )
    back = camera.project(camera.unproject(image_pixels(40)))
    seen = np.isfinite(back).all(axis=1)
    np.testing.assert_allclose(back[seen], image_pixels(40)[seen], atol=1e-5)
    near = np.hypot(*(image_pixels(40) - MATRIX[:2, 2]).T) < 150
    assert seen[near].all()


@pytest.mark.parametrize("model", LENSES)
def test_projection_is_opencv_s(model: str) -> None:
    points = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (50, 3))
    if model == "equidistant":
        expected = cv2.fisheye.projectPoints(
            points[:, None], np.zeros(3), np.zeros(3), MATRIX, lens(model).distortion
        )
    else:
        expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), MATRIX, lens(model).distortion)
    np.testing.assert_allclose(lens(model).project(points), expected[0].reshape(-1, 2), atol=1e-9)


def test_what_no_lens_shows_is_nan() -> None:
    camera = lens("plumb_bob", (-0.3, 0, 0, 0))
    behind_or_aside = np.array([[0.0, 0, -1], [0, 0, 0], [np.nan, 0, 1], [2, 0, 1]])  # folds back at 1.05
    assert np.isnan(camera.project(behind_or_aside)).all()
    assert np.isfinite(camera.project(np.array([[1.0, 0, 1]]))).all()
    assert np.isnan(camera.unproject(np.array([[315 + 500 * 0.8, 243.0], [np.nan, 0]]))[:, :2]).all()
    assert camera.project(np.zeros((0, 3))).shape == (0, 2) and camera.unproject(np.zeros((0, 2))).shape == (
        0,
        3,
    )


def test_an_ideal_fisheye_is_no_pinhole() -> None:
    fisheye = lens("equidistant", ())
    assert not fisheye.is_pinhole and lens("plumb_bob", ()).is_pinhole
    np.testing.assert_allclose(fisheye.project(np.array([[1.0, 0, 1]])), [[315 + 500 * np.pi / 4, 243]])


@pytest.mark.parametrize("model", LENSES)
def test_camera_info_round_trip(model: str) -> None:
    fields = lens(model).camera_info() | {"binning_x": 0, "binning_y": 1}
    assert Camera.from_camera_info(info(**fields)).same_as(lens(model))


def test_binning_and_region_are_those_of_the_images_that_are_sent() -> None:
    full = Camera.from_camera_info(info())
    part = {"x_offset": 40, "y_offset": 16, "width": 320, "height": 200}
    sent = Camera.from_camera_info(info(binning_x=2, binning_y=4, roi=part))
    assert (full.size, sent.size) == ((512, 640), (50, 160))
    # The ray through the full image's pixel (x, y) = (100.5, 57.5), between the pixels that are averaged.
    ray = np.linalg.inv(full.matrix) @ (100.5, 57.5, 1)
    np.testing.assert_allclose(sent.matrix @ ray, (30, 10, 1))


def test_a_matrix_of_binned_images_beside_binning_is_named() -> None:
    binned = np.array([250.0, 0, 160, 0, 255, 128, 0, 0, 1])
    with pytest.raises(DistillMatchError, match="320x256"):
        Camera.from_camera_info(info(k=binned, binning_x=2, binning_y=2))
    assert Camera.from_camera_info(info(k=binned, width=320, height=256)).size == (256, 320)


@pytest.mark.parametrize(
    "changes",
    [
        {"k": np.zeros(9)},
        {"k": np.array([np.nan, 0, 320, 0, 510, 256, 0, 0, 1])},
        {"d": np.array([np.inf, 0, 0, 0, 0])},
        {"width": 0},
    ],
    ids=["zeros", "nan", "distortion", "size"],
)
def test_camera_without_calibration_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(DistillMatchError, match=r"camera_info: holds no calibration.*calibrate the camera"):
        Camera.from_camera_info(info(**changes))


def test_unknown_models_and_numbers_of_coefficients_are_rejected() -> None:
    with pytest.raises(DistillMatchError, match="'thin_lens' with 5 coefficients is unknown"):
        lens("thin_lens", (1, 1, 1, 1, 1))
    with pytest.raises(DistillMatchError, match="6 coefficients do not fit distortion model plumb_bob"):
        lens("plumb_bob", (0.1,) * 6)
    with pytest.raises(DistillMatchError, match="'' with 4 coefficients is unknown"):  # fisheye, or not?
        lens("", (0.1,) * 4)


def test_cameras_are_compared_by_what_they_say_and_do_not_change() -> None:
    camera = lens("plumb_bob")
    assert camera.same_as(lens("radtan", LENSES["plumb_bob"]))
    for other in (
        lens("plumb_bob", (0.1,)),
        lens("equidistant"),
        Camera((1, 1), MATRIX, camera.distortion),
        Camera(SIZE, 2 * MATRIX, camera.distortion),
    ):
        assert not camera.same_as(other)
    with pytest.raises(ValueError, match="read-only"):
        camera.matrix[0, 0] = 1
