"""A camera image as it came: from a file or a message, checked, turned to grey."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

SUPPORTED_DTYPES = ("uint8", "uint16", "float32", "float64")


@dataclass(frozen=True, eq=False)
class Frame:
    """An image of a camera's stream.

    Attributes:
        image: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA; values as the camera sent them, native byte order,
            contiguous. It may share the memory of the message it came in: nobody writes to it.
        encoding: the message's, such as ``16UC1`` or ``rgb8``; an image made from this one goes back to it.
        stamp: when the camera took it, ns.
        frame_id: the camera's coordinate frame.
    """

    image: NDArray[Any]
    encoding: str
    stamp: int
    frame_id: str


def read_image(path: Path) -> NDArray[Any]:
    """Read an image file as it is stored: depth, channels and orientation untouched.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA.

    Raises:
        DistillMatchError: the file is missing, empty, damaged or of an unsupported depth.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: the path holds a NUL
        raise DistillMatchError(
            f"{path}: cannot be read ({getattr(error, 'strerror', error)}); "
            "check the path and its permissions"
        ) from error
    if not data:
        raise DistillMatchError(f"{path}: the file is empty; save the image again")
    return decode_file(np.frombuffer(data, np.uint8), str(path), "save it again as PNG, JPEG or TIFF")


def decode_file(data: NDArray[np.uint8], name: str, remedy: str) -> NDArray[Any]:
    """Decode the content of an image file as `read_image` does.

    Args:
        data: (N,), N > 0.
        name: what an error calls the file.
        remedy: what an error advises.

    Raises:
        DistillMatchError: damaged, no image, or of an unsupported depth.
    """
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise DistillMatchError(f"{name}: cannot be decoded ({error.err}); {remedy}") from error
    if image is None:
        raise DistillMatchError(f"{name}: damaged or not an image; {remedy}")
    check_image(image, name)
    return image


def check_image(image: NDArray[Any], name: str) -> None:
    """Reject what is not an image at all; odd content (black, NaN, tiny) is an image.

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
