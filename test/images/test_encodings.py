"""Raw images of every encoding, to OpenCV's order and back."""

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.encodings import (
    ENCODINGS,
    decode,
    encode,
    output_encoding,
)
from distillmatch_ros.images.sizes import MAX_SIDE

DTYPES = {"8U": "u1", "8S": "i1", "16U": "u2", "16S": "i2", "32S": "i4", "32F": "f4", "64F": "f8"}
KEPT = {
    **{
        f"{kind}C{count}": (np.dtype(name).type, count)
        for kind, name in DTYPES.items()
        for count in (1, 3, 4)
    },
    **{f"{order}8": (np.uint8, len(order)) for order in ("bgr", "rgb", "bgra", "rgba")},
    **{f"{order}16": (np.uint16, len(order)) for order in ("bgr", "rgb", "bgra", "rgba")},
    "mono8": (np.uint8, 1),
    "mono16": (np.uint16, 1),
}
"""Encodings that an image keeps on its way through, with the dtype and number of a pixel's values."""


def as_message(values: np.ndarray, big_endian: bool = False, padding: int = 0) -> tuple[bytes, int]:
    """Bytes and step of an image whose values stand in the message's own channel order."""
    order = ">" if big_endian else "<"
    rows = [row.astype(row.dtype.newbyteorder(order)).tobytes() for row in values]
    return b"".join(row + b"\xaa" * padding for row in rows), len(rows[0]) + padding


@st.composite
def kept_images(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """An encoding that can be kept, and (H, W, C) values in the message's order."""
    encoding = draw(st.sampled_from(sorted(KEPT)))
    dtype, channels = KEPT[encoding]
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)), channels)
    return encoding, draw(arrays(dtype, shape))


@given(kept_images(), st.booleans(), st.integers(0, 11))
def test_what_is_decoded_encodes_to_the_same_values(
    image: tuple[str, np.ndarray], big_endian: bool, padding: int
) -> None:
    encoding, values = image
    height, width, channels = values.shape
    data, step = as_message(values, big_endian, padding)
    decoded = decode(data, height, width, step, encoding, big_endian)
    assert decoded.shape == ((height, width) if channels == 1 else values.shape)
    assert decoded.dtype == values.dtype
    assert decoded.dtype.isnative
    assert decoded.flags.c_contiguous
    assert decoded.flags.aligned
    again = encode(decoded, encoding)
    assert output_encoding(encoding) == encoding
    assert again.flags.c_contiguous
    assert again.tobytes() == values.tobytes()  # bytes, because NaN differs from itself


@pytest.mark.parametrize(
    ("encoding", "pixel", "expected"),
    [
        ("bgr8", [1, 2, 3], [1, 2, 3]),
        ("rgb8", [3, 2, 1], [1, 2, 3]),
        ("8UC3", [1, 2, 3], [1, 2, 3]),
        ("bgra8", [1, 2, 3, 4], [1, 2, 3, 4]),
        ("rgba8", [3, 2, 1, 4], [1, 2, 3, 4]),
        ("8UC4", [1, 2, 3, 4], [1, 2, 3, 4]),
        ("rgb16", [300, 200, 100], [100, 200, 300]),
        ("bgr16", [100, 200, 300], [100, 200, 300]),
        ("rgba16", [300, 200, 100, 7], [100, 200, 300, 7]),
    ],
)
def test_colours_come_in_the_order_of_opencv(encoding: str, pixel: list[int], expected: list[int]) -> None:
    values = np.tile(np.array(pixel, KEPT[encoding][0]), (2, 3, 1))
    data, step = as_message(values)
    np.testing.assert_array_equal(decode(data, 2, 3, step, encoding, 0), np.tile(expected, (2, 3, 1)))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_becomes_the_colour_that_was_filtered(pattern: str, bits: int) -> None:
    colour = {"b": 10, "g": 100, "r": 200}
    tile = np.array([colour[letter] for letter in pattern], f"u{bits // 8}").reshape(2, 2)
    data, step = as_message(np.tile(tile, (4, 5)), padding=3)
    decoded = decode(data, 8, 10, step, f"bayer_{pattern}{bits}", False)
    np.testing.assert_array_equal(decoded, np.tile(list(colour.values()), (8, 10, 1)))
    assert decoded.dtype == tile.dtype
    assert output_encoding(f"bayer_{pattern}{bits}") == f"bgr{bits}"
    np.testing.assert_array_equal(encode(decoded, f"bayer_{pattern}{bits}"), decoded)


@pytest.mark.parametrize(
    ("encoding", "red_then_blue"),
    [
        ("yuv422", [90, 81, 240, 81, 240, 41, 110, 41]),
        ("uyvy", [90, 81, 240, 81, 240, 41, 110, 41]),
        ("yuv422_yuy2", [81, 90, 81, 240, 41, 240, 41, 110]),
        ("yuyv", [81, 90, 81, 240, 41, 240, 41, 110]),
    ],
)
def test_yuv_becomes_its_colours(encoding: str, red_then_blue: list[int]) -> None:
    data = bytes([*red_then_blue, 9, 9, 9]) * 2
    decoded = decode(data, 2, 4, 11, encoding, False)
    np.testing.assert_allclose(decoded[1], [[0, 0, 255]] * 2 + [[255, 0, 0]] * 2, atol=2)
    assert output_encoding(encoding) == "bgr8"
    np.testing.assert_array_equal(encode(decoded, encoding), decoded)


