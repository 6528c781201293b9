"""Image files to arrays: every depth that cameras write, checked here and nowhere behind.

Files are turned upright as EXIF says, as `cv2.imread` and every viewer do; messages are not, as
image_transport does not.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images import radiometric
from distillmatch_ros.images.frames import check_image
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.images.sizes import MAX_PIXELS, check_size, picture_size
from distillmatch_ros.images.tiff import decode_tiff, encode_tiff, is_tiff, tiff_size

READABLE = "JPEG, PNG, WebP, BMP, PGM/PPM, TIFF and BigTIFF (8 to 32 bits), NPY"
_NPY = b"\x93NUMPY"
_EXIF_WITHIN = 1 << 17  # bytes: EXIF stands before the pixels, in a segment of 64 kB
_ORIENTATION = 274


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read an image file: depth and channels untouched, upright as its EXIF says.

    Args:
        path: of the file.
        max_pixels: more of them are rejected by the file's header, before it is decoded.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA. Of a TIFF with several pages the first that is no thumbnail.

    Raises:
        DistillMatchError: the file is missing, empty, damaged or of an unsupported kind.
    """
    return _upright(_content(path), str(path), max_pixels)


def read_thermal(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read a thermal image file as `read_image` does; of a radiometric JPEG what the sensor measured.

    Args:
        path: of the file.
        max_pixels: see `read_image`.

    Raises:
        DistillMatchError: see `read_image`, or the readings are damaged.
    """
    data = _content(path)
    values = radiometric.read_thermal_values(data, str(path))
    if values is None:
        return _upright(data, str(path), max_pixels)
    check_image(values, str(path))
    return _exif(data).upright(values)


def read_visible_of_thermal(path: Path) -> NDArray[np.uint8]:
    """The visible image inside a thermal camera's file, (H, W, 3) BGR.

    Raises:
        DistillMatchError: the file cannot be read, or holds none.
    """
    data = _content(path)
    return _exif(data).upright(radiometric.read_embedded_visible(data, str(path)))


def _content(path: Path) -> NDArray[np.uint8]:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: the path holds a NUL
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
    """Decode the content of an image file as it is stored.

    Args:
        data: (N,), N > 0.
        name: what an error calls the file.
        remedy: what an error advises.
        max_pixels: more of them are rejected by the file's header, before it is decoded.

    Raises:
        DistillMatchError: damaged, no image, too large, or of an unsupported kind.
    """
    check_size(*file_size(data, name, remedy), name, max_pixels)
    head = data[:8].tobytes()
    if head.startswith(_NPY):
        image = _decode_npy(data, name)
    elif is_tiff(head):
        image = decode_tiff(data, name, remedy)
    else:
        image = _decode_picture(data, name, remedy)
    check_image(image, name)
    return image


def file_size(data: NDArray[np.uint8], name: str, remedy: str) -> tuple[int, int]:
    """Height and width that a file promises, before memory is taken to decode it.

    Raises:
        DistillMatchError: it is damaged, or no image.
    """
    head = data[:8].tobytes()
    if head.startswith(_NPY):
        shape = (*_npy_header(BytesIO(data.tobytes()), name)[0], 1, 1)
        return int(shape[0]), int(shape[1])
    if is_tiff(head):
        return tiff_size(data, name, remedy)
    return picture_size(data, name, remedy)


def encode_file(image: NDArray[Any], suffix: str) -> bytes:
    """The content of an image file with the image's own values.

    Args:
        image: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA.
        suffix: ``.tiff``, which holds every depth, or ``.png``, which holds uint8 and uint16.
    """
    return encode_tiff(image) if suffix == ".tiff" else cv2.imencode(suffix, image)[1].tobytes()


def _upright(data: NDArray[np.uint8], name: str, max_pixels: int) -> NDArray[Any]:
    image = decode_file(data, name, f"save it again as one of {READABLE}", max_pixels)
    return _exif(data).upright(image)


def _exif(data: NDArray[np.uint8]) -> Orientation:
    """What a JPEG, PNG or WebP says of its orientation; a TIFF is upright already."""
    head = data[:_EXIF_WITHIN].tobytes()
    if is_tiff(head) or not (b"Exif\0\0" in head or b"eXIf" in head or b"EXIF" in head):
        return Orientation()
    from PIL import Image  # only where there is something to read

    try:
        with Image.open(BytesIO(data.tobytes())) as opened:
            return Orientation.of_exif(int(opened.getexif().get(_ORIENTATION, 1)))
    except (
        Exception
    ):  # damaged EXIF can bring anything out of its reader, and the pixels are there all the same
        return Orientation()


def _decode_picture(data: NDArray[np.uint8], name: str, remedy: str) -> NDArray[Any]:
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
    except Exception as error:  # a header that lies can bring anything out of NumPy
        raise _no_array(name, error) from error
    return _narrowed(image.astype(image.dtype.newbyteorder("="), copy=False))


def _npy_header(stream: BytesIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype of an array."""
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # likewise
        raise _no_array(name, error) from error


def _no_array(name: str, error: Exception) -> DistillMatchError:
    return DistillMatchError(f"{name}: no array that can be read ({error}); save it with numpy.save")


def _narrowed(image: NDArray[Any]) -> NDArray[Any]:
    """64-bit integers, which are NumPy's own, as 32 bits where they fit, otherwise as float64."""
    if image.dtype not in (np.int64, np.uint64) or not image.size:
        return image
    fits = np.iinfo(np.int32)
    narrow = fits.min <= image.min() and image.max() <= fits.max
    return image.astype(np.int32 if narrow else np.float64)
