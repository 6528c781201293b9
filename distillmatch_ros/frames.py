"""A camera image as it came: read from a file, checked, turned to grey."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.errors import DistillMatchError

SUPPORTED_DTYPES = ("uint8", "uint16", "float32", "float64")


def read_image(path: Path) -> NDArray[Any]:
    """Read an image file as it is stored: depth, channels and orientation untouched.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA.

    Raises:
        DistillMatchError: the file is missing, empty, damaged or of an unsupported depth.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DistillMatchError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error
    if not data:
        raise DistillMatchError(f"{path}: the file is empty; save the image again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise DistillMatchError(f"{path}: cannot be decoded ({error.err}); save the image again") from error
    if image is None:
        raise DistillMatchError(f"{path}: damaged or not an image; save it again as PNG, JPEG or TIFF")
    check_image(image, str(path))
    return image


def check_image(image: NDArray[Any], name: str) -> None:
    """Refuse what is not an image at all; odd content (black, NaN, tiny) is an image.

    Raises:
        DistillMatchError: not an array, wrong number of dimensions or channels, no pixels, unsupported dtype.
    """
    if not isinstance(image, np.ndarray):
        raise DistillMatchError(
            f"{name}: expected a NumPy array, got {type(image).__name__}; "
            "OpenCV's imread returns None for a file it cannot read"
        )
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise DistillMatchError(
            f"{name}: shape {image.shape} is not an image; pass (H, W), or (H, W, C) with 1, 3 or 4 channels"
        )
    if image.size == 0:
        raise DistillMatchError(f"{name}: shape {image.shape} holds no pixels; pass an image that has some")
    if image.dtype not in SUPPORTED_DTYPES:
        raise DistillMatchError(
            f"{name}: dtype {image.dtype} is not supported; convert it to {' or '.join(SUPPORTED_DTYPES)}"
        )


def to_grey(image: NDArray[Any], name: str = "image") -> NDArray[Any]:
    """Turn a camera image into one channel; an alpha channel is dropped.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8, uint16, float32 or float64.
        name: what an error calls the image.

    Returns:
        (H, W) of the same dtype; float64 becomes float32.

    Raises:
        DistillMatchError: see `check_image`.
    """
    check_image(image, name)
    if image.dtype == np.float64:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which gain control ignores
            image = image.astype(np.float32)
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[:, :, 0]
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if image.shape[2] == 3 else cv2.COLOR_BGRA2GRAY)
