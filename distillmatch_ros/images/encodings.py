"""Pixels as ROS messages carry them, to OpenCV's arrays and back.

Neither cv_bridge nor rosbags-image serves thermal data: padded rows, big endian values and 16-bit PNG come
out wrong or not at all.
"""

import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.frames import decode_file

Bytes: TypeAlias = "bytes | memoryview | array[int] | NDArray[np.uint8]"

MAX_SIDE = 1 << 14
"""Rows and columns; OpenCV warps no image of 32767 or more."""
MAX_PIXELS = 1 << 26
"""200 MB as 8-bit colour, several times what robots' cameras have: beyond it a header lies."""


@dataclass(frozen=True)
class _Layout:
    """How a message lays out the pixels of an encoding.

    Attributes:
        dtype: of a value, in native byte order.
        channels: values of a pixel.
        conversion: OpenCV's code for the way to BGR or BGRA; None if there is nothing to convert.
        output: the encoding that images go out in, where this one cannot be made from BGR without loss.
    """

    dtype: np.dtype[Any]
    channels: int
    conversion: int | None = None
    output: str | None = None


_TYPES = {"8U": np.uint8, "16U": np.uint16, "32F": np.float32, "64F": np.float64}
# The two swaps are their own inverse, so that one code serves both directions.
_ORDERS = {"bgr": None, "bgra": None, "rgb": cv2.COLOR_RGB2BGR, "rgba": cv2.COLOR_RGBA2BGRA}
_BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2BGR,
    "bggr": cv2.COLOR_BayerBGGR2BGR,
    "gbrg": cv2.COLOR_BayerGBRG2BGR,
    "grbg": cv2.COLOR_BayerGRBG2BGR,
}
_YUV = {
    "yuv422": cv2.COLOR_YUV2BGR_UYVY,
    "uyvy": cv2.COLOR_YUV2BGR_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2BGR_YUY2,
    "yuyv": cv2.COLOR_YUV2BGR_YUY2,
}


def _layouts() -> dict[str, _Layout]:
    layouts = {
        f"{type_}C{channels}": _Layout(np.dtype(dtype), channels)
        for type_, dtype in _TYPES.items()
        for channels in (1, 3, 4)
    }
    for bits, dtype in ((8, np.dtype(np.uint8)), (16, np.dtype(np.uint16))):
        layouts[f"mono{bits}"] = _Layout(dtype, 1)
        for order, code in _ORDERS.items():
            layouts[f"{order}{bits}"] = _Layout(dtype, len(order), code)
        for pattern, code in _BAYER.items():
            layouts[f"bayer_{pattern}{bits}"] = _Layout(dtype, 1, code, f"bgr{bits}")
    for name, code in _YUV.items():
        layouts[name] = _Layout(np.dtype(np.uint8), 2, code, "bgr8")
    return layouts


_LAYOUTS: Mapping[str, _Layout] = _layouts()
_OF_FILES: Mapping[tuple[str, int], str] = {
    ("uint8", 1): "mono8",
    ("uint8", 3): "bgr8",
    ("uint8", 4): "bgra8",
    ("uint16", 1): "16UC1",
    ("uint16", 3): "bgr16",
    ("uint16", 4): "bgra16",
}
ENCODINGS = tuple(sorted(_LAYOUTS))
"""The encodings of raw images that can be read."""


def decode(
    data: Bytes, height: int, width: int, step: int, encoding: str, is_bigendian: bool | int
) -> NDArray[Any]:
    """Read the pixels of a raw image.

    An image that lies in memory as OpenCV wants it is not copied: the result shares the memory of ``data``.

    Args:
        data: the message's bytes; the padding of the last row may be missing.
        height: rows.
        width: columns.
        step: bytes from one row to the next.
        encoding: one of `ENCODINGS`.
        is_bigendian: byte order of values wider than 8 bits.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA; uint8, uint16, float32 or float64 in native byte order,
        contiguous. Bayer and YUV images become BGR.

    Raises:
        DistillMatchError: the header does not describe an image, or not this data.
    """
    layout = _layout(encoding)
    name = f"{encoding} image of {width} x {height}"
    _check_size(height, width, name)
    raw = np.frombuffer(data, np.uint8)
    pixel = layout.channels * layout.dtype.itemsize
    row = width * pixel
    if step < row:
        raise DistillMatchError(
            f"{name}: step {step} is less than the {row} bytes of a row; make the driver set step to {row}"
        )
    needed = (height - 1) * step + row
    if raw.size < needed:
        raise DistillMatchError(
            f"{name}: {raw.size} bytes of data where size and step want {needed}; "
            "mend the driver, or the link that cuts its messages"
        )
    shape, strides = (height, width, layout.channels), (step, pixel, layout.dtype.itemsize)
    dimensions = 2 if layout.channels == 1 else 3
    dtype = layout.dtype.newbyteorder(">" if is_bigendian else "<")
    view: NDArray[Any] = np.ndarray(shape[:dimensions], dtype, raw, 0, strides[:dimensions])
    image = np.require(view, layout.dtype, ("C", "A"))
    return image if layout.conversion is None else _converted(image, layout.conversion, name)


