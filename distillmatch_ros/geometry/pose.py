"""Poses: rotation and translation between the frames of two cameras.

A pose is named by both: ``T_visible_thermal`` takes points of the thermal camera's frame to the visible
camera's, and ``T_visible_thermal @ T_thermal_body`` those of a body's.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
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

    @classmethod
    def identity(cls) -> "Pose":
        """The pose of a frame in itself."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def parse(cls, text: str) -> "Pose":
        """The pose of ``x y z qx qy qz qw``, metres and a quaternion, as static_transform_publisher takes it.

        Raises:
            DistillMatchError: the text is no such pose.
        """
        try:
            values = np.array([float(word) for word in text.replace(",", " ").split()])
        except ValueError:
            values = np.empty(0)
        known = values.shape == (7,) and np.isfinite(values).all()
        if not known or abs(np.linalg.norm(values[3:]) - 1) > 0.01:
            raise DistillMatchError(
                f"pose {text!r:.80}: write x y z in metres and a quaternion qx qy qz qw of length 1, such as "
                "'0.05 0 0 0 0 0 1'"
            )
        return cls.from_quaternion(values[3:], values[:3])

    @classmethod
    def from_quaternion(cls, quaternion: Float64, translation: Float64) -> "Pose":
        """The pose of a quaternion x, y, z, w (4,), of any length but 0, and a translation (3,)."""
        x, y, z, w = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
        across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        return cls(np.eye(3) + 2 * w * across + 2 * across @ across, translation)

    @property
    def quaternion(self) -> Float64:
        """The unit quaternion x, y, z, w, w >= 0; by the eigenvector of Bar-Itzhack (2000)."""
        xx, xy, xz, yx, yy, yz, zx, zy, zz = self.rotation.ravel()
        design = np.array(
            [
                [xx - yy - zz, yx + xy, zx + xz, zy - yz],
                [yx + xy, yy - xx - zz, zy + yz, xz - zx],
                [zx + xz, zy + yz, zz - xx - yy, yx - xy],
                [zy - yz, xz - zx, yx - xy, xx + yy + zz],
            ]
        )
        values, vectors = np.linalg.eigh(design)
        found: Float64 = vectors[:, values.argmax()]
        return found if found[3] >= 0 else -found

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
