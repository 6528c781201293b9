"""Sizes and lengths in the headers of image files, checked before memory is allocated for decoding."""

import struct
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

MAX_SIDE = 1 << 14
"""Greatest number of rows or columns; OpenCV warps no image of 32767 or more."""
MAX_PIXELS = 1 << 26
"""Default limit: 200 MB as 8-bit colour, several times the size of robot cameras' images."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"


def check_size(height: int, width: int, name: str, max_pixels: int = MAX_PIXELS) -> None:
    """Reject an image by its header, before memory is allocated for it.

    Args:
        height: rows.
        width: columns.
        name: name of the image in errors.
        max_pixels: greatest number of pixels.

    Raises:
        DistillMatchError: it has no pixels, more than ``max_pixels``, or a side longer than `MAX_SIDE`.
    """
    if height < 1 or width < 1:
        raise DistillMatchError(f"{name}: {width} x {height} holds no pixels; check what wrote it")
    if max(height, width) > MAX_SIDE or height * width > max_pixels:
        raise DistillMatchError(
            f"{name}: {width} x {height} is beyond {MAX_SIDE} pixels a side or {max_pixels} in all; "
            "check what wrote it, or scale its images down (max_pixels sets the limit)"
        )


def check_lengths(data: NDArray[np.uint8], name: str, remedy: str) -> None:
    """Reject a PNG with a chunk longer than the file, since OpenCV allocates memory by that length.

    The decoders of the other kinds allocate by the pixels in the header, which `check_size` limits.

    Raises:
        DistillMatchError: the file ends within a chunk.
    """
    position = 8 if _is_png(data[:24].tobytes()) else len(data)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data.data, position)
        if kind == b"IEND":
            return
        position += 12 + length  # with length, kind and checksum
        if position > len(data):
            raise DistillMatchError(
                f"{name}: cut off or damaged, a chunk of {length} bytes exceeds the file; {remedy}"
            )


def is_jpeg_or_png(data: NDArray[np.uint8]) -> bool:
    """Whether the first bytes are those of a JPEG or PNG."""
    head = data[:24].tobytes()
    return _is_png(head) or head.startswith(_JPEG)


def is_webp_or_avif(data: NDArray[np.uint8]) -> bool:
    """Whether the first bytes are those of a WebP or AVIF."""
    head = data[:12].tobytes()
    webp = head[:4] == b"RIFF" and head[8:] == b"WEBP"
    return webp or (head[4:8] == b"ftyp" and head[8:] in (b"avif", b"avis"))


def picture_size(data: NDArray[np.uint8], name: str, remedy: str) -> tuple[int, int]:
    """Height and width from the header of a JPEG, PNG, WebP, AVIF, BMP or PGM.

    Raises:
        DistillMatchError: the header is damaged, or the file is no image.
    """
    head = data[:24].tobytes()
    if _is_png(head):
        width, height = struct.unpack_from(">II", head, 16)
        return height, width
    if head.startswith(_JPEG):
        return _jpeg_size(data.data, name, remedy)
    from PIL import Image  # imported on demand: needed for few files

    try:
        with Image.open(BytesIO(data.tobytes())) as opened:  # reads the header alone
            return opened.height, opened.width
    except Image.DecompressionBombError as error:
        raise DistillMatchError(f"{name}: its header declares too many pixels; {remedy}") from error
    except Exception as error:  # a damaged header may raise any exception in its reader
        raise DistillMatchError(f"{name}: damaged or not an image; {remedy}") from error


def _is_png(head: bytes) -> bool:
    return head[:8] == _PNG and head[12:16] == b"IHDR" and len(head) == 24


def _jpeg_size(data: memoryview, name: str, remedy: str) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(data):
        fill, marker, length = struct.unpack_from(">BBH", data, position)
        if fill == marker == 0xFF:  # any number of fill bytes may precede a marker
            position += 1
            continue
        # Markers without a length do not occur before the size, nor do bytes between segments.
        if fill != 0xFF or marker < 0xC0 or 0xD0 <= marker <= 0xD9:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return height, width
        position += 2 + length
    raise DistillMatchError(f"{name}: the JPEG is damaged before its size; {remedy}")
