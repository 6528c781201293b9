import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from distillmatch_ros.images.gain_control import to_8bit, without_status_bits


def scene(height: int = 120, width: int = 160) -> np.ndarray:
    """Float 0..1: a smooth ramp with a little noise."""
    ramp = np.linspace(0, 1, width)[None] * np.linspace(0.5, 1, height)[:, None]
    return ramp + np.random.default_rng(3).normal(0, 0.01, (height, width))


def test_raw_16_bit_fills_the_range_whatever_sliver_it_lives_in() -> None:
    for low, span in ((7000, 60), (30_000, 400), (0, 65_000)):
        picture = to_8bit((low + np.clip(scene(), 0, 1) * span).astype(np.uint16))
        assert picture.dtype == np.uint8
        assert picture.shape == (120, 160)
        assert picture.min() == 0
        assert picture.max() == 255
        assert 100 < picture.mean() < 150


def test_gain_and_offset_of_the_camera_do_not_show() -> None:
    reference = to_8bit(scene().astype(np.float32)).astype(int)
    kelvin = to_8bit((scene() * 12.5 + 290).astype(np.float32))
    assert np.abs(kelvin - reference).max() <= 1


def test_a_few_hot_and_dead_pixels_do_not_darken_the_scene() -> None:
    raw = (scene() * 1000 + 8000).astype(np.uint16)
    spoilt = raw.copy()
    spoilt[5:10, 5:10], spoilt[40, 40:50] = 65_535, 0
    untouched = spoilt == raw
    assert np.abs(to_8bit(spoilt).astype(int) - to_8bit(raw))[untouched].max() <= 4


def test_nan_and_infinity_do_not_count() -> None:
    image = scene().astype(np.float32)
    reference = to_8bit(image).astype(int)
    image[::7, ::5], image[3::7, ::5], image[5::7, ::5] = np.nan, np.inf, -np.inf
    finite = np.isfinite(image)
    picture = to_8bit(image)
    assert np.abs(picture - reference)[finite].max() <= 3
    assert abs(int(picture[0, 0]) - int(np.median(reference))) <= 8
    assert picture[3, 0] == 255
    assert picture[5, 0] == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 12), np.uint8),
        np.full((10, 12), 255, np.uint8),
        np.full((10, 12), 30_000, np.uint16),
        np.full((10, 12), 293.15, np.float32),
        np.full((10, 12), np.nan, np.float32),
        np.full((10, 12), np.inf, np.float32),
        np.full((1, 1), 4, np.uint16),
    ],
)
def test_constant_image_stays_constant(image: np.ndarray) -> None:
    picture = to_8bit(image)
    assert picture.shape == image.shape
    assert picture.min() == picture.max()


def test_small_warm_body_before_an_even_background_survives() -> None:
    raw = np.full((480, 640), 8000, np.uint16)
    raw[100:104, 200:203] = 8400
    picture = to_8bit(raw)
    assert picture[101, 201] == 255
    assert picture[0, 0] == 0


def test_8_bit_of_full_range_keeps_its_tones() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (200, 1))
    assert np.abs(to_8bit(ramp).astype(int) - ramp).max() <= 3


def test_colour_mapped_thermal_becomes_its_grey() -> None:
    grey = (np.clip(scene(), 0, 1) * 255).astype(np.uint8)
    mapped = cv2.applyColorMap(grey, cv2.COLORMAP_HOT)
    picture = to_8bit(mapped)
    assert picture.shape == grey.shape
    assert np.corrcoef(picture.ravel(), grey.ravel())[0, 1] > 0.98


shapes = array_shapes(min_dims=2, max_dims=2, max_side=40)
raw_images = st.one_of(
    arrays(np.uint8, shapes),
    arrays(np.uint16, shapes),
    arrays(np.float32, shapes, elements=st.floats(width=32)),
    arrays(np.float64, shapes, elements=st.floats()),
)


@pytest.mark.slow
@settings(max_examples=2000)
@given(raw_images)
@pytest.mark.filterwarnings("error")
def test_any_image_keeps_its_order(image: np.ndarray) -> None:
    picture = to_8bit(image)
    assert picture.dtype == np.uint8
    assert picture.shape == image.shape
    image = without_status_bits(image)  # the order is that of the readings
    ordered = image[~np.isnan(image)].argsort()
    assert (np.diff(picture[~np.isnan(image)][ordered].astype(int)) >= 0).all()


def spoilt(raw: np.ndarray, kind: str) -> np.ndarray:
    """A frame with what sensors put into frames, more than a hundredth of it."""
    image = raw.copy()
    if kind == "telemetry":
        image[-4:] = 0
        image[-4:, ::7] = np.random.default_rng(0).integers(0, 65_535, image[-4:, ::7].shape)
    elif kind == "hot exhaust":
        rows, columns = np.indices(image.shape)
        heat = np.clip(2 - np.hypot(rows - 60, columns - 80) / 8, 0, 1)
        image = (image + heat * 40_000).astype(raw.dtype)
    elif kind == "sky at the floor":
        image[:40] = 0
    elif kind == "border":
        image[:, :20] = 65_535
    elif kind == "dead columns":
        image[:, [30, 31, 90]] = 0
    elif kind == "flickering dead columns":
        image[:, 30:34] = np.random.default_rng(0).integers(0, 30, (len(image), 4))
    elif kind == "status bits":
        image |= np.random.default_rng(0).integers(0, 4, image.shape).astype(np.uint16) << 14
    return image


@pytest.mark.parametrize(
    "kind",
    [
        *("telemetry", "hot exhaust", "sky at the floor", "border", "dead columns"),
        *("flickering dead columns", "status bits"),
    ],
)
def test_what_is_not_of_the_scene_does_not_crush_its_contrast(kind: str) -> None:
    raw = (scene() * 600 + 8000).astype(np.uint16)
    image = spoilt(raw, kind)
    kept = (image & 0x3FFF) == raw if kind == "status bits" else image == raw
    shown = to_8bit(image)[kept].astype(int)
    plain = to_8bit(raw)[kept].astype(int)
    assert np.ptp(np.percentile(shown, (1, 99))) > 100
    assert np.corrcoef(shown, plain)[0, 1] > 0.98


def test_readings_of_16_bits_keep_their_upper_ones() -> None:
    raw = (scene() * 20_000 + 8000).astype(np.uint16)
    assert np.corrcoef(to_8bit(raw).ravel(), raw.ravel())[0, 1] > 0.99


def test_values_of_32_bits_are_told_apart() -> None:
    fine = (scene() * 1000 + (1 << 30)).astype(np.int32)
    assert np.corrcoef(to_8bit(fine).ravel(), fine.ravel())[0, 1] > 0.99
