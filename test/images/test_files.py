"""Files as cameras and their software write them: what is stored is what is read."""

import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.files import encode_file, file_size, read_image, read_thermal
from distillmatch_ros.images.gain_control import to_8bit

RAMP = np.add.outer(np.arange(24.0), np.arange(32.0))
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")


def tiff(image: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, image, **options)
    return stream.getvalue()


def read(folder: Path, name: str, content: bytes) -> np.ndarray:
    (folder / name).write_bytes(content)
    return read_image(folder / name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib"},
        {"compression": "lzma"},
        {"tile": (16, 16)},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_tiff_of_every_depth(tmp_path: Path, dtype: str, options: dict[str, object]) -> None:
    stored = (RAMP * 2 - (0 if dtype.startswith("u") else 40)).astype(dtype)
    image = read(tmp_path, "a.tiff", tiff(stored, **options))
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, stored)
    assert np.ptp(to_8bit(image)) == 255


KINDS = {
    "opencv": cv2.imencode(".tiff", RAMP.astype(np.uint8))[1].tobytes(),
    "tiles": tiff(RAMP.astype(np.uint16), tile=(16, 16)),
    "turned": tiff(RAMP.astype(np.uint32), extratags=[(274, 3, 1, 6, True)]),
}
"""TIFF of three layouts."""


def entries(content: bytes) -> list[int]:
    """Where the tags of the first page lie: of each the number, 2 bytes, type, 2, count, 4, and value, 4."""
    with tifffile.TiffFile(BytesIO(content)) as file:
        return [tag.offset for tag in file.pages[0].tags.values()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example("opencv", 0, "<I", 4, 0)  # ImageWidth without a value
@given(
    kind=st.sampled_from(list(KINDS)),
    entry=st.integers(0, 11),
    layout=st.sampled_from(["<H", "<I"]),
    place=st.sampled_from([0, 2, 4, 8]),
    value=st.one_of(st.integers(0, 16), st.sampled_from([99, 1000, (1 << 16) - 1])),
)
def test_any_damage_to_a_tag_gives_an_image_or_an_error(
    tmp_path: Path, kind: str, entry: int, layout: str, place: int, value: int
) -> None:
    content = bytearray(KINDS[kind])
    tags = entries(KINDS[kind])
    struct.pack_into(layout, content, tags[entry % len(tags)] + place, value)
    with suppress(DistillMatchError):
        assert min(file_size(np.frombuffer(content, np.uint8), "a", "")) >= 0
    with suppress(DistillMatchError):
        assert read(tmp_path, "a.tiff", bytes(content)).size > 0


def test_of_several_pages_the_first_that_is_no_thumbnail_counts(tmp_path: Path) -> None:
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(RAMP[::4, ::4].astype(np.uint16), subfiletype=1)
        writer.write(RAMP.astype(np.uint16))
        writer.write(RAMP.astype(np.uint16) + 7)
    np.testing.assert_array_equal(read(tmp_path, "pages.tif", stream.getvalue()), RAMP)


@pytest.mark.parametrize("dtype", [*DTYPES, ">u2", ">f4", "int64", "uint64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_every_depth(tmp_path: Path, dtype: str, order: str) -> None:
    stored = np.array(RAMP, dtype, order=order)
    np.save(tmp_path / "a.npy", stored)
    image = read_image(tmp_path / "a.npy")
    assert image.dtype == (np.int32 if "int64" in dtype else np.dtype(dtype).newbyteorder("="))
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, stored)


def test_numbers_beyond_32_bits_become_floats(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, 1 << 40]]))
    assert read_image(tmp_path / "a.npy").dtype == np.float64


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1 << 30, 1 << 30), "beyond 16384 pixels a side"),
        ((1, 4, 1 << 40), "no array"),
        ((5,), "not an image"),
        ((2, 3, 5), "not an image"),
    ],
)
def test_npy_that_is_no_image(tmp_path: Path, shape: tuple[int, ...], reason: str) -> None:
    stream = BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<u2", "fortran_order": False, "shape": shape})
    with pytest.raises(DistillMatchError, match=reason):
        read(tmp_path, "a.npy", stream.getvalue() + bytes(2 * 30 if len(shape) > 1 else 10))


