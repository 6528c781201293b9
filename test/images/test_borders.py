"""What is no picture: bars, frames, borders without data, dead lines; and what only looks like it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT
from support.scripted_engine import scene_pair

from distillmatch_ros.images.borders import find_crop
from distillmatch_ros.images.crop import Crop

SCENE = scene_pair()[1]
HEIGHT, WIDTH = SCENE.shape


def framed(image: np.ndarray, top: int, bottom: int, left: int, right: int, value: float) -> np.ndarray:
    return np.pad(image, ((top, bottom), (left, right)), constant_values=value)


def box(crop: Crop) -> tuple[int, ...]:
    return (*crop.rows, *crop.columns)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("value", [0, 255, 100])
@given(widths=st.tuples(*[st.integers(0, 60)] * 4))
def test_bars_of_any_width_are_found(dtype: type, value: int, widths: tuple[int, int, int, int]) -> None:
    top, _, left, _ = widths
    crop = find_crop(framed(SCENE.astype(dtype), *widths, value))
    assert box(crop) == (top, top + HEIGHT, left, left + WIDTH)


def test_values_of_no_sensor_are_bars() -> None:
    for value in (np.nan, -9999.0, 65535.0):
        assert box(find_crop(framed(SCENE.astype(np.float32), 5, 0, 40, 0, value))) == (
            *(5, 5 + HEIGHT),
            *(40, 40 + WIDTH),
        )


@pytest.mark.parametrize("quality", [60, 90])
def test_bars_survive_compression(quality: int) -> None:
    image = framed(SCENE, 0, 0, 43, 43, 0)
    encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    rows, columns = (crop := find_crop(cv2.imdecode(encoded, 0))).rows, crop.columns
    assert rows == (0, HEIGHT)
    np.testing.assert_allclose(columns, (43, 43 + WIDTH), atol=3)


def test_frames_within_frames_are_found() -> None:
    image = framed(framed(framed(SCENE, 3, 3, 3, 3, 255), 20, 30, 0, 0, 0), 2, 2, 2, 2, 90)
    assert box(find_crop(image)) == (25, 25 + HEIGHT, 5, 5 + WIDTH)


def test_round_and_rectified_pictures_are_filled_out() -> None:
    rows, columns = np.indices(SCENE.shape)
    outside = np.hypot(rows / HEIGHT - 0.5, columns / WIDTH - 0.5) > 0.62
    image = np.where(outside, 0, np.maximum(SCENE, 1))
    crop = find_crop(image)
    assert crop.missing is not None
    assert (crop.missing == outside).mean() > 0.99
    whole = crop.filled(image)
    np.testing.assert_array_equal(whole[~outside], image[~outside])
    assert (
        cv2.Sobel(whole, cv2.CV_32F, 1, 0)[outside].std() < cv2.Sobel(image, cv2.CV_32F, 1, 0)[outside].std()
    )


def test_dead_lines_are_filled_from_their_neighbours() -> None:
    smooth = cv2.GaussianBlur(SCENE, (0, 0), 3)
    image = smooth.copy()
    image[:, 100:102], image[60] = 0, 255
    crop = find_crop(image)
    assert box(crop) == (0, HEIGHT, 0, WIDTH)
    assert crop.missing is not None
    assert crop.missing[:, 100:102].all() and crop.missing[60].all()
    assert crop.missing.sum() == 2 * HEIGHT + WIDTH - 2
    assert np.abs(crop.filled(image).astype(int) - smooth)[crop.missing].mean() < 12


def test_even_scenes_are_pictures() -> None:
    sky = SCENE.copy()
    for column in range(WIDTH):  # a saturated sky above an uneven horizon
        sky[: 60 + int(20 * np.sin(column / 15)), column] = 0
    warm = np.full((480, 640), 8000, np.uint16)
    warm[100:104, 200:203] = 8400
    halves = np.repeat([[0, 255]], 100, axis=1).repeat(80, axis=0).astype(np.uint8)
    ramp = np.tile(np.arange(256, dtype=np.uint8), (200, 1))
    for image in (sky, warm, halves, ramp, SCENE, np.zeros((9, 9), np.uint8)):
        crop = find_crop(image)
        assert box(crop) == (0, image.shape[0], 0, image.shape[1])
        assert crop.missing is None


@pytest.mark.parametrize("side", ["visible", "thermal"])
def test_recorded_pictures_have_no_bars(side: str) -> None:
    folder = ROOT.parent / "shared/data/rgbt/val" / side
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    for path in sorted(Path(folder).iterdir()):
        grey = cv2.imread(str(path), 0)
        assert find_crop(grey).describe() == "", path.name


def test_what_was_found_is_described() -> None:
    image = framed(SCENE, 0, 7, 43, 43, 0)
    assert find_crop(image).describe() == "bars: bottom 7, left 43, right 43 px"
