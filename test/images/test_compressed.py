"""Compressed images: PNG keeps its values, JPEG its colours, and no file does harm."""

import gzip
import struct
import sys
import zlib
from array import array
from collections.abc import Callable
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.compressed import decode_compressed
from distillmatch_ros.images.encodings import ENCODINGS, decode, encode

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def picture(dtype: type = np.uint8, channels: int = 1) -> np.ndarray:
    """Smooth, so that JPEG keeps it; red over green over blue where it has colours."""
    ramp = np.add.outer(np.arange(24), np.arange(32)) * (1 if dtype == np.uint8 else 1000)
    if channels == 1:
        return ramp.astype(dtype)
    return np.stack([ramp * (1 + channel) for channel in range(channels)], axis=2).astype(dtype)


def file_of(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.mark.parametrize(
    ("format_", "dtype", "channels", "encoding"),
    [
        ("png", np.uint8, 1, "mono8"),
        ("png", np.uint8, 3, "bgr8"),
        ("png", np.uint8, 4, "bgra8"),
        ("png", np.uint16, 1, "16UC1"),
        ("png", np.uint16, 3, "bgr16"),
        ("", np.uint16, 1, "16UC1"),
        ("16UC1; png compressed ", np.uint16, 1, "16UC1"),
        ("mono16; png compressed", np.uint16, 1, "mono16"),
        ("mono16; png compressed", np.uint8, 1, "mono8"),
        ("rgb8; png compressed bgr8", np.uint8, 3, "rgb8"),
        ("rgb16; png compressed bgr16", np.uint16, 3, "rgb16"),
        ("8UC1; png compressed", np.uint8, 1, "8UC1"),
        ("bayer_rggb8; png compressed bgr8", np.uint8, 3, "bgr8"),
    ],
)
def test_png_keeps_its_values(format_: str, dtype: type, channels: int, encoding: str) -> None:
    stored = picture(dtype, channels)
    decoded, name = decode_compressed(file_of(stored), format_)
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, stored)
    assert name == encoding
    assert encode(decoded, name).shape == stored.shape


@pytest.mark.parametrize(
    ("dtype", "encoding"),
    [(np.float32, "32FC1"), (np.int16, "16SC1"), (np.int32, "32SC1"), (np.uint16, "16UC1")],
)
@pytest.mark.parametrize("declared", ["", "; tiff compressed"])
def test_tiff_keeps_its_values(dtype: type, encoding: str, declared: str) -> None:
    stored = (picture(np.uint16).astype(np.float64) / 8 - 100).astype(dtype)
    decoded, name = decode_compressed(file_of(stored, ".tiff"), declared and encoding + declared)
    np.testing.assert_array_equal(decoded, stored)
    assert (decoded.dtype, name) == (dtype, encoding)


def test_depth_is_what_it_was() -> None:
    stored = picture(np.uint16)
    header = struct.pack("<iff", 0, 0, 0)
    decoded, name = decode_compressed(header + file_of(stored), "16UC1; compressedDepth png")
    np.testing.assert_array_equal(decoded, stored)
    assert name == "16UC1"


def test_depth_of_floats_comes_back_within_its_quantisation() -> None:
    stored = 290 + picture().astype(np.float32)
    scale, offset = 100.0 * (100.0 + 1), 1 - 100.0 * (100.0 + 1) / 400
    inverse = np.rint(scale / stored + offset).astype(np.uint16)
    inverse[3, 4] = 0
    data = struct.pack("<iff", 0, scale, offset) + file_of(inverse)
    decoded, name = decode_compressed(data, "32FC1; compressedDepth png")
    assert name == "32FC1"
    assert np.isnan(decoded[3, 4])
    assert np.nanmax(np.abs(decoded - stored)) < 10


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("format_", ["jpeg", "jpg", "rgb8; jpeg compressed bgr8", "mono8; jpeg compressed "])
def test_jpeg_comes_in_the_order_of_opencv(format_: str, channels: int) -> None:
    stored = picture(channels=channels)
    decoded, encoding = decode_compressed(array("B", file_of(stored, ".jpg")), format_)
    np.testing.assert_allclose(decoded.astype(int), stored, atol=12)
    assert encoding == ("mono8" if channels == 1 else "rgb8" if "rgb8" in format_ else "bgr8")


