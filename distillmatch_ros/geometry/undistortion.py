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

PLUMB_BOB, RATIONAL, EQUIDISTANT = "plumb_bob", "rational_polynomial", "equidistant"
COEFFICIENTS = {PLUMB_BOB: (4, 5), RATIONAL: (8, 12, 14), EQUIDISTANT: (4,)}
"""Numbers of coefficients of each distortion model, in OpenCV's order."""
SYNONYMS = {
    "fisheye": EQUIDISTANT,
    "kannala_brandt": EQUIDISTANT,
    "kannala_brandt4": EQUIDISTANT,
    "radtan": PLUMB_BOB,
    "brown_conrady": PLUMB_BOB,
    "thin_prism": RATIONAL,
    "tilted": RATIONAL,
}
"""Names that calibration tools and drivers give to the models of `COEFFICIENTS`."""


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """Intrinsic calibration of a camera for images of one size.

    Attributes:
        matrix: float64 (3, 3), camera matrix K.
        distortion: float64 (N,), coefficients D in OpenCV's order.
        model: distortion model, one of `COEFFICIENTS` or `SYNONYMS`. An empty one is told from the number of
            coefficients.
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
        matrix, size = intrinsics.matrix, intrinsics.size[::-1]
        model, distortion = _model(intrinsics)
        fisheye = model == EQUIDISTANT  # which is no pinhole camera even if all coefficients are 0
        self._maps: Any = None
        if distortion.any() or fisheye:
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


def _model(intrinsics: Intrinsics) -> tuple[str, Float64]:
    """Model, and as many coefficients as OpenCV wants for it; zeros at their end say nothing.

    Raises:
        DistillMatchError: the model is unknown and there is distortion, or it has fewer coefficients.
    """
    given = np.trim_zeros(intrinsics.distortion, "b")
    name = intrinsics.model.strip().lower()
    model = SYNONYMS.get(name, name)
    if model in ("", "none"):  # four coefficients may be those of either lens
        unnamed = {5: PLUMB_BOB, **dict.fromkeys(COEFFICIENTS[RATIONAL], RATIONAL)}
        model = unnamed.get(len(given), "")
    counts = COEFFICIENTS.get(model) if len(given) or model == EQUIDISTANT else COEFFICIENTS[PLUMB_BOB]
    if counts is None:
        raise DistillMatchError(
            f"camera_info: distortion model {intrinsics.model!r} with {len(intrinsics.distortion)} "
            f"coefficients is unknown; calibrate with one of {', '.join(COEFFICIENTS)}"
        )
    if len(given) > counts[-1]:
        raise DistillMatchError(
            f"camera_info: {len(given)} coefficients do not fit distortion model {model}, which has "
            f"{' or '.join(map(str, counts))}; calibrate the camera again"
        )
    count = next(count for count in counts if count >= len(given))
    return model, np.pad(given, (0, count - len(given)))
