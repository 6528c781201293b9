"""Undistortion of images by the intrinsics that a camera publishes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.warping import keeping_values
from distillmatch_ros.images.frames import Frame

EQUIDISTANT = "equidistant"
COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), EQUIDISTANT: (4,)}
"""Allowed numbers of coefficients for each distortion model, in OpenCV's order."""


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """Intrinsic calibration of a camera for images of one size.

    Attributes:
        matrix: float64 (3, 3), camera matrix K.
        distortion: float64 (N,), coefficients D in OpenCV's order.
        model: distortion model as ROS names it: ``plumb_bob``, ``rational_polynomial`` or ``equidistant``.
        size: (height, width) of the images.
    """

    matrix: Float64
    distortion: Float64
    model: str
    size: Size

    def same_as(self, other: "Intrinsics") -> bool:
        """Whether both hold equal values."""
        return (
            (self.model, self.size) == (other.model, other.size)
            and np.array_equal(self.matrix, other.matrix)
            and np.array_equal(self.distortion, other.distortion)
        )


class Undistorter:
    """Removes lens distortion from the images of one camera. The camera matrix K is kept, D becomes 0."""

    def __init__(self, intrinsics: Intrinsics) -> None:
        """Prepare the maps for images of the intrinsics' size.

        Raises:
            DistillMatchError: the distortion model is unknown, or the number of coefficients does not fit it.
        """
        self.intrinsics = intrinsics
        matrix, distortion, size = intrinsics.matrix, intrinsics.distortion, intrinsics.size[::-1]
        self._maps: Any = None
        if (
            not distortion.any() and intrinsics.model != EQUIDISTANT
        ):  # equidistant is not pinhole even with D = 0
            return
        counts = COEFFICIENTS.get(intrinsics.model)
        if counts is None:
            raise DistillMatchError(
                f"camera_info: distortion model {intrinsics.model!r} is unknown; "
                f"calibrate with one of {', '.join(COEFFICIENTS)}"
            )
        if len(distortion) not in counts:
            raise DistillMatchError(
                f"camera_info: {len(distortion)} coefficients do not fit distortion model "
                f"{intrinsics.model}, which has {' or '.join(map(str, counts))}; calibrate the camera again"
            )
        fisheye = intrinsics.model == EQUIDISTANT
        prepare: Callable[..., Any] = (cv2.fisheye if fisheye else cv2).initUndistortRectifyMap
        self._maps = prepare(matrix, distortion, np.eye(3), matrix, size, cv2.CV_32FC1)

    def __call__(self, frame: Frame) -> Frame:
        """Undistort a frame.

        As in `warp_thermal`, 8-bit images are interpolated; wider values are readings and take their nearest
        neighbour.

        Returns:
            A frame of the same size, dtype and header; `no_reading` outside the camera's view.

        Raises:
            DistillMatchError: the frame's size differs from that of the intrinsics.
        """
        size = frame.image.shape[:2]
        if size != self.intrinsics.size:
            raise DistillMatchError(
                f"{frame.frame_id or 'image'}: {size[1]}x{size[0]} pixels, but its camera_info describes "
                f"{self.intrinsics.size[1]}x{self.intrinsics.size[0]}; calibrate at the resolution in use"
            )
        if self._maps is None:
            return frame
        if frame.image.dtype == np.uint8:
            return replace(frame, image=self._moved(frame.image, cv2.INTER_LINEAR, 0))
        move = partial(self._moved, interpolation=cv2.INTER_NEAREST)
        return replace(frame, image=keeping_values(move, frame.image))

    def _moved(self, image: NDArray[Any], interpolation: int, outside: float) -> NDArray[Any]:
        return np.asarray(
            cv2.remap(image, self._maps[0], self._maps[1], interpolation, borderValue=[outside] * 4)
        )
