"""A CameraInfo that cannot be that of its images is named; unusual ones are used."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera

WIDTH, HEIGHT = 640, 480
LENS = np.array([-0.3, 0.1, 0.001, 0.002, 0.0])


def matrix(fx: float = 500.0, cx: float = 322.0, cy: float = 236.0, fy: float | None = None) -> np.ndarray:
    return np.array([fx, 0, cx, 0, fx if fy is None else fy, cy, 0, 0, 1.0])


def projection(k: np.ndarray) -> np.ndarray:
    return np.column_stack([k.reshape(3, 3), np.zeros(3)]).ravel()


def info(**changes: Any) -> SimpleNamespace:
    fields = {
        "height": HEIGHT,
        "width": WIDTH,
        "distortion_model": "plumb_bob",
        "d": LENS,
        "k": matrix(),
        "r": np.eye(3).ravel(),
        "p": projection(matrix()),
        "binning_x": 0,
        "binning_y": 0,
        "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }
    return SimpleNamespace(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"k": matrix(250, 160, 120)}, "another resolution.*320x240"),
        ({"k": matrix(1000, 640, 480)}, "another resolution.*1280x960"),
        ({"k": matrix(1500, 960, 540)}, "outside the images of 640x480"),
        ({"k": matrix(cx=-4.0)}, "outside"),
        ({"k": matrix(cy=700.0)}, "outside"),
        ({"k": matrix(9.1, 3.84, 2.88)}, "focal length of 9.1 px"),  # millimetres
        ({"k": matrix(0.0091, 0.5, 0.5)}, "focal length"),  # metres, fractions
        ({"k": matrix(1e7)}, "focal length"),
        ({"k": matrix(fy=50.0)}, "differ too much"),
        ({"k": matrix().reshape(3, 3).T.ravel()}, "row by row"),
        ({"d": np.array([-8.0, 0, 0, 0, 0])}, "folds the image back"),
        ({"d": np.zeros(5), "p": projection(matrix(380.0))}, "contradict"),
        ({"d": np.zeros(5), "p": projection(matrix(cx=200.0))}, "contradict"),
        ({"binning_x": 2, "binning_y": 2, "width": 1280, "height": 960}, "binned"),
    ],
)
def test_what_cannot_be_is_named_with_the_way_on(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(DistillMatchError, match=rf"camera_info: .*{named}.*do without undistort"):
        Camera.from_camera_info(info(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"k": matrix(170.0), "distortion_model": "equidistant", "d": np.zeros(4)},  # 210 degrees
        {"k": matrix(25_000.0)},  # a tele lens
        {"k": matrix(fy=1000.0)},  # half-height fields
        {"k": matrix(cy=90.0)},  # the sky cut off, without a region of interest
        {"d": np.zeros(5), "p": np.zeros(12)},  # no P
        {"d": np.zeros(5), "p": projection(matrix(502.0))},  # rounded
        {"p": projection(matrix(430.0))},  # another view of the rectified image
        {"d": np.zeros(5), "p": projection(matrix(430.0)), "r": np.roll(np.eye(3), 1, 0).ravel()},  # stereo
        {"d": np.array([-0.4, 0.2, 0, 0, -0.05])},
    ],
    ids=["fisheye", "tele", "fields", "cut", "no P", "rounded", "view", "stereo", "barrel"],
)
def test_unusual_cameras_are_used(changes: dict[str, Any]) -> None:
    assert Camera.from_camera_info(info(**changes)).size == (HEIGHT, WIDTH)


@given(
    focal=st.floats(0.3, 30),
    x=st.floats(0.4, 0.6),
    y=st.floats(0.4, 0.6),
    width=st.integers(80, 5000),
    aspect=st.floats(0.5, 1.0),
)
def test_no_usual_camera_is_rejected(focal: float, x: float, y: float, width: int, aspect: float) -> None:
    height = max(60, round(width * aspect))
    k = matrix(focal * width, x * width, y * height)
    read = Camera.from_camera_info(info(width=width, height=height, k=k, d=np.zeros(5), p=projection(k)))
    np.testing.assert_array_equal(read.matrix.ravel(), k)


def test_of_rectified_images_p_tells_the_camera() -> None:
    other = matrix(430.0, 315.0)
    camera = Camera.from_camera_info(info(p=projection(other)), rectified=True)
    assert camera.is_pinhole
    np.testing.assert_array_equal(camera.matrix.ravel(), other)
    with pytest.raises(DistillMatchError, match="holds no calibration"):
        Camera.from_camera_info(info(p=np.zeros(12)), rectified=True)