def test_mosaic_in_a_png_becomes_colour() -> None:
    mosaic = np.tile(np.array([[200, 100], [100, 10]], np.uint8), (4, 5))
    decoded, encoding = decode_compressed(file_of(mosaic), "bayer_rggb8; png compressed ")
    np.testing.assert_array_equal(decoded, np.tile([10, 100, 200], (8, 10, 1)))
    assert encode(decoded, encoding) is decoded


def test_jpeg_with_exif_is_found_and_not_turned() -> None:
    stored = file_of(picture(), ".jpg")
    turned = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x112, 3, 1, 6, 0, 0)
    decoded, _ = decode_compressed(
        stored[:2] + struct.pack(">HH", 0xFFE1, len(turned) + 2) + turned + stored[2:], "jpeg"
    )
    assert decoded.shape == (24, 32)


def test_jpeg_may_have_its_tables_before_its_size() -> None:
    stored = file_of(picture(), ".jpg")
    tables = stored.index(b"\xff\xc4")
    (length,) = struct.unpack_from(">H", stored, tables + 2)
    moved = stored[:2] + stored[tables : tables + 2 + length] + stored[2:]
    np.testing.assert_array_equal(decode_compressed(moved, "jpeg")[0], decode_compressed(stored, "jpeg")[0])


def with_size(file: bytes, height: int, width: int) -> bytes:
    """A JPEG or PNG whose header promises another size."""
    if file.startswith(b"\x89PNG"):
        return file[:16] + struct.pack(">II", width, height) + file[24:]
    position = file.index(b"\xff\xc0") + 5
    return file[:position] + struct.pack(">HH", height, width) + file[position + 4 :]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_decompression_bomb_is_rejected_before_it_is_unpacked(suffix: str) -> None:
    for height, width in ((60_000, 60_000), (1, 20_000), (16_000, 16_000)):
        with pytest.raises(DistillMatchError, match=f"{width} x {height} is beyond"):
            decode_compressed(with_size(file_of(picture(), suffix), height, width), "bomb")
    with pytest.raises(DistillMatchError, match="no pixels"):
        decode_compressed(with_size(file_of(picture(), suffix), 0, 32), "empty")


@pytest.mark.parametrize("marker", [0x01, 0xD0])
def test_jpeg_cannot_hide_its_size(marker: int) -> None:
    """A decoder passes over such a marker; to take what follows for its length leads to a false size."""
    shown = file_of(picture(), ".jpg")
    hidden = b"\xff\xd8" + bytes([0xFF, marker]) + with_size(shown, 60_000, 60_000)[2:]
    skipped = 4 + struct.unpack_from(">H", hidden, 4)[0]
    file = hidden.ljust(skipped, b"\0") + shown[shown.index(b"\xff\xc0") :]
    with pytest.raises(DistillMatchError, match="damaged before its size"):
        decode_compressed(file, "jpeg")


@pytest.mark.parametrize(
    ("data", "format_", "reason"),
    [
        (b"", "jpeg", "none of JPEG, PNG, TIFF.* in 0 bytes; set"),
        (b"hello", "jpeg", "none of JPEG, PNG, TIFF"),
        (file_of(picture(), ".bmp"), "bmp", "none of JPEG, PNG, TIFF"),
        (file_of(picture())[:20], "png", "none of JPEG, PNG, TIFF"),
        (file_of(picture())[:60], "png", "damaged.*; check the camera's link"),
        (file_of(picture(), ".jpg")[:40], "jpeg", "damaged before its size; check"),
        (bytes(12) + b"rvl", "16UC1; compressedDepth rvl", "holds 3 bytes; check the camera"),
        (file_of(picture(np.float32), ".tiff")[:200], "32FC1; tiff compressed", "damaged"),
    ],
)
def test_bad_file_is_rejected_with_reason_and_remedy(data: bytes, format_: str, reason: str) -> None:
    with pytest.raises(DistillMatchError, match=reason) as caught:
        decode_compressed(data, format_)
    assert str(caught.value).startswith(repr(format_))


FILES = (
    file_of(picture(channels=3), ".jpg"),
    file_of(picture(channels=3)),
    file_of(picture(np.uint16)),
    file_of(picture(np.float32), ".tiff"),
)