@pytest.mark.parametrize("encoding", ["mono8", "bgr8", "16UC1", "32FC1"])
def test_native_image_is_not_copied(encoding: str) -> None:
    dtype, channels = KEPT[encoding]
    data = array("B", bytes(6 * 8 * channels * np.dtype(dtype).itemsize))
    decoded = decode(data, 6, 8, len(data) // 6, encoding, False)
    decoded[2, 3] = 1
    assert np.count_nonzero(np.frombuffer(data, dtype)) == channels
    assert encode(decoded, encoding) is decoded
    # Bytes are read-only, and so is an image that was not copied.
    assert not decode(bytes(data), 6, 8, len(data) // 6, encoding, False).flags.writeable


def test_values_at_odd_addresses_are_moved() -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    decoded = decode(memoryview(b"\0" + values.tobytes())[1:], 3, 4, 8, "16UC1", False)
    assert decoded.flags.aligned
    np.testing.assert_array_equal(decoded, values)


def test_padding_of_the_last_row_may_be_missing() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    data, step = as_message(values, padding=5)
    np.testing.assert_array_equal(decode(data[:-5], 3, 4, step, "mono8", False), values)
    with pytest.raises(DistillMatchError, match="21 bytes of data, but size and step need 22"):
        decode(data[:-6], 3, 4, step, "mono8", False)


@pytest.mark.parametrize(
    ("height", "width", "step", "encoding", "reason"),
    [
        (0, 4, 4, "mono8", "no pixels; check"),
        (4, 0, 4, "mono8", "no pixels"),
        (4, 4, 3, "mono8", "step 3 is less than the 4 bytes of a row; make the driver"),
        (4, 4, 0, "16UC1", "set step to 8"),
        (40, 4, 4, "mono8", "48 bytes of data, but size and step need 160; correct"),
        (4, 4, 2**32 - 1, "mono8", "48 bytes of data"),
        (2**32 - 1, 2**32 - 1, 2**32 - 1, "64FC4", "beyond 16384 pixels a side"),
        (1, MAX_SIDE + 1, MAX_SIDE + 1, "mono8", "beyond"),
        (MAX_SIDE, MAX_SIDE, MAX_SIDE, "mono8", "67108864 in all; check"),
        (4, 4, 4, "", "'' is not supported; make the driver publish one of 8UC1, "),
        (4, 4, 4, "jpeg", "not supported"),
        (4, 3, 6, "yuv422", "even width"),
        (4, 3, 3, "nv12", "even width"),
        (6, 8, 8, "nv12", "48 bytes of data, but size and step need 72"),
        (4, 4, 5, "mono12p", "step 5 is less than the 6 bytes of a row"),
    ],
)
def test_header_that_lies_is_rejected_with_reason_and_remedy(
    height: int, width: int, step: int, encoding: str, reason: str
) -> None:
    with pytest.raises(DistillMatchError, match=reason):
        decode(bytes(48), height, width, step, encoding, False)


@pytest.mark.parametrize(("written", "read"), [("MONO8", "mono8"), ("NV12", "bgr8"), ("16uc1", "16UC1")])
def test_upper_and_lower_case_are_one(written: str, read: str) -> None:
    assert decode(bytes(96), 4, 4, 8, written, False).shape[:2] == (4, 4)
    assert output_encoding(written) == read


def test_a_long_name_does_not_flood_the_log() -> None:
    with pytest.raises(DistillMatchError) as caught:
        decode(bytes(48), 4, 4, 4, "x" * 100_000, False)
    assert len(str(caught.value)) < 1000


sizes = st.one_of(st.integers(0, 12), st.integers(0, 2**32 - 1))


@given(
    data=st.binary(max_size=400),
    height=sizes,
    width=sizes,
    step=st.one_of(st.integers(0, 100), sizes),
    encoding=st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=8)),
    big_endian=st.integers(0, 255),
)
def test_any_header_and_data_give_the_promised_shape_or_an_error(
    data: bytes, height: int, width: int, step: int, encoding: str, big_endian: int
) -> None:
    try:
        decoded = decode(data, height, width, step, encoding, big_endian)
    except DistillMatchError:
        return
    assert decoded.shape[:2] == (height, width)
    assert decoded.ndim == 2 or decoded.shape[2] in (3, 4)
    assert encode(decoded, encoding).shape == decoded.shape


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_can_be_read(encoding: str) -> None:
    decoded = decode(bytes(12 * 4 * 32), 4, 4, 4 * 32, encoding, False)
    assert decoded.shape[:2] == (4, 4)
    assert KEPT.keys() <= set(ENCODINGS)


def test_image_that_does_not_fit_is_not_encoded() -> None:
    for image, encoding in (
        (np.zeros((4, 4, 3), np.uint8), "mono8"),
        (np.zeros((4, 4), np.uint8), "bgr8"),
        (np.zeros((4, 4), np.float32), "16UC1"),
        (np.zeros((4, 4, 4), np.uint8), "bayer_rggb8"),
    ):
        with pytest.raises(DistillMatchError, match=f"does not fit {encoding}.*choose"):
            encode(image, encoding)
