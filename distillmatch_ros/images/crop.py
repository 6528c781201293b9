"""The part of a camera's image that shows the scene, and its place in that image."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.orientation import UPRIGHT, Orientation


@dataclass(frozen=True, eq=False)
class Crop:
    """The part of a camera's image that is matched: upright, and without bars.

    Attributes:
        camera: (height, width) of the camera's image.
        rows: first row of the crop in the upright image, and the row after its last.
        columns: first column, and the column after the last.
        missing: bool (rows, columns), pixels of the crop without data; None if there are none.
        orientation: orientation that makes the image upright.
    """

    camera: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]
    missing: NDArray[np.bool_] | None = None
    orientation: Orientation = UPRIGHT

    @classmethod
    def whole(cls, camera: tuple[int, int], orientation: Orientation = UPRIGHT) -> "Crop":
        """The whole image of a camera, whose images have this size."""
        height, width = orientation.upright_size(camera)
        return cls(camera, (0, height), (0, width), None, orientation)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the crop."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @cached_property
    def from_camera(self) -> NDArray[np.float64] | None:
        """The (3, 3) map from pixels of the camera's image to those of the crop; None if they are equal."""
        if self.orientation == UPRIGHT and self.size == self.camera:
            return None
        shift = np.array([[1, 0, -self.columns[0]], [0, 1, -self.rows[0]], [0, 0, 1.0]])
        moved: NDArray[np.float64] = shift @ self.orientation.to_upright(self.camera)
        return moved

    def cut(self, upright: NDArray[Any]) -> NDArray[Any]:
        """Crop an upright image; returns a view."""
        return upright[slice(*self.rows), slice(*self.columns)]

    def filled(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Fill pixels without data from the nearest valid ones, so that the border makes no edge.

        Args:
            picture: what `cut` returns, or its 8-bit version; uint8, uint16, int16 or floating point.

        Returns:
            The picture itself if nothing is missing, otherwise a copy.
        """
        gaps, sources = self._nearest
        if self.missing is None or not len(gaps):
            return picture
        whole = picture.copy()
        whole.ravel()[gaps] = whole.ravel()[sources]
        return np.where(self.missing, cv2.blur(whole, (5, 5)), picture)

    @cached_property
    def _nearest(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Flat indices of the pixels without data, and of the valid pixel nearest to each."""
        if self.missing is None or self.missing.all():
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        _, labels = cv2.distanceTransformWithLabels(
            self.missing.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        valid, gaps = np.flatnonzero(~self.missing), np.flatnonzero(self.missing)
        places = np.zeros(int(labels.max()) + 1, np.intp)
        places[labels.ravel()[valid]] = valid
        return gaps, places[labels.ravel()[gaps]]

    def has_pixels_of(self, other: "Crop") -> bool:
        """Whether pixels have the same coordinates in both; other ones may be without data."""
        ours, theirs = ((each.orientation, each.camera, each.rows, each.columns) for each in (self, other))
        return ours == theirs

    def describe(self) -> str:
        """What is left out, as text such as ``bars: left 135, right 135 px``; empty if nothing is."""
        height, width = self.orientation.upright_size(self.camera)
        sides = {
            "top": self.rows[0],
            "bottom": height - self.rows[1],
            "left": self.columns[0],
            "right": width - self.columns[1],
        }
        found = ", ".join(f"{side} {width}" for side, width in sides.items() if width)
        parts = [f"bars: {found} px"] if found else []
        if self.missing is not None:
            parts.append(f"without data: {100 * self.missing.mean():.0f} %")
        return "; ".join(parts)
