"""Poses: rotation and translation between the frames of two cameras.

A pose is named by both: ``T_visible_thermal`` takes points of the thermal camera's frame to the visible
camera's, and ``T_visible_thermal @ T_thermal_body`` those of a body's.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from distillmatch_ros.geometry.homography import Float64, Points


@dataclass(frozen=True, eq=False)
class Pose:
    """A rigid motion, x' = R x + t.

    Attributes:
        rotation: float64 (3, 3), R, orthonormal.
        translation: float64 (3,), t; metres where its scale is known.
    """

    rotation: Float64
    translation: Float64

    def __post_init__(self) -> None:
        for name, shape in (("rotation", (3, 3)), ("translation", (3,))):
            value = np.array(getattr(self, name), np.float64).reshape(shape)
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def from_vectors(cls, rotation: Float64, translation: Float64) -> "Pose":
        """The pose of a rotation vector (3,), axis times angle in radians, and a translation (3,)."""
        matrix = np.asarray(cv2.Rodrigues(np.asarray(rotation, np.float64))[0], np.float64)
        return cls(matrix, translation)

    @property
    def rotation_vector(self) -> Float64:
        """float64 (3,), axis times angle in radians, at most pi."""
        return np.asarray(cv2.Rodrigues(self.rotation)[0][:, 0], np.float64)

    def __matmul__(self, other: "Pose") -> "Pose":
        """The pose that does ``other`` first: the frame between them drops out."""
        return Pose(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def inverse(self) -> "Pose":
        """The pose that leads back."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)

    def apply(self, points: Points) -> Float64:
        """Move points (N, 3); float64."""
        moved: Float64 = np.asarray(points, np.float64) @ self.rotation.T + self.translation
        return moved
