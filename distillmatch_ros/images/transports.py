"""Packings of image_transport's plugins that are no image files: zstd, and RVL in compressedDepth."""

import struct
import sys
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.encodings import decode, layout_of
from distillmatch_ros.images.sizes import check_size

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_HEADER = struct.Struct("<IIBII")  # height, width, is_bigendian, step, length of the encoding's name
_RVL_HEADER = struct.Struct("<II")  # columns, rows
_ANY_HEADER = 47  # for zlib: of zlib itself, or of gzip
_PADDED, _ALIGNED = 2, 1024
"""Longest rows, of the bytes of their pixels and beyond them: what is unpacked is no longer than that."""
_LONGEST = 11
"""Greatest number of nibbles of a value of 32 bits."""


def decode_zstd(data: NDArray[np.uint8], name: str, max_pixels: int) -> tuple[NDArray[Any], str]:
    """Decode an image of the zstd transport: the fields of an Image, then its data, packed.

    In spite of its name, the transport's releases up to now pack with zlib.

    Args:
        data: uint8 (N,).
        name: name of the image in errors.
        max_pixels: larger images are rejected by their header.

    Returns:
        See `decode_compressed`.

    Raises:
        DistillMatchError: damaged, too large, or of an unsupported encoding.
    """
    content = data.tobytes()
    try:
        height, width, big, step, length = _ZSTD_HEADER.unpack_from(content)
        begin = _ZSTD_HEADER.size + length
        encoding = content[_ZSTD_HEADER.size : begin].decode("ascii")
        check_size(height, width, name, max_pixels)
        layout = layout_of(encoding)
        if step > _PADDED * layout.row_bytes(width) + _ALIGNED:
            raise DistillMatchError(
                f"{name}: rows of {step} bytes for {width} pixels of {encoding}; check the camera's driver"
            )
        size = (height + round(height * layout.chroma)) * step
        packed = content[begin:]
        if packed.startswith(ZSTD_MAGIC):
            pixels = zstd.ZstdDecompressor().decompress(packed, size)
        else:
            pixels = zlib.decompressobj(_ANY_HEADER).decompress(packed, size)
    except (struct.error, UnicodeDecodeError, zlib.error, zstd.ZstdError, EOFError) as error:
        raise DistillMatchError(f"{name}: cannot be unpacked ({error}); check the camera's link") from error
    return decode(pixels, height, width, step, encoding, big, max_pixels), encoding


def decode_rvl(data: NDArray[np.uint8], name: str, max_pixels: int) -> NDArray[np.uint16]:
    """Decode RVL: runs of zeros and of differences, each number in nibbles of 3 bits and a continuation bit.

    Wilson, Fast lossless depth image compression, ISS 2017.

    Args:
        data: uint8 (N,), which begins with the image's size.
        name: name of the image in errors.
        max_pixels: larger images are rejected by their header.

    Returns:
        uint16 (H, W).

    Raises:
        DistillMatchError: damaged or too large.
    """
    if data.size < _RVL_HEADER.size:
        raise DistillMatchError(f"{name}: holds {data.size} bytes; check the camera's link")
    width, height = _RVL_HEADER.unpack_from(data.tobytes())
    check_size(height, width, name, max_pixels)
    numbers = _numbers(data[_RVL_HEADER.size :])
    places, differences, position, at = [], [], 0, 0
    while position < height * width:
        if at + 2 > len(numbers):
            raise DistillMatchError(f"{name}: breaks off after {position} pixels; check the camera's link")
        zeros, run = int(numbers[at]), int(numbers[at + 1])
        position += zeros
        places.append((position, position + run))
        differences.append(numbers[at + 2 : at + 2 + run])
        position, at = position + run, at + 2 + run
        if zeros + run == 0 or position > height * width or at > len(numbers):
            raise DistillMatchError(f"{name}: damaged after {position} pixels; check the camera's link")
    steps = np.concatenate(differences)
    values = np.cumsum((steps >> 1) ^ -(steps & 1)).astype(np.uint16)
    image = np.zeros(height * width, np.uint16)
    image[_indices(places)] = values
    return image.reshape(height, width)


def _numbers(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers in little-endian words of nibbles, the first nibble in the highest bits."""
    words = data[: data.size // 4 * 4].reshape(-1, 4)[:, ::-1].ravel()
    nibbles = np.stack([words >> 4, words & 15], axis=1).ravel().astype(np.int64)
    ends = np.flatnonzero(nibbles < 8)
    if not len(ends):
        return ends
    starts = np.append(0, ends[:-1] + 1)
    nibbles = nibbles[: ends[-1] + 1]
    within = np.arange(len(nibbles)) - np.repeat(starts, ends - starts + 1)
    return np.add.reduceat((nibbles & 7) << (3 * within.clip(max=_LONGEST)), starts)


def _indices(spans: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(*span) for span in spans])
