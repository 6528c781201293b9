"""Resizing and warping of images without aliasing."""

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size, jacobian, resizing


def no_reading(dtype: np.dtype[Any]) -> float:
    """What a pixel holds that no camera saw: NaN in floating point, where 0 may be a reading, otherwise 0."""
    return np.nan if dtype.kind == "f" else 0.0


def resize(image: NDArray[Any], size: Size) -> NDArray[Any]:
    """Average where the image shrinks, interpolate where it grows; each axis for itself."""
    (height, width), (rows, columns) = image.shape, size
    shrunk = cv2.resize(image, (min(width, columns), min(height, rows)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (columns, rows), interpolation=cv2.INTER_LINEAR)


def warp(image: NDArray[Any], homography: Float64, size: Size) -> NDArray[Any]:
    """An image as another camera sees it; beyond its borders its mean.

    Args:
        image: (H, W).
        homography: (3, 3), pixels of the result to pixels of ``image``.
        size: of the result.
    """
    centre = ((size[1] - 1) / 2, (size[0] - 1) / 2)
    step_x, step_y = np.hypot(*jacobian(homography, centre).T)  # pixels of the image per pixel of the result
    height, width = image.shape
    shrunk_size = max(1, round(height / max(1.0, step_y))), max(1, round(width / max(1.0, step_x)))
    shrunk = resize(image, shrunk_size)  # the warp only samples: without this it would alias
    return cv2.warpPerspective(
        shrunk,
        resizing((height, width), shrunk_size) @ homography,
        size[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=float(shrunk.mean()),
    )


class Move(Protocol):
    """Brings pixels to other places, each with the values it has."""

    def __call__(self, image: NDArray[Any], /, outside: float) -> NDArray[Any]:
        """The pixels moved; places that none comes to get ``outside``."""


def keeping_values(move: Move, image: NDArray[Any]) -> NDArray[Any]:
    """Move pixels of any type, of which OpenCV knows few: as others of the same width.

    Args:
        move: is given the image as unsigned integers or floats.
        image: (H, W) or (H, W, C), 1 to 8 bytes a value.

    Returns:
        The same dtype; `no_reading` where no pixel comes to.
    """
    carrier = {1: np.uint8, 2: np.uint16, 4: np.float32, 8: np.float64}[image.dtype.itemsize]
    outside = np.array(no_reading(image.dtype), image.dtype).view(carrier)
    return move(np.ascontiguousarray(image).view(carrier), outside=float(outside)).view(image.dtype)
