"""Cameras of synthetic scenes: a pose, a pinhole, and a lens with radial distortion before it.

World axes are those of the camera: x right, y down, z forward, metres.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_STRIDE = 16  # pixels between those that a box is searched by
_STEPS = 8  # of Newton's method for the radius that a lens shows


@dataclass(frozen=True, eq=False)
class SyntheticCamera:
    """A camera; integer pixel coordinates are pixel centres.

    Attributes:
        size: (width, height), pixels.
        matrix: float64 (3, 3), focal lengths and principal point, pixels.
        rotation: float64 (3, 3), world to camera.
        centre: float64 (3,), position in the world, metres.
        k1: radial distortion of the lens, as in ``plumb_bob``; 0 keeps straight lines straight.
    """

    size: tuple[int, int]
    matrix: Float64
    rotation: Float64
    centre: Float64
    k1: float = 0.0

    @cached_property
    def rays(self) -> Float32:
        """World directions of all pixels, float32 (H, W, 3), of length 1 along the optical axis."""
        width, height = self.size
        backward = np.linalg.inv(self.matrix @ self.rotation).astype(np.float32)
        if self.k1:
            x, y = self.straight[..., :1], self.straight[..., 1:]
        else:
            x = np.arange(width, dtype=np.float32)[None, :, None]
            y = np.arange(height, dtype=np.float32)[:, None, None]
        return np.asarray(x * backward[:, 0] + y * backward[:, 1] + backward[:, 2], np.float32)

    @cached_property
    def straight(self) -> Float32:
        """Where each pixel would be without distortion, float32 (H, W, 2)."""
        rows, columns = np.indices(self.size[::-1], np.float64)
        if not self.k1:
            return np.stack([columns, rows], axis=-1).astype(np.float32)
        x, y = self._onto_plane(columns, rows)
        shown = np.hypot(x, y)
        radius = shown
        for _ in range(_STEPS):
            radius = radius - (radius * (1 + self.k1 * radius**2) - shown) / (1 + 3 * self.k1 * radius**2)
        scale = radius / np.maximum(shown, 1e-12)
        return np.stack(self._onto_pixels(x * scale, y * scale), axis=-1).astype(np.float32)

    def bent(self, x: Float64, y: Float64) -> tuple[Float64, Float64]:
        """Where the lens shows what a pinhole shows at (x, y); NaN beyond the lens's reach."""
        if not self.k1:
            return x, y
        x, y = self._onto_plane(x, y)
        square = x * x + y * y
        scale = np.where(1 + 3 * self.k1 * square > 0, 1 + self.k1 * square, np.nan)
        return self._onto_pixels(x * scale, y * scale)

    def around(self, low: Float64, high: Float64) -> tuple[Float64, Float64]:
        """A box of pixels that holds all that a pinhole shows in a box; both as least and greatest (x, y)."""
        some = self.straight[::_STRIDE, ::_STRIDE]
        low, high = low - 2 * _STRIDE, high + 2 * _STRIDE
        inside = np.asarray(np.logical_and(some > low, some < high).all(axis=-1), np.bool_)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not rows.size:
            return np.zeros(2), np.zeros(2)
        first, last = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], np.float64) * _STRIDE
        return first - _STRIDE, last + _STRIDE

    def _onto_plane(self, x: Float64, y: Float64) -> tuple[Float64, Float64]:
        (across, _, left), (_, down, top), _ = self.matrix
        return (x - left) / across, (y - top) / down

    def _onto_pixels(self, x: Float64, y: Float64) -> tuple[Float64, Float64]:
        (across, _, left), (_, down, top), _ = self.matrix
        return x * across + left, y * down + top


def intrinsics(size: tuple[int, int], view: float) -> Float64:
    """Camera matrix for a horizontal field of view of ``view`` degrees, the lens's distortion left out."""
    width, height = size
    focal = width / 2 / np.tan(np.radians(view / 2))
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def rotation(pitch: float, yaw: float, roll: float) -> Float64:
    """Rotation matrix (3, 3) of small angles, radians."""
    return np.asarray(cv2.Rodrigues(np.array([pitch, yaw, roll]))[0], np.float64)
