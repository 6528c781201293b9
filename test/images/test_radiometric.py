"""Radiometric JPEG: what the sensor measured, not the picture that people see."""

import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.radiometric import dji_jpeg, flir_jpeg, kelvin

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.files import read_image, read_thermal, read_visible_of_thermal

RAW = (np.add.outer(np.arange(60), np.arange(80)) * 20 + 13000).astype(np.uint16)
VISIBLE = np.full((90, 120, 3), (40, 90, 200), np.uint8)

with_flyr = pytest.mark.skipif(find_spec("flyr") is None, reason="flyr is not installed")


def saved(folder: Path, content: bytes) -> Path:
    (folder / "a.jpg").write_bytes(content)
    return folder / "a.jpg"


@with_flyr
@pytest.mark.parametrize("png", [False, True])
def test_flir_gives_temperatures(tmp_path: Path, png: bool) -> None:
    path = saved(tmp_path, flir_jpeg(RAW, VISIBLE, png=png))
    thermal = read_thermal(path)
    assert thermal.dtype == np.float32
    np.testing.assert_allclose(thermal, kelvin(RAW.astype(float)), atol=0.01)
    assert 280 < thermal.mean() < 330
    assert read_image(path).shape == (120, 160, 3)  # the picture, where it serves as the visible image
    np.testing.assert_allclose(read_visible_of_thermal(path), VISIBLE, atol=3)


@with_flyr
@pytest.mark.parametrize(("emissivity", "distance"), [(0.95, 1.0), (0.8, 20.0)])
def test_flir_corrects_for_emissivity_and_air(tmp_path: Path, emissivity: float, distance: float) -> None:
    thermal = read_thermal(saved(tmp_path, flir_jpeg(RAW, emissivity=emissivity, distance=distance)))
    expected = kelvin(RAW.astype(float), emissivity, distance)
    np.testing.assert_allclose(thermal, expected, atol=0.02)
    assert np.abs(expected - kelvin(RAW.astype(float))).max() > 0.5


@with_flyr
def test_flir_without_constants_gives_raw_values(tmp_path: Path) -> None:
    thermal = read_thermal(saved(tmp_path, flir_jpeg(RAW, planck=False)))
    assert thermal.dtype == np.uint16
    np.testing.assert_array_equal(thermal, RAW)


def test_dji_gives_raw_values(tmp_path: Path) -> None:
    raw = np.random.default_rng(0).integers(18000, 21000, (512, 640)).astype(np.uint16)
    thermal = read_thermal(saved(tmp_path, dji_jpeg(raw)))
    assert thermal.dtype == np.uint16
    np.testing.assert_array_equal(thermal, raw)


def test_flir_without_its_reader_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flyr", None)
    for read in (read_thermal, read_visible_of_thermal):
        with pytest.raises(DistillMatchError, match=r"a\.jpg: .*distillmatch_ros\[radiometric\]"):
            read(saved(tmp_path, flir_jpeg(RAW, VISIBLE)))


def test_other_files_are_read_as_ever(tmp_path: Path) -> None:
    plain = saved(tmp_path, dji_jpeg(RAW))  # of no sensor's size: a segment of something else
    np.testing.assert_array_equal(read_thermal(plain), read_image(plain))


@pytest.mark.parametrize("content", [pytest.param(flir_jpeg(RAW), marks=with_flyr), dji_jpeg(RAW)])
def test_file_without_visible_image_says_so(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DistillMatchError, match=r"a\.jpg: holds no visible image; name the file"):
        read_visible_of_thermal(saved(tmp_path, content))


@with_flyr
def test_damaged_readings_are_an_error(tmp_path: Path) -> None:
    content = flir_jpeg(RAW).replace(b"FFF\0", b"\0\0\0\0").replace(b"\0\1\0\1\0\0\0\x64", b"\xff" * 8)
    with pytest.raises(DistillMatchError, match="radiometric values are damaged"):
        read_thermal(saved(tmp_path, content))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), max_size=5),
    end=st.integers(1, 20_000),
)
def test_any_damage_gives_an_image_or_an_error(
    tmp_path: Path, changes: list[tuple[int, int]], end: int
) -> None:
    damaged = bytearray(flir_jpeg(RAW[:20, :30], VISIBLE))
    for place, value in changes:
        damaged[place] = value
    path = saved(tmp_path, bytes(damaged[:end]))
    for read in (read_thermal, read_visible_of_thermal):
        with suppress(DistillMatchError):
            assert read(path).size > 0
