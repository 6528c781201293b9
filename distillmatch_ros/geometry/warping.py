"""Anti-aliased resizing and warping of images."""

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size, jacobian, resize_matrix


def no_reading(dtype: np.dtype[Any]) -> float:
    """Value of pixels outside a camera's view: NaN for floating point (0 may be a reading), otherwise 0."""
    return np.nan if dtype.kind == "f" else 0.0


def resize(image: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resize to (height, width): area average where an axis shrinks, bilinear where it grows."""
    (height, width), (rows, columns) = image.shape, size
    shrunk = cv2.resize(image, (min(width, columns), min(height, rows)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (columns, rows), interpolation=cv2.INTER_LINEAR)


def warp(image: NDArray[Any], homography: Float64, size: Size) -> NDArray[Any]:
    """Warp an image without aliasing; pixels outside it get its mean.

    Args:
        image: (H, W).
        homography: (3, 3), pixels of the result to pixels of ``image``.
        size: (height, width) of the result.

    Returns:
        ``size``, dtype of ``image``.
    """
    centre = ((size[1] - 1) / 2, (size[0] - 1) / 2)
    step_x, step_y = np.hypot(*jacobian(homography, centre).T)  # pixels of the image per pixel of the result
    height, width = image.shape
    shrunk_size = max(1, round(height / max(1.0, step_y))), max(1, round(width / max(1.0, step_x)))
    shrunk = resize(image, shrunk_size)  # warpPerspective only samples: it would alias
    return cv2.warpPerspective(
        shrunk,
        resize_matrix((height, width), shrunk_size) @ homography,
        size[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=float(shrunk.mean()),
    )


class Move(Protocol):
    """Moves pixels without changing their values."""

    def __call__(self, image: NDArray[Any], /, outside: float) -> NDArray[Any]:
        """Return the moved pixels; pixels without a source get ``outside``."""


def keeping_values(move: Move, image: NDArray[Any]) -> NDArray[Any]:
    """Apply a move to an image of any dtype, also those that OpenCV does not support.

    The values pass through a supported dtype of the same width, bit by bit.

    Args:
        move: function that gets the image as unsigned integers or floats.
        image: (H, W) or (H, W, C), 1 to 8 bytes per value.

    Returns:
        The moved image in its own dtype; `no_reading` where no pixel is moved to.
    """
    carrier = {1: np.uint8, 2: np.uint16, 4: np.float32, 8: np.float64}[image.dtype.itemsize]
    outside = np.array(no_reading(image.dtype), image.dtype).view(carrier)
    return move(np.ascontiguousarray(image).view(carrier), outside=float(outside)).view(image.dtype)
