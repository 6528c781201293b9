"""Reads image files as arrays, in every depth that cameras write; all checks on files are made here.

EXIF orientation is applied to files, as `cv2.imread` and viewers do, but not to messages, as in
image_transport.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_no_device
from distillmatch_ros.images import matrices, radiometric
from distillmatch_ros.images.frames import check_image
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.sizes import MAX_PIXELS, check_lengths, check_size, picture_size
from distillmatch_ros.images.tiff import decode_tiff, encode_tiff, is_tiff, tiff_size

READABLE = "JPEG, PNG, WebP, AVIF, BMP, PGM/PPM, TIFF and BigTIFF (8 to 32 bits), NPY, CSV"
_NPY = b"\x93NUMPY"
_EXIF_WITHIN = 1 << 17  # bytes: EXIF precedes the pixels, in a segment of up to 64 kB
_ORIENTATION = 274


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read an image file with its depth and channels, rotated according to its EXIF orientation.

    Args:
        path: the file.
        max_pixels: larger images are rejected by the file's header, before decoding.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA. For a multi-page TIFF the first page that is no thumbnail.

    Raises:
        DistillMatchError: the file is missing, empty, damaged or of an unsupported kind.
    """
    return _upright(_content(path), str(path), max_pixels)


def read_thermal(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read a thermal image file as `read_image` does, but from a radiometric JPEG its sensor values.

    Args:
        path: the file.
        max_pixels: see `read_image`.

    Raises:
        DistillMatchError: see `read_image`, or the sensor values are damaged.
    """
    data = _content(path)
    values = radiometric.read_thermal_values(data, str(path), max_pixels)
    if values is None:
        return _upright(data, str(path), max_pixels)
    check_image(values, str(path))
    return _exif(data).upright(values)


def read_visible_of_thermal(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read the visible image embedded in a thermal camera's file, uint8 (H, W, 3) BGR.

    Args:
        path: the file.
        max_pixels: see `read_image`.

    Raises:
        DistillMatchError: the file cannot be read, or holds no visible image.
    """
    data = _content(path)
    return _exif(data).upright(radiometric.read_embedded_visible(data, str(path), max_pixels))


def read_pair(
    pair: PairPaths, visible_from_thermal: bool = False, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read the visible and the thermal image of a pair.

    Args:
        pair: the two files.
        visible_from_thermal: read the visible image from the thermal file, a radiometric JPEG.
        max_pixels: larger images are rejected by their header, before decoding.

    Raises:
        DistillMatchError: see `read_image` and `read_thermal`.
    """
    thermal = read_thermal(pair.thermal, max_pixels)
    read_visible = read_visible_of_thermal if visible_from_thermal else read_image
    return read_visible(pair.visible, max_pixels), thermal


def _content(path: Path) -> NDArray[np.uint8]:
    check_no_device(path)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL character
        raise DistillMatchError(
            f"{path}: cannot be read ({getattr(error, 'strerror', error)}); "
            "check the path and its permissions"
        ) from error
    if not data:
        raise DistillMatchError(f"{path}: the file is empty; save the image again")
    return np.frombuffer(data, np.uint8)


def decode_file(
    data: NDArray[np.uint8], name: str, remedy: str, max_pixels: int = MAX_PIXELS
) -> NDArray[Any]:
    """Decode the content of an image file without applying its orientation.

    Args:
        data: uint8 (N,), N > 0.
        name: name of the file in errors.
        remedy: remedy in errors.
        max_pixels: larger images are rejected by the file's header, before decoding.

    Raises:
        DistillMatchError: damaged, no image, too large, or of an unsupported kind.
    """
    if name.lower().endswith(matrices.SUFFIX):
        return matrices.decode_matrix(data, name, remedy, max_pixels)
    check_size(*file_size(data, name, remedy), name, max_pixels)
    head = data[:8].tobytes()
    if head.startswith(_NPY):
        image = _decode_npy(data, name)
    elif is_tiff(head):
        image = decode_tiff(data, name, remedy, max_pixels)
    else:
        image = _decode_picture(data, name, remedy)
    check_image(image, name)
    return image


def file_size(data: NDArray[np.uint8], name: str, remedy: str) -> tuple[int, int]:
    """Height and width from a file's header, without decoding it.

    Raises:
        DistillMatchError: the header is damaged, or the file is no image.
    """
    head = data[:8].tobytes()
    if head.startswith(_NPY):
        shape = (*_npy_header(BytesIO(data.tobytes()), name)[0], 1, 1)
        return int(shape[0]), int(shape[1])
    if is_tiff(head):
        return tiff_size(data, name, remedy)
    return picture_size(data, name, remedy)


def encode_file(image: NDArray[Any], suffix: str) -> bytes:
    """Encode an image file without changing the values.

    Args:
        image: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA.
        suffix: ``.tiff``, which holds every depth, or ``.png``, which holds uint8 and uint16.
    """
    return encode_tiff(image) if suffix == ".tiff" else cv2.imencode(suffix, image)[1].tobytes()


def _upright(data: NDArray[np.uint8], name: str, max_pixels: int) -> NDArray[Any]:
    image = decode_file(data, name, f"save it again as one of {READABLE}", max_pixels)
    return _exif(data).upright(image)


def _exif(data: NDArray[np.uint8]) -> Orientation:
    """EXIF orientation of a JPEG, PNG or WebP; none for TIFF, which its decoder rotates already."""
    head = data[:_EXIF_WITHIN].tobytes()
    if is_tiff(head) or not (b"Exif\0\0" in head or b"eXIf" in head or b"EXIF" in head):
        return Orientation()
    from PIL import Image  # imported only if there is EXIF data

    try:
        with Image.open(BytesIO(data.tobytes())) as opened:
            return Orientation.of_exif(int(opened.getexif().get(_ORIENTATION, 1)))
    except Exception:  # damaged EXIF may raise any exception; the pixels are still usable
        return Orientation()


def _decode_picture(data: NDArray[np.uint8], name: str, remedy: str) -> NDArray[Any]:
    check_lengths(data, name, remedy)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise DistillMatchError(f"{name}: cannot be decoded ({error.err}); {remedy}") from error
    if image is None:
        raise DistillMatchError(f"{name}: damaged or not an image; {remedy}")
    return np.asarray(image)


def _decode_npy(data: NDArray[np.uint8], name: str) -> NDArray[Any]:
    stream = BytesIO(data.tobytes())
    shape, fortran, dtype = _npy_header(stream, name)
    try:
        values = np.frombuffer(data, dtype, int(np.prod(shape, dtype=np.float64)), stream.tell())
        image = np.ascontiguousarray(values.reshape(shape, order="F" if fortran else "C"))
    except Exception as error:  # a corrupt header may raise any exception in NumPy
        raise _no_array(name, error) from error
    return _narrowed(image.astype(image.dtype.newbyteorder("="), copy=False))


def _npy_header(stream: BytesIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, memory order and dtype from the header of a NumPy file."""
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # a corrupt header may raise any exception in NumPy
        raise _no_array(name, error) from error


def _no_array(name: str, error: Exception) -> DistillMatchError:
    return DistillMatchError(f"{name}: no array that can be read ({error}); save it with numpy.save")


def _narrowed(image: NDArray[Any]) -> NDArray[Any]:
    """Convert 64-bit integers (NumPy's default) to 32 bits if they fit, otherwise to float64."""
    if image.dtype not in (np.int64, np.uint64) or not image.size:
        return image
    fits = np.iinfo(np.int32)
    narrow = fits.min <= image.min() and image.max() <= fits.max
    return image.astype(np.int32 if narrow else np.float64)