def decode_compressed(data: Bytes, format_: str) -> tuple[NDArray[Any], str]:
    """Read the JPEG or PNG of a compressed image; a 16-bit PNG keeps its values.

    Args:
        data: the file, whose first bytes tell JPEG from PNG.
        format_: the message's, such as ``jpeg``, ``rgb8; jpeg compressed bgr8`` or ``16UC1; png compressed``.

    Returns:
        The image as `decode` gives it and its encoding: the one that ``format_`` names if the file can hold
        it, otherwise ``mono8``, ``bgr8``, ``bgra8``, ``16UC1``, ``bgr16`` or ``bgra16``.

    Raises:
        DistillMatchError: neither JPEG nor PNG, damaged, too large, or compressedDepth.
    """
    name = f"{format_!r:.60} image"
    if "compressedDepth" in format_:
        raise DistillMatchError(
            f"{name}: compressedDepth holds quantised distances, not pixels; "
            "subscribe to the raw or the /compressed topic"
        )
    raw = np.frombuffer(data, np.uint8)
    size = _file_size(raw.tobytes(), name)
    _check_size(*size, name)
    picture = decode_file(raw, name, "check the camera's link")
    if picture.shape[:2] != size:
        raise DistillMatchError(f"{name}: its header promises another size; check the camera's link")
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    declared = format_.partition(";")[0].strip()
    layout = _LAYOUTS.get(declared)
    if layout is None or (layout.dtype, layout.channels) != (picture.dtype, channels):
        return picture, _OF_FILES[picture.dtype.name, channels]
    if layout.output is None or layout.conversion is None:
        return picture, declared
    return _converted(picture, layout.conversion, name), declared  # a Bayer mosaic


def output_encoding(encoding: str) -> str:
    """The encoding in which an image goes out that came in as ``encoding``.

    The same, except for Bayer and YUV images: these go out as ``bgr8``, or ``bgr16`` if they are that deep.

    Raises:
        DistillMatchError: there is no such encoding.
    """
    return _layout(encoding).output or encoding


def encode(image: NDArray[Any], encoding: str) -> NDArray[Any]:
    """Lay out an image for a message, in `output_encoding` of ``encoding``.

    Args:
        image: as `decode` gives it.
        encoding: one of `ENCODINGS`.

    Returns:
        Contiguous, in the message's channel order and native byte order; ``image`` itself where that is so.

    Raises:
        DistillMatchError: the image does not fit the encoding.
    """
    layout = _layout(output_encoding(encoding))
    channels = image.shape[2:] or (1,)
    if image.dtype != layout.dtype or channels != (layout.channels,):
        raise DistillMatchError(
            f"image {image.shape} of {image.dtype} does not fit {encoding}, which has {layout.channels} "
            f"channels of {layout.dtype}; choose another encoding"
        )
    return np.ascontiguousarray(
        image if layout.conversion is None else cv2.cvtColor(image, layout.conversion)
    )


def _layout(encoding: str) -> _Layout:
    if encoding not in _LAYOUTS:
        raise DistillMatchError(
            f"encoding {encoding!r:.60} is not supported; make the driver publish one of "
            f"{', '.join(ENCODINGS)}"
        )
    return _LAYOUTS[encoding]


def _check_size(height: int, width: int, name: str) -> None:
    if height < 1 or width < 1:
        raise DistillMatchError(f"{name}: {width} x {height} holds no pixels; check the driver")
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise DistillMatchError(
            f"{name}: {width} x {height} is beyond {MAX_SIDE} pixels a side or {MAX_PIXELS} in all; "
            "check the driver, or scale its images down"
        )


def _converted(image: NDArray[Any], conversion: int, name: str) -> NDArray[Any]:
    try:
        return np.asarray(cv2.cvtColor(image, conversion))
    except cv2.error as error:  # two pixels of a row share their colour in YUV 4:2:2
        raise DistillMatchError(
            f"{name}: cannot be converted to BGR ({error.err}); choose another encoding or an even width"
        ) from error


def _file_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width that a JPEG or PNG promises, before memory is taken to decode it."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    if data[:2] == b"\xff\xd8":
        return _jpeg_size(data, name)
    raise DistillMatchError(
        f"{name}: neither JPEG nor PNG in {len(data)} bytes; set the camera's image_transport to one of them"
    )


def _jpeg_size(data: bytes, name: str) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(data):
        fill, marker, length = struct.unpack_from(">BBH", data, position)
        # Markers without a length don't stand before the size, nor does anything between two segments.
        if fill != 0xFF or marker < 0xC0 or 0xD0 <= marker <= 0xD9:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return height, width
        position += 2 + length
    raise DistillMatchError(f"{name}: the JPEG is damaged before its size; check the camera's link")
