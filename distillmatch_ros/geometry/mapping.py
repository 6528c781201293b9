"""Where the pixels of one camera lie in the image of the other.

`ImageMapping` is what everything above works with; `HomographyMapping` is the mapping of a plane, or of a
scene that is far away compared with the distance of the cameras.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Points, Size, as_numbers, transform
from distillmatch_ros.geometry.warping import keeping_values
from distillmatch_ros.images.frames import check_image


class ImageMapping(Protocol):
    """A map between the pixels of a thermal and of a visible image; immutable.

    Pixels are those of the camera images as they came: integer coordinates are pixel centres, points are x
    and y. Sizes are (height, width).
    """

    @property
    def thermal_size(self) -> Size:
        """Size of the thermal image."""

    @property
    def visible_size(self) -> Size:
        """Size of the visible image."""

    @property
    def homography(self) -> Float64:
        """The homography that comes closest, float64 (3, 3), thermal to visible pixels."""

    def to_visible(self, points: Points) -> Float64:
        """Map thermal pixels to visible pixels.

        Args:
            points: (N, 2). Points outside the thermal image are mapped as well, as far as that has a meaning,
                so that a box that sticks out of the image keeps its corners.

        Returns:
            float64 (N, 2); NaN where nothing corresponds.

        Raises:
            DistillMatchError: these are no points.
        """

    def to_thermal(self, points: Points) -> Float64:
        """Map visible pixels to thermal pixels; see `to_visible`."""

    def warp_thermal(self, image: NDArray[Any]) -> NDArray[Any]:
        """Warp a thermal image into the visible frame.

        8-bit images are interpolated. Wider values are readings and take their nearest neighbour, so that
        every value is one the camera measured, and a NaN does not spread.

        Args:
            image: (H, W) or (H, W, C) of one of `SUPPORTED_DTYPES`, of `thermal_size`.

        Returns:
            Array of `visible_size` with the channels and dtype of the image; where `mask` is false NaN for
            floating point and 0 for integers.

        Raises:
            DistillMatchError: this is no image, or one of another size.
        """

    def warp_visible(self, image: NDArray[Any]) -> NDArray[Any]:
        """Warp a visible image into the thermal frame; see `warp_thermal`, with `thermal_mask`."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Visible pixels that the thermal camera sees too, of `visible_size`."""

    @property
    def thermal_mask(self) -> NDArray[np.bool_]:
        """Thermal pixels that the visible camera sees too, of `thermal_size`."""


def as_points(points: Any) -> Float64:
    """The points that a mapping is asked for, float64 (N, 2).

    Raises:
        DistillMatchError: these are no points.
    """
    return as_numbers(points, (-1, 2), "points", "pass an array of shape (N, 2), x and y of each point")


def check_size(image: Any, size: Size, name: str) -> None:
    """Reject what is no image of the camera that a mapping is asked to warp.

    Raises:
        DistillMatchError: it is no image, or one of another size.
    """
    check_image(image, name)
    if image.shape[:2] != size:
        raise DistillMatchError(
            f"{name}: {image.shape[1]} x {image.shape[0]}, but the mapping is of {size[1]} x {size[0]}; "
            "resize it, or register images of that size"
        )


@dataclass(frozen=True, eq=False)
class HomographyMapping:
    """The mapping by one homography: exact for a plane, and for what is far away.

    Attributes:
        homography: float64 (3, 3), thermal to visible pixels.
        thermal_size: (height, width) of the thermal image.
        visible_size: (height, width) of the visible image.
    """

    homography: Float64
    thermal_size: Size
    visible_size: Size

    def to_visible(self, points: Points) -> Float64:
        """See `ImageMapping`; NaN for points on the horizon of the plane or behind it."""
        return self._in_front(self.homography, points)

    def to_thermal(self, points: Points) -> Float64:
        """See `ImageMapping`; NaN for points on the horizon of the plane or behind it."""
        return self._in_front(np.asarray(np.linalg.inv(self.homography), np.float64), points)

    def warp_thermal(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        check_size(image, self.thermal_size, "thermal image")
        return self._warp(image, self.visible_size, cv2.INTER_NEAREST, self.mask)

    def warp_visible(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        check_size(image, self.visible_size, "visible image")
        return self._warp(
            image, self.thermal_size, cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, self.thermal_mask
        )

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`."""
        return self._covered(self.thermal_size, self.visible_size, cv2.INTER_NEAREST)

    @cached_property
    def thermal_mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`."""
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        return self._covered(self.visible_size, self.thermal_size, flags)

    def _in_front(self, matrix: Float64, points: Points) -> Float64:
        """Map points by a matrix, NaN where the plane is behind a camera: where the sign of the depth differs
        from that at the thermal image's centre.
        """
        height, width = self.thermal_size
        front = np.sign(self.homography[2] @ ((width - 1) / 2, (height - 1) / 2, 1.0))
        places = as_points(points)
        mapped = transform(matrix, places)
        mapped[front * (places @ matrix[2, :2] + matrix[2, 2]) <= 0] = np.nan
        return mapped

    def _warp(self, image: NDArray[Any], size: Size, nearest: int, inside: NDArray[np.bool_]) -> NDArray[Any]:
        move = partial(cv2.warpPerspective, M=self.homography, dsize=size[::-1])
        if image.dtype == np.uint8:
            # Border replicated: otherwise interpolation would mix the outside's 0 into the border pixels.
            flags = cv2.INTER_LINEAR | nearest & cv2.WARP_INVERSE_MAP
            whole = move(image, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            return np.asarray(cv2.copyTo(whole, inside.view(np.uint8)))
        return keeping_values(
            lambda values, outside: np.asarray(
                move(values, flags=nearest, borderValue=[outside] * 4)  # a value for each channel
            ),
            image,
        )

    def _covered(self, source: Size, size: Size, nearest: int) -> NDArray[np.bool_]:
        """Pixels of an image of ``size`` inside the other image, which has the size ``source``."""
        everything = np.ones(source, np.uint8)
        covered = cv2.warpPerspective(everything, self.homography, size[::-1], flags=nearest)
        return np.asarray(covered, np.uint8).view(np.bool_)
