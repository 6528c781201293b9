"""Rotations and flips that make an image upright."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

Rotation = Literal[0, 90, 180, 270]
"""Clockwise rotation, degrees."""
ROTATIONS: tuple[int, ...] = get_args(Rotation)
_EXIF = ((0, False), (0, True), (180, False), (180, True), (270, True), (90, False), (90, True), (270, False))


@dataclass(frozen=True)
class Orientation:
    """Transformation that makes an image upright: an optional flip, then a rotation.

    Attributes:
        rotation: clockwise rotation, degrees, one of `ROTATIONS`.
        flip: whether left and right are exchanged before the rotation.
    """

    rotation: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        """Validate the rotation.

        Raises:
            DistillMatchError: the rotation is not one of `ROTATIONS`.
        """
        if self.rotation not in ROTATIONS:
            raise DistillMatchError(f"rotation {self.rotation} is not possible; choose 0, 90, 180 or 270")

    @classmethod
    def of_exif(cls, value: int) -> "Orientation":
        """The orientation for EXIF tag 274; the identity for an invalid value."""
        return cls(*_EXIF[value - 1]) if 1 <= value <= len(_EXIF) else cls()

    def __str__(self) -> str:
        return f"rotation {self.rotation}" + (", flip" if self.flip else "")

    def upright(self, image: NDArray[Any]) -> NDArray[Any]:
        """Make an image upright; returns the image itself if nothing changes, otherwise a contiguous copy."""
        if self == UPRIGHT:
            return image
        flipped = image[:, ::-1] if self.flip else image
        return np.ascontiguousarray(np.rot90(flipped, -self.rotation // 90))

    def upright_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size (height, width) of the upright image of one of ``size``."""
        return size[::-1] if self.rotation in (90, 270) else size

    def to_upright(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """The (3, 3) map from pixels of an image of ``size`` (height, width) to those of the upright one."""
        height, width = size
        flip = np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1.0]]) if self.flip else np.eye(3)
        turn = {
            0: np.eye(3),
            90: np.array([[0, -1, height - 1], [1, 0, 0], [0, 0, 1.0]]),
            180: np.array([[-1, 0, width - 1], [0, -1, height - 1], [0, 0, 1.0]]),
            270: np.array([[0, 1, 0], [-1, 0, width - 1], [0, 0, 1.0]]),
        }[self.rotation]
        turned: NDArray[np.float64] = turn @ flip
        return turned


UPRIGHT = Orientation()
ORIENTATIONS = tuple(Orientation(rotation, flip) for flip in (False, True) for rotation in ROTATIONS)
"""All eight orientations."""


@dataclass(frozen=True)
class Orientations:
    """Orientations that make the images of the two cameras upright."""

    visible: Orientation = UPRIGHT
    thermal: Orientation = UPRIGHT
