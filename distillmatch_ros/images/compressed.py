"""Image files as messages carry them: what image_transport's plugins write."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.encodings import TYPES, Bytes, check_size, is_encoding, layout_of, to_bgr
from distillmatch_ros.images.files import decode_file
from distillmatch_ros.images.tiff import is_tiff, tiff_size

_OF_FILES: Mapping[tuple[str, int], str] = {
    **{(np.dtype(dtype).name, n): f"{kind}C{n}" for kind, dtype in TYPES.items() for n in (1, 3, 4)},
    ("uint8", 1): "mono8",
    ("uint8", 3): "bgr8",
    ("uint8", 4): "bgra8",
    ("uint16", 3): "bgr16",
    ("uint16", 4): "bgra16",
}
_DEPTH_HEADER = struct.Struct("<iff")  # of compressedDepth: kind, and how 32FC1 was quantised
COMPRESSED = "JPEG, PNG, TIFF, compressedDepth with PNG"
"""What `decode_compressed` reads."""


def decode_compressed(data: Bytes, format_: str) -> tuple[NDArray[Any], str]:
    """Read the file of a compressed image; PNG and TIFF keep their values.

    Args:
        data: JPEG, PNG or TIFF, which its first bytes tell; of compressedDepth a PNG behind its header.
        format_: the message's, such as ``jpeg``, ``rgb8; jpeg compressed bgr8`` or ``16UC1; png compressed``.

    Returns:
        The image as `decode` gives it and its encoding: the one that ``format_`` names if the file can hold
        it, otherwise that of the file's values, such as ``mono8``, ``bgr8``, ``16UC1`` or ``32FC1``.

    Raises:
        DistillMatchError: another kind of file, damaged or too large.
    """
    name = f"{format_!r:.60} image"
    raw = np.frombuffer(data, np.uint8)
    declared = format_.partition(";")[0].strip()
    depth = "compressedDepth" in format_
    head, raw = raw[: _DEPTH_HEADER.size * depth], raw[_DEPTH_HEADER.size * depth :]
    size = _file_size(raw, name)
    check_size(*size, name)
    picture = decode_file(raw, name, "check the camera's link")
    if picture.shape[:2] != size:
        raise DistillMatchError(f"{name}: its header promises another size; check the camera's link")
    if depth and declared.casefold() == "32fc1":
        picture = _dequantised(picture, head)
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    layout = layout_of(declared) if is_encoding(declared) else None
    if layout is not None and layout.holds(picture.dtype, channels):
        if layout.output is None or layout.conversion is None:
            return picture, declared
        return to_bgr(picture, layout.conversion, name), declared  # a Bayer mosaic
    if (picture.dtype.name, channels) not in _OF_FILES:
        raise DistillMatchError(
            f"{name}: holds {picture.dtype}, for which ROS has no encoding; send one of {', '.join(TYPES)}"
        )
    return picture, _OF_FILES[picture.dtype.name, channels]


def _dequantised(picture: NDArray[Any], header: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What compressedDepth makes of 32FC1: steps of the inverse, 0 where there was no value."""
    _, scale, offset = _DEPTH_HEADER.unpack(header.tobytes())
    with np.errstate(all="ignore"):
        return np.where(picture == 0, np.nan, scale / (picture - np.float32(offset))).astype(np.float32)


def _file_size(data: NDArray[np.uint8], name: str) -> tuple[int, int]:
    """Height and width that a file promises, before memory is taken to decode it."""
    head = data[:24].tobytes()
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR" and len(head) >= 24:
        width, height = struct.unpack_from(">II", head, 16)
        return height, width
    if head[:2] == b"\xff\xd8":
        return _jpeg_size(data.tobytes(), name)
    if is_tiff(head):
        return tiff_size(data, name, "check the camera's link")
    raise DistillMatchError(
        f"{name}: none of {COMPRESSED} in {data.size} bytes; set the camera's image_transport to one of them"
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
