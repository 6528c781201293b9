"""The crops of a pair that are matched, with their roles; points and homographies in their pixels."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.engines.protocol import Float32
from distillmatch_ros.geometry.homography import Float64, Points, Size, inverse, jacobian, transform
from distillmatch_ros.images.crop import Crop
from distillmatch_ros.images.prepared import PreparedPair

_WIDER = 1.05
"""Width of the thermal frame relative to the visible image above which the thermal camera sees more."""


class Wider(Enum):
    """The camera that sees more of the scene."""

    VISIBLE = "visible"
    THERMAL = "thermal"

    @classmethod
    def by(cls, homography: Float64, visible: Size, thermal: Size) -> "Wider":
        """The camera that sees more by a homography, thermal to visible pixels of images of these sizes."""
        centre = ((thermal[1] - 1) / 2, (thermal[0] - 1) / 2)
        scale = abs(float(np.linalg.det(jacobian(homography, centre)))) ** 0.5
        return cls.THERMAL if scale * thermal[1] > _WIDER * visible[1] else cls.VISIBLE


@dataclass(frozen=True, eq=False)
class CropPair:
    """The matched crops of both cameras' images.

    The *wide* crop is that of the camera that sees more; the *narrow* one lies in it.

    Attributes:
        visible: crop of the visible image.
        thermal: crop of the thermal image.
        wider: the camera with the wide crop.
    """

    visible: Crop
    thermal: Crop
    wider: Wider = Wider.VISIBLE

    @property
    def narrow(self) -> Crop:
        """The narrow crop."""
        return self.thermal if self.wider is Wider.VISIBLE else self.visible

    @property
    def sizes(self) -> tuple[Size, Size]:
        """Sizes of the narrow and of the wide crop."""
        sizes = self.thermal.size, self.visible.size
        return sizes if self.wider is Wider.VISIBLE else sizes[::-1]

    def cut(self, pair: PreparedPair) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values of another pair in the narrow and in the wide crop, (H, W); see `PreparedImage.cut`."""
        values = pair.thermal.cut(self.thermal), pair.visible.cut(self.visible)
        return values if self.wider is Wider.VISIBLE else values[::-1]

    def from_cameras(self, visible: Points, thermal: Points) -> tuple[Points, Points]:
        """Convert camera pixels (N, 2) of matches to pixels of the narrow and of the wide crop."""
        points = _from_camera(thermal, self.thermal), _from_camera(visible, self.visible)
        return points if self.wider is Wider.VISIBLE else points[::-1]

    def to_cameras(self, narrow: Float32, wide: Float32) -> tuple[Float32, Float32]:
        """The inverse of `from_cameras`: pixels (N, 2) of the visible and of the thermal image."""
        thermal, visible = (narrow, wide) if self.wider is Wider.VISIBLE else (wide, narrow)
        return _to_camera(visible, self.visible), _to_camera(thermal, self.thermal)

    def in_crops(self, homography: Float64) -> Float64:
        """Convert a homography, thermal to visible camera pixels, to one from narrow to wide crop."""
        moved = homography
        if not self._are_whole:
            moved = _matrix(self.visible) @ homography @ inverse(_matrix(self.thermal))
            moved /= moved[2, 2]
        return moved if self.wider is Wider.VISIBLE else inverse(moved)

    def in_cameras(self, homography: Float64) -> Float64:
        """The inverse of `in_crops`."""
        moved = homography if self.wider is Wider.VISIBLE else inverse(homography)
        if not self._are_whole:
            moved = inverse(_matrix(self.visible)) @ moved @ _matrix(self.thermal)
            moved /= moved[2, 2]
        return moved

    def have_pixels_of(self, other: "CropPair") -> bool:
        """Whether pixels have the same coordinates and roles in both; other ones may be without data."""
        return (
            self.wider is other.wider
            and self.visible.has_pixels_of(other.visible)
            and self.thermal.has_pixels_of(other.thermal)
        )

    def describe(self) -> str:
        """Bars and regions without data, as text; empty if there are none."""
        crops = {"visible image": self.visible, "thermal image": self.thermal}
        said = {name: crop.describe() for name, crop in crops.items()}
        return ", ".join(f"{name}: {text}" for name, text in said.items() if text)

    @property
    def _are_whole(self) -> bool:
        return self.visible.from_camera is None and self.thermal.from_camera is None


def _from_camera(points: Points, crop: Crop) -> Points:
    return points if crop.from_camera is None else transform(crop.from_camera, points)


def _to_camera(points: Float32, crop: Crop) -> Float32:
    if crop.from_camera is None:
        return points
    return transform(inverse(crop.from_camera), points).astype(np.float32)


def _matrix(crop: Crop) -> Float64:
    return np.eye(3) if crop.from_camera is None else crop.from_camera
