"""What a file of another tool says about a rig, and which of its cameras is which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.model import Origin, RigModel


@dataclass(frozen=True, eq=False)
class Known:
    """Cameras and pose, as far as a file tells them.

    Attributes:
        visible: the visible camera, or None.
        thermal: the thermal camera, or None.
        T_visible_thermal: the pose, or None.
        metric: whether its translation is in metres; else its length means nothing.
    """

    visible: Camera | None = None
    thermal: Camera | None = None
    T_visible_thermal: Pose | None = None
    metric: bool = False

    def updated(self, other: "Known") -> "Known":
        """With what another file tells, which counts where both tell something."""
        pose = other if other.T_visible_thermal is not None else self
        return Known(
            other.visible or self.visible,
            other.thermal or self.thermal,
            pose.T_visible_thermal,
            pose.metric,
        )

    @property
    def rig(self) -> RigModel | None:
        """The whole rig; None if a camera or the pose is missing."""
        if self.visible is None or self.thermal is None or self.T_visible_thermal is None:
            return None
        pose = self.T_visible_thermal
        length = 1.0 if self.metric else max(float(np.linalg.norm(pose.translation)), 1e-12)
        told = (
            "thermal focal length",
            "visible focal length",
            "thermal distortion",
            "visible distortion",
            "pose",
        )
        origins: dict[str, Origin] = dict.fromkeys(told, "given")
        origins["scale"] = "given" if self.metric else "assumed"
        return RigModel(self.visible, self.thermal, Pose(pose.rotation, pose.translation / length), origins)


@dataclass(frozen=True)
class Sizes:
    """Sizes of a rig's images, by which its cameras are told apart.

    Attributes:
        visible: (height, width).
        thermal: (height, width).
    """

    visible: Size
    thermal: Size

    def single(self, camera: Camera, name: str) -> Known:
        """What a file with one camera tells; its name decides where sizes are equal.

        Raises:
            DistillMatchError: it is neither of the two.
        """
        fits = {"visible": camera.size == self.visible, "thermal": camera.size == self.thermal}
        if all(fits.values()):
            thermal = any(word in name.lower() for word in _THERMAL_WORDS)
            fits = {"visible": not thermal, "thermal": thermal}
        if fits["thermal"]:
            return Known(thermal=camera)
        if fits["visible"]:
            return Known(visible=camera)
        raise self._strange(camera.size)

    def stereo(
        self, cameras: tuple[Camera, Camera], names: tuple[str, str], second: Pose, metric: bool
    ) -> Known:
        """What a file with two cameras tells. The first is the visible one where nothing else tells.

        Args:
            cameras: the first and the second.
            names: their names, or empty.
            second: takes points of the first camera's frame to the second's.
            metric: see `Known`.

        Raises:
            DistillMatchError: they are not of the sizes of the rig's images.
        """
        sizes = cameras[0].size, cameras[1].size
        own = self.visible, self.thermal
        if set(sizes) != set(own):
            raise self._strange(
                next((size for size in sizes if size not in (self.visible, self.thermal)), sizes[0])
            )
        first_is_thermal = sizes[0] == self.thermal
        if self.visible == self.thermal:
            marked = [any(word in name.lower() for word in _THERMAL_WORDS) for name in names]
            first_is_thermal = marked[0] and not marked[1]
        if first_is_thermal:
            return Known(cameras[1], cameras[0], second, metric)
        return Known(cameras[0], cameras[1], inverse(second), metric)

    def _strange(self, size: Size) -> DistillMatchError:
        return DistillMatchError(
            f"a camera of {size[1]}x{size[0]} pixels, but the images are of {self.visible[1]}x"
            f"{self.visible[0]} (visible) and {self.thermal[1]}x{self.thermal[0]} (thermal); "
            "calibrate at the resolution in use"
        )


_THERMAL_WORDS = ("therm", "lwir", "flir", "boson", "lepton", "infra", "/ir", "_ir")


def inverse(pose: Pose) -> Pose:
    """The pose of the other direction."""
    return Pose(pose.rotation.T, -pose.rotation.T @ pose.translation)


def numbers(value: Any, name: str, *shape: int) -> Float64:
    """Finite numbers of a shape, or of any if none is given.

    Raises:
        ValueError: they are not.
    """
    array = np.array(value, np.float64)
    if (shape and array.size != np.prod(shape)) or not np.isfinite(array).all():
        raise ValueError(f"{name} is not {'x'.join(map(str, shape)) or 'a list of'} numbers")
    return array.reshape(shape or -1)


def rotation_of(value: Any, name: str) -> Float64:
    """A rotation matrix, made orthonormal: files round its numbers.

    Raises:
        ValueError: it is none.
    """
    matrix = numbers(value, name, 3, 3)
    left, sizes, right = np.linalg.svd(matrix)
    if np.abs(sizes - 1).max() > 1e-3 or np.linalg.det(matrix) < 0:
        raise ValueError(f"{name} is no rotation")
    rotation: Float64 = left @ right
    return rotation


def matrix_of(fx: float, fy: float, cx: float, cy: float) -> Float64:
    """A camera matrix."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """A mapping of a file.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no mapping")
    return value
