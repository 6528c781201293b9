"""Temperatures of readings that are linear in them."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.temperature import CAMERAS, Temperature


@pytest.mark.parametrize(
    ("text", "reading", "celsius"),
    [
        ("lepton", 30_315, 30.0),
        ("Boson", 30_315, 30.0),
        ("lepton-low", 3_031, 29.95),
        ("a65", 7_579, 30.01),
        ("tiny1c", 19_402, 30.00625),
        ("r-jpeg", 303.15, 30.0),
        ("oak", 30.0, 30.0),
        ("0.5,-20", 100, 30.0),
        (" 1 , 0 ", 30.0, 30.0),
    ],
)
def test_readings_become_degrees(text: str, reading: float, celsius: float) -> None:
    dtype = np.uint16 if isinstance(reading, int) else np.float32
    found = Temperature.parse(text).celsius(np.full((2, 3), reading, dtype))
    assert found.dtype == np.float32 and found.shape == (2, 3)
    np.testing.assert_allclose(found, celsius, atol=1e-4)


def test_missing_readings_stay_missing() -> None:
    assert np.isnan(CAMERAS["kelvin"].celsius(np.float32([np.nan, 0, -1]))).all()
    assert np.isnan(CAMERAS["boson"].celsius(np.uint16([0]))).all()


@pytest.mark.parametrize(
    ("camera", "image"),
    [
        ("boson", np.full((64, 64), 120, np.uint8)),  # after gain control
        ("boson", np.full((64, 64), 7_500, np.uint16)),  # of an Ax5
        ("lepton-low", np.full((64, 64), 30_000, np.uint16)),  # at a resolution of 0.01 K
        ("a65", np.full((64, 64), 30_000, np.uint16)),
        ("celsius", np.full((64, 64, 3), 30, np.uint8)),  # in colour
    ],
)
def test_values_that_are_no_such_readings_are_named(camera: str, image: np.ndarray) -> None:
    with pytest.raises(DistillMatchError, match="leave temperature out"):
        CAMERAS[camera].check(image)


def test_scenes_of_every_kind_are_readings() -> None:
    for celsius in (-60, 20, 500):
        CAMERAS["boson"].check(np.full((64, 64, 1), (celsius + 273.15) * 100, np.uint32))
    CAMERAS["celsius"].check(np.full((2, 2), np.nan, np.float32))


@given(st.one_of(st.text(max_size=20), st.from_regex(r"[0-9.,einfNaN-]{1,12}", fullmatch=True)))
def test_anything_else_is_named(text: str) -> None:
    with suppress(DistillMatchError):
        found = Temperature.parse(text)
        assert np.isfinite(found.scale) and found.scale != 0 and np.isfinite(found.offset)


@pytest.mark.parametrize("text", ["", "warm", "0,1", "1", "1,2,3", "nan,1", "1,inf"])
def test_the_cameras_are_listed(text: str) -> None:
    with pytest.raises(DistillMatchError, match="or one of boson, lepton"):
        Temperature.parse(text)