@given(
    file=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=5),
    end=st.integers(0, 3000),
    format_=st.one_of(
        st.text(max_size=12), st.sampled_from(ENCODINGS).map(lambda name: f"{name}; png compressed")
    ),
)
def test_any_damage_gives_an_image_or_an_error(
    file: bytes, changes: list[tuple[int, int]], end: int, format_: str
) -> None:
    damaged = bytearray(file)
    for place, value in changes:
        damaged[place % len(file)] = value
    try:
        decoded, encoding = decode_compressed(bytes(damaged[:end]), format_)
    except DistillMatchError:
        return
    assert decoded.size > 0
    assert encode(decoded, encoding).shape == decoded.shape


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_further_image_files_in_messages(suffix: str) -> None:
    stored = picture(np.uint8, 3)
    if not cv2.haveImageWriter(f"a{suffix}"):
        pytest.skip(f"OpenCV was built without {suffix}")
    decoded, name = decode_compressed(file_of(stored, suffix), suffix[1:])
    assert name == "bgr8" and np.abs(decoded.astype(int) - stored).mean() < 5


ZSTD_IMAGE = struct.pack("<IIBII", 24, 32, 0, 64, 6) + b"mono16"


def test_the_zstd_transport_holds_chroma_planes_and_unpacks_no_more_than_an_image() -> None:
    planes = np.random.default_rng(0).integers(0, 255, 48 * 64 * 3 // 2, dtype=np.uint8)
    head = struct.pack("<IIBII", 48, 64, 0, 64, 4) + b"nv12"
    decoded, _ = decode_compressed(head + zlib.compress(planes.tobytes()), "zstd")
    np.testing.assert_array_equal(decoded, decode(planes, 48, 64, 64, "nv12", 0))
    bomb = struct.pack("<IIBII", 1 << 14, 1, 0, 1 << 16, 5) + b"mono8" + zlib.compress(bytes(1 << 24))
    with pytest.raises(DistillMatchError, match="rows of 65536 bytes for 1 pixels"):
        decode_compressed(bomb, "zstd")


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, zstd.compress])
def test_the_zstd_transport_whatever_it_packs_with(pack: Callable[[bytes], bytes]) -> None:
    stored = picture(np.uint16)
    decoded, name = decode_compressed(ZSTD_IMAGE + pack(stored.tobytes()), "zstd")
    np.testing.assert_array_equal(decoded, stored)
    assert name == "mono16"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ZSTD_IMAGE,
        ZSTD_IMAGE + zlib.compress(bytes(9)),
        ZSTD_IMAGE + b"damaged",
        struct.pack("<IIBII", 30_000, 30_000, 0, 60_000, 6) + b"mono16" + zlib.compress(bytes(10_000_000)),
        struct.pack("<IIBII", 24, 32, 0, 1 << 31, 6) + b"mono16" + zlib.compress(bytes(10_000_000)),
    ],
)
def test_a_damaged_image_of_the_zstd_transport_is_named(data: bytes) -> None:
    with pytest.raises(DistillMatchError):
        decode_compressed(data, "zstd")


def rvl(image: np.ndarray) -> bytes:
    """An image in RVL, number by number."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while True:
            number, low = number >> 3, number & 7
            nibbles.append(low | (8 if number else 0))
            if not number:
                return

    values, previous, at = image.ravel().tolist(), 0, 0
    while at < len(values):
        zeros = next((n for n, value in enumerate(values[at:]) if value), len(values) - at)
        put(zeros)
        run = next((n for n, value in enumerate(values[at + zeros :]) if not value), len(values) - at - zeros)
        put(run)
        for value in values[at + zeros : at + zeros + run]:
            step, previous = value - previous, value
            put((step << 1) ^ (step >> 31))
        at += zeros + run
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{n:x}" for n in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)]
    return struct.pack("<II", image.shape[1], image.shape[0]) + struct.pack(f"<{len(words)}I", *words)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_rvl_gives_back_what_was_packed(seed: int, holes: float) -> None:
    rng = np.random.default_rng(seed)
    stored = rng.integers(0, 65536, (5, 7)).astype(np.uint16) * (rng.random((5, 7)) > holes)
    data = struct.pack("<iff", 0, 0, 0) + rvl(stored.astype(np.uint16))
    decoded, name = decode_compressed(data, "16UC1; compressedDepth rvl")
    np.testing.assert_array_equal(decoded, stored)
    assert (decoded.dtype, name) == (np.uint16, "16UC1")


@given(st.binary(max_size=60))
def test_damaged_rvl_is_named(data: bytes) -> None:
    header = struct.pack("<iff", 0, 0, 0)
    with suppress(DistillMatchError):
        decode_compressed(header + data, "16UC1; compressedDepth rvl")
    with suppress(DistillMatchError):
        decode_compressed(header + struct.pack("<II", 7, 5) + data, "16UC1; compressedDepth rvl")