def with_exif(orientation: int, stored: np.ndarray) -> bytes:
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    jpeg = cv2.imencode(".jpg", np.ascontiguousarray(stored))[1].tobytes()
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_as_opencv_does(tmp_path: Path, orientation: int) -> None:
    """One rule for the command and for who reads with `cv2.imread`."""
    stored = np.zeros((24, 32, 3), np.uint8)
    stored[:8, :16], stored[16:, :4] = (200, 20, 20), (20, 200, 20)
    image = read(tmp_path, "a.jpg", with_exif(orientation, stored))
    np.testing.assert_array_equal(image, cv2.imread(str(tmp_path / "a.jpg")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_turns_likewise(tmp_path: Path, orientation: int) -> None:
    stored = RAMP.astype(np.uint16)
    upright = read(tmp_path, "a.tif", tiff(stored, extratags=[(274, 3, 1, orientation, True)]))
    jpeg = cv2.imdecode(np.frombuffer(with_exif(orientation, stored.astype(np.uint8)), np.uint8), 0)
    assert upright.shape == jpeg.shape
    np.testing.assert_allclose(upright, jpeg, atol=3)


def test_damaged_exif_does_not_matter(tmp_path: Path) -> None:
    content = with_exif(3, RAMP.astype(np.uint8)).replace(b"II*\0", b"\xff\xff\xff\xff")
    assert read(tmp_path, "a.jpg", content).shape == (24, 32)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_what_is_written_reads_the_same(tmp_path: Path, dtype: str, channels: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 100, (9, 11, *channels)).astype(dtype)
    np.testing.assert_array_equal(read(tmp_path, "a.tiff", encode_file(image, ".tiff")), image)


CONTENTS = (
    tiff(RAMP.astype(np.uint32)),
    tiff(RAMP.astype(np.float16), compression="zlib", bigtiff=True),
    with_exif(6, RAMP.astype(np.uint8)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.sampled_from(CONTENTS),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=5),
    end=st.integers(1, 5000),
)
def test_any_damage_gives_an_image_or_an_error(
    tmp_path: Path, content: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(content)] = value
    try:
        image = read(tmp_path, "a.img", bytes(damaged[:end]))
    except DistillMatchError:
        return
    assert image.size > 0


@pytest.mark.parametrize(
    "text",
    [
        "20.5,21,22\n30,31.25,-4e1\n",
        "\ufeffFile: a.jpg;;\r\nParameters:;;\r\n\r\n20,5;21;22;\r\n30;31,25;-40;\r\n",
        "20.5\t21\t22\n30\t31.25\t-40",
        " 20.5 21 22 \n 30 31.25 -40\n",
        "time,3,4\n1,2\n20.5,21,22\n30,31.25,-40\nend\n",
    ],
)
def test_a_matrix_of_temperatures_in_csv(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.CSV").write_text(text)
    for read in (read_image, read_thermal):
        found = read(tmp_path / "t.CSV")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.float32([[20.5, 21, 22], [30, 31.25, -40]]))


@pytest.mark.parametrize("text", ["visible,thermal\na.png,b.png\n", "1,2,3\n", "1\n2\n3\n", "\0"])
def test_a_csv_without_a_matrix_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DistillMatchError, match=r"t\.csv: holds no matrix of numbers"):
        read_thermal(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    with pytest.raises(DistillMatchError, match="beyond"):
        read_thermal(tmp_path / "t.csv", max_pixels=3)


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_numbers_the_rows_is_none_of_the_image(first: int, tmp_path: Path) -> None:
    rows = [f"{first + row},{20 + row}.5,21,22" for row in range(9)]
    (tmp_path / "t.csv").write_text(",0,1,2\n" + "\n".join(rows))
    read = read_thermal(tmp_path / "t.csv")
    assert read.shape == (9, 3) and read[3].tolist() == [23.5, 21, 22]
    (tmp_path / "few.csv").write_text("0,20\n1,21\n")
    assert read_thermal(tmp_path / "few.csv").shape == (2, 2)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_matrices_as_office_programs_save_them(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('"20,5"\t"21"\n"22"\t"23"\n', encoding=encoding)
    assert read_thermal(tmp_path / "t.csv").tolist() == [[20.5, 21], [22, 23]]
