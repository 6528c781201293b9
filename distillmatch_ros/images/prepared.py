"""Camera images prepared for registration, tracking and display: what is derived is computed once a pair."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.borders import find_crop
from distillmatch_ros.images.crop import Crop
from distillmatch_ros.images.frames import check_image, to_grey
from distillmatch_ros.images.gain_control import Range, range_of, stretch, without_status_bits
from distillmatch_ros.images.orientation import UPRIGHT, Orientation, Orientations

_RESIZABLE = (np.uint8, np.uint16, np.int16, np.float32)
"""Types that OpenCV resizes without loss."""


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A camera's image with its crop, range and 8-bit picture, each computed when it is first needed.

    Attributes:
        image: any camera image.
        orientation: orientation that makes it upright.
        stretched: whether the picture's values are stretched if they have 8 bits too, as thermal ones are.
    """

    image: NDArray[Any]
    orientation: Orientation
    stretched: bool

    @cached_property
    def grey(self) -> NDArray[Any]:
        """(H, W), one channel without status bits, as the camera is mounted; see `to_grey`."""
        return without_status_bits(to_grey(self.image))

    @cached_property
    def grey_8bit(self) -> NDArray[np.uint8]:
        """uint8 (H, W), the whole image as the camera is mounted; stretched where `picture` is."""
        if self.stretched or self.grey.dtype != np.uint8:
            return stretch(self.grey, self.range)
        return self.grey

    @cached_property
    def crop(self) -> Crop:
        """The part that shows the scene."""
        return find_crop(self._upright, self.orientation)

    @cached_property
    def range(self) -> Range:
        """Range of the crop's values."""
        return range_of(self._upright, self.crop)

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """uint8 (H, W), the crop as it is matched."""
        inner = np.ascontiguousarray(self.crop.cut(self._upright))
        if self.stretched or inner.dtype != np.uint8:
            inner = stretch(inner, self.range)
        return self.crop.filled(inner)

    def cut(self, crop: Crop) -> NDArray[Any]:
        """The values in the crop of another image of this camera; pixels without data are filled.

        Returns:
            (H, W), uint8, uint16, int16 or floating point.
        """
        values = crop.cut(self._upright)
        return crop.filled(values if values.dtype in _RESIZABLE else values.astype(np.float64))

    @cached_property
    def _upright(self) -> NDArray[Any]:
        return self.orientation.upright(self.grey)


def unmeasured() -> None:
    """The inverse depth of a pair whose depth is not measured."""


@dataclass(frozen=True, eq=False)
class PreparedPair:
    """The images of both cameras.

    Attributes:
        visible: the visible image.
        thermal: the thermal image.
        inverse_depth: tells, in any thread, the inverse depth of the visible pixels if it is measured,
            float32 (H, W), 1 / metre, NaN where unknown; None if it is not.
    """

    visible: PreparedImage
    thermal: PreparedImage
    inverse_depth: Callable[[], NDArray[np.float32] | None] = unmeasured

    @classmethod
    def of(
        cls,
        visible: NDArray[Any],
        thermal: NDArray[Any],
        orientations: Orientations | None = None,
        inverse_depth: Callable[[], NDArray[np.float32] | None] = unmeasured,
    ) -> "PreparedPair":
        """Prepare a pair.

        Args:
            visible: any camera image.
            thermal: any camera image; its values are stretched.
            orientations: orientations that make the images upright; none if None.
            inverse_depth: see `PreparedPair`.

        Raises:
            DistillMatchError: one is not an image.
        """
        check_image(visible, "visible image")
        check_image(thermal, "thermal image")
        turns = orientations or Orientations()
        return cls(
            PreparedImage(visible, turns.visible, stretched=False),
            PreparedImage(thermal, turns.thermal, stretched=True),
            inverse_depth,
        )

    def measured(self, inverse_depth: NDArray[np.float32]) -> "PreparedPair":
        """The same pair with measured depth."""
        return replace(self, inverse_depth=lambda: inverse_depth)


def to_grey_8bit(image: NDArray[Any], *, stretch: bool) -> NDArray[np.uint8]:
    """One channel of 8 bits; the values of a thermal image are to be stretched."""
    return PreparedImage(image, UPRIGHT, stretched=stretch).grey_8bit
