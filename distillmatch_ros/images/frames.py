"""A camera image from a file or a message: validation, conversion to grey."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

SUPPORTED_DTYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32"),
    *("float16", "float32", "float64"),
)


@dataclass(frozen=True, eq=False)
class Frame:
    """An image of a camera's stream.

    Attributes:
        image: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA; values as the camera sent them, native byte order,
            contiguous. It may share the memory of the message: it must not be modified. Points of a depth
            sensor are (N, 3), see images/points.py.
        encoding: encoding of the message, such as ``16UC1`` or ``rgb8``; derived images are sent in it.
        stamp: time of exposure as the camera reports it, ns.
        frame_id: coordinate frame of the camera.
    """

    image: NDArray[Any]
    encoding: str
    stamp: int
    frame_id: str


def check_image(image: NDArray[Any], name: str) -> None:
    """Reject arrays that are not images; any content (black, NaN, tiny) is accepted.

    Raises:
        DistillMatchError: not a plain array, wrong number of dimensions or channels, no pixels, unsupported
            dtype.
    """
    if not isinstance(image, np.ndarray):
        raise DistillMatchError(
            f"{name}: expected a NumPy array, got {type(image).__name__}; "
            "OpenCV's imread returns None for a file it cannot read"
        )
    if isinstance(image, np.matrix | np.ma.MaskedArray):  # their operators are others than an array's
        raise DistillMatchError(
            f"{name}: expected a plain NumPy array, got {type(image).__name__}; pass numpy.asarray of it, "
            "with NaN for what is masked"
        )
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise DistillMatchError(
            f"{name}: shape {image.shape} is not an image; pass (H, W), or (H, W, C) with 1, 3 or 4 channels"
        )
    if image.size == 0:
        raise DistillMatchError(f"{name}: shape {image.shape} holds no pixels; pass an image that has some")
    if not image.dtype.isnative:
        raise DistillMatchError(
            f"{name}: dtype {image.dtype} has the byte order of another machine; pass "
            "image.astype(image.dtype.newbyteorder('='))"
        )
    if image.dtype not in SUPPORTED_DTYPES:
        raise DistillMatchError(
            f"{name}: dtype {image.dtype} is not supported; convert it to {' or '.join(SUPPORTED_DTYPES)}"
        )


def to_grey(image: NDArray[Any], name: str = "image") -> NDArray[Any]:
    """Convert a camera image to one channel; an alpha channel is dropped.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA of one of `SUPPORTED_DTYPES`.
        name: name of the image in errors.

    Returns:
        (H, W) of the same dtype; float32 for float64, and for colours that are not uint8, uint16 or float32.

    Raises:
        DistillMatchError: see `check_image`.
    """
    check_image(image, name)
    if image.dtype == np.float64:
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, which gain control ignores
            image = image.astype(np.float32)
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[:, :, 0]
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        image = image.astype(np.float32)  # OpenCV does not convert colours of other types
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if image.shape[2] == 3 else cv2.COLOR_BGRA2GRAY)
