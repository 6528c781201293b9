"""Decodes the image files in CompressedImage messages, as image_transport's plugins write them."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.encodings import CV_TYPES, Bytes, is_encoding, layout_of, to_bgr
from distillmatch_ros.images.files import decode_file, file_size
from distillmatch_ros.images.sizes import MAX_PIXELS, is_jpeg_or_png, is_webp_or_avif
from distillmatch_ros.images.tiff import is_tiff
from distillmatch_ros.images.transports import decode_rvl, decode_zstd

_OF_FILES: Mapping[tuple[str, int], str] = {
    **{(np.dtype(dtype).name, n): f"{kind}C{n}" for kind, dtype in CV_TYPES.items() for n in (1, 3, 4)},
    ("uint8", 1): "mono8",
    ("uint8", 3): "bgr8",
    ("uint8", 4): "bgra8",
    ("uint16", 3): "bgr16",
    ("uint16", 4): "bgra16",
}
_DEPTH_HEADER = struct.Struct("<iff")  # of compressedDepth: format, and two quantisation parameters for 32FC1
COMPRESSED = "JPEG, PNG, TIFF, WebP, AVIF, zstd, compressedDepth with PNG or RVL"
"""Formats that `decode_compressed` reads."""


def decode_compressed(data: Bytes, format_: str, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[Any], str]:
    """Decode the file in a compressed image; PNG and TIFF keep their values.

    Args:
        data: JPEG, PNG, TIFF, WebP or AVIF, recognised by its first bytes; for compressedDepth a header and a
            PNG or RVL; for zstd see `decode_zstd`.
        format_: format of the message, such as ``jpeg``, ``rgb8; jpeg compressed bgr8``,
            ``16UC1; png compressed`` or ``zstd``.
        max_pixels: larger images are rejected by the file's header.

    Returns:
        The image as `decode` returns it, and its encoding: the one named in ``format_`` if the file can hold
        it, otherwise that of the file's values, such as ``mono8``, ``bgr8``, ``16UC1`` or ``32FC1``.

    Raises:
        DistillMatchError: another kind of file, damaged or too large.
    """
    name = f"{format_!r:.60} image"
    raw = np.frombuffer(data, np.uint8)
    declared = format_.partition(";")[0].strip()
    depth = "compressedDepth" in format_
    head, raw = raw[: _DEPTH_HEADER.size * depth], raw[_DEPTH_HEADER.size * depth :]
    remedy = "check the camera's link"
    if format_ == "zstd":
        return decode_zstd(raw, name, max_pixels)
    if depth and "rvl" in format_.casefold():
        values: NDArray[Any] = decode_rvl(raw, name, max_pixels)
        floating = declared.casefold() == "32fc1"
        return (_dequantised(values, head), "32FC1") if floating else (values, "16UC1")
    if not is_jpeg_or_png(raw) and not is_tiff(raw[:8].tobytes()) and not is_webp_or_avif(raw):
        raise DistillMatchError(
            f"{name}: none of {COMPRESSED} in {raw.size} bytes; set the camera's image_transport to one of "
            "them"
        )
    size = file_size(raw, name, remedy)
    picture = decode_file(raw, name, remedy, max_pixels)
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
            f"{name}: holds {picture.dtype}, for which ROS has no encoding; send one of {', '.join(CV_TYPES)}"
        )
    return picture, _OF_FILES[picture.dtype.name, channels]


def _dequantised(picture: NDArray[Any], header: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Invert compressedDepth's quantisation of the inverse depth; 0 stands for no value."""
    _, scale, offset = _DEPTH_HEADER.unpack(header.tobytes())
    with np.errstate(all="ignore"):
        return np.where(picture == 0, np.nan, scale / (picture - np.float32(offset))).astype(np.float32)
