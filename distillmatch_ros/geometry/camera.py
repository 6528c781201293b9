"""Cameras: between pixels and rays, through the lens models of sensor_msgs/CameraInfo.

A ray is a point (x, y, 1) of the camera's normalised image plane: x right, y down, z forward.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Points, Size, resize_matrix
from distillmatch_ros.geometry.intrinsics import check_intrinsics, check_projection, check_reach

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

_NEWTON_STEPS = 20
_PRECISION = 1e-10  # of normalised coordinates: 1e-7 px at usual focal lengths
_DIFFERENCE = 1e-6  # of normalised coordinates, for derivatives
_STEEPEST = np.radians(89.0)  # from the optical axis: rays beyond it have no useful (x, y, 1)


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsic calibration of a camera for images of one size.

    Attributes:
        size: (height, width) of the images.
        matrix: float64 (3, 3), camera matrix K.
        distortion: float64 (N,), coefficients D in OpenCV's order. Zeros at their end are dropped or
            added, so that there are as many as OpenCV wants for the model.
        model: distortion model, one of `COEFFICIENTS`. One of `SYNONYMS` becomes what it means, and an empty
            one is told from the number of coefficients.
    """

    size: Size
    matrix: Float64
    distortion: Float64 = field(default_factory=lambda: np.zeros(4))
    model: str = PLUMB_BOB

    def __post_init__(self) -> None:
        """Settle the model.

        Raises:
            DistillMatchError: the distortion model is unknown and there is distortion, or the number of
                coefficients does not fit it.
        """
        model, distortion = _settled(self.model, np.array(self.distortion, np.float64))
        object.__setattr__(self, "matrix", _read_only(np.array(self.matrix, np.float64)))
        object.__setattr__(self, "distortion", _read_only(distortion))
        object.__setattr__(self, "model", model)

    @classmethod
    def from_camera_info(cls, info: Any, *, rectified: bool = False) -> "Camera":
        """The camera of the images that go with a CameraInfo: after its region of interest and binning.

        Args:
            info: sensor_msgs/CameraInfo of any library, with its fields in ROS 2's lower case.
            rectified: the images are rectified, so that P describes them, and not K and D.

        Raises:
            DistillMatchError: the camera is not calibrated, its intrinsics are implausible, or see the class.
        """
        matrix = np.array(info.p if rectified else info.k, np.float64).reshape(3, -1)[:, :3]
        distortion = np.zeros(0) if rectified else np.array(info.d, np.float64)
        left, top = info.roi.x_offset, info.roi.y_offset
        full = (info.roi.height or info.height, info.roi.width or info.width)
        size = (full[0] // max(info.binning_y, 1), full[1] // max(info.binning_x, 1))
        calibrated = np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0 and matrix[2, 2] == 1
        if not (calibrated and np.isfinite(distortion).all() and min(size) > 0):
            raise DistillMatchError(
                "camera_info: holds no calibration (focal length or size is 0, or a value is not finite); "
                "calibrate the camera, or do not pass its camera_info"
            )
        sensor = (info.height or full[0], info.width or full[1])
        check_intrinsics(
            matrix, sensor, (sensor[0] // max(info.binning_y, 1), sensor[1] // max(info.binning_x, 1))
        )
        region = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
        model = PLUMB_BOB if rectified else info.distortion_model
        camera = cls(size, resize_matrix(full, size) @ region @ matrix, distortion, model)
        if not camera.is_pinhole:
            check_reach(float(camera._radial[1][-1]), camera.matrix, size)
        elif not rectified:
            check_projection(info, matrix)
        return camera

    def camera_info(self) -> dict[str, Any]:
        """Fields of a CameraInfo that say the same; header, binning and region are left to the caller."""
        height, width = self.size
        return {
            "height": height,
            "width": width,
            "distortion_model": self.model,
            "d": self.distortion.copy(),
            "k": self.matrix.ravel(),
            "r": np.eye(3).ravel(),
            "p": np.column_stack([self.matrix, np.zeros(3)]).ravel(),
        }

    def resized(self, size: Size) -> "Camera":
        """The camera of its images resized to (height, width)."""
        return Camera(size, resize_matrix(self.size, size) @ self.matrix, self.distortion, self.model)

    def same_as(self, other: "Camera") -> bool:
        """Whether both hold equal values."""
        return (
            (self.model, self.size) == (other.model, other.size)
            and np.array_equal(self.matrix, other.matrix)
            and np.array_equal(self.distortion, other.distortion)
        )

    @property
    def is_pinhole(self) -> bool:
        """Whether straight lines stay straight. A fisheye bends them even if all coefficients are 0."""
        return self.model != EQUIDISTANT and not self.distortion.any()

    @property
    def is_radial(self) -> bool:
        """Whether it bends lines by a polynomial of the radius alone, k1, k2 and perhaps k3."""
        return self.model == PLUMB_BOB and bool(self.distortion.any()) and not self.distortion[2:4].any()

    @property
    def reach(self) -> float:
        """Radius on the normalised plane beyond which the lens model folds back."""
        return float(self._radial[0][-1])

    def project(self, points: Points) -> Float64:
        """Pixels of points in front of the camera.

        Args:
            points: (N, 3), the camera's frame, any unit of length.

        Returns:
            float64 (N, 2); NaN for points that are not in front of the camera, and for those so far from its
            axis that the lens model folds back.
        """
        points = np.asarray(points, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            plane = np.where(points[:, 2:] > 0, points[:, :2] / points[:, 2:], np.nan)
        pixels: Float64 = self._bent(plane) @ self.matrix[:2, :2].T + self.matrix[:2, 2]
        return pixels

    def unproject(self, pixels: Points) -> Float64:
        """Rays of pixels: Newton's method on the lens model.

        Args:
            pixels: (N, 2).

        Returns:
            float64 (N, 3), (x, y, 1); NaN for pixels that the lens model does not reach.
        """
        pixels = np.asarray(pixels, np.float64)
        bent = (pixels - self.matrix[:2, 2]) @ np.linalg.inv(self.matrix[:2, :2]).T
        plane = bent if self.is_pinhole else self._straight(bent)
        return np.column_stack([plane, np.ones(len(plane))])

    def _bent(self, plane: Float64) -> Float64:
        """Where the lens shows points (N, 2) of the normalised plane; NaN where its model folds back."""
        if self.is_pinhole:
            return plane
        within = np.hypot(plane[:, 0], plane[:, 1]) < self.reach
        rays = np.where(within[:, None], plane, 0.0)[:, None]
        if len(plane) == 0:
            return plane
        if self.model == EQUIDISTANT:
            bent = cv2.fisheye.distortPoints(rays, np.eye(3), self.distortion)[:, 0]
        else:
            nothing = np.zeros(3)
            cube = np.concatenate([rays, np.ones((len(rays), 1, 1))], axis=2)
            bent = cv2.projectPoints(cube, nothing, nothing, np.eye(3), self.distortion)[0][:, 0]
        return np.where(within[:, None], bent, np.nan)

    def _straight(self, bent: Float64) -> Float64:
        """The inverse of `_bent`, (N, 2)."""
        # The radius alone gives the start: the rest of a lens model is small beside its radial part.
        distance = np.hypot(bent[:, 0], bent[:, 1])
        radius = np.interp(distance, *self._radial[::-1], right=np.nan)
        if self.is_radial:
            radius = self._radius(distance, radius)
        with np.errstate(divide="ignore", invalid="ignore"):
            plane = np.where(distance[:, None] > 0, bent * (radius / distance)[:, None], bent)
        if self.is_radial:
            return plane
        # All places that a step needs at a time: for few points the calls take longer than the arithmetic.
        around = _DIFFERENCE * np.array([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])[:, None]
        for _ in range(_NEWTON_STEPS):
            here, right, left, below, above = self._bent((plane + around).reshape(-1, 2)).reshape(5, -1, 2)
            missing, by_x, by_y = bent - here, (right - left) / 2, (below - above) / 2
            determinant = by_x[:, 0] * by_y[:, 1] - by_x[:, 1] * by_y[:, 0]
            along = missing[:, 0] * by_y[:, 1] - missing[:, 1] * by_y[:, 0]
            across = missing[:, 1] * by_x[:, 0] - missing[:, 0] * by_x[:, 1]
            step = _DIFFERENCE * np.column_stack([along, across]) / determinant[:, None]
            plane = plane + step
            if not (np.abs(step) > _PRECISION).any():
                break
        found = np.abs(bent - self._bent(plane)).max(axis=1, initial=0.0) < 1e3 * _PRECISION
        return np.where(found[:, None], plane, np.nan)

    def _radius(self, distance: Float64, radius: Float64) -> Float64:
        """Radii (N,) that a radial lens shows at distances from the centre, from a start near them."""
        k1, k2, _, _, k3 = np.pad(self.distortion, (0, 1))[:5]
        for _ in range(_NEWTON_STEPS):
            square = radius**2
            missing = distance - radius * (1 + square * (k1 + square * (k2 + square * k3)))
            step = missing / (1 + square * (3 * k1 + square * (5 * k2 + square * 7 * k3)))
            radius = radius + step
            if not (np.abs(step) > _PRECISION).any():
                break
        return np.where((radius < self.reach) & (np.abs(missing) < 1e3 * _PRECISION), radius, np.nan)

    @cached_property
    def _radial(self) -> tuple[Float64, Float64]:
        """Radii on the normalised plane, and where the radial part of the lens shows them; both increase."""
        radii = np.tan(np.linspace(0, _STEEPEST, 4000))
        if self.model == EQUIDISTANT:
            angle = np.arctan(radii)
            shown = angle * (1 + np.polynomial.polynomial.polyval(angle**2, [0, *self.distortion]))
        else:
            k1, k2, _, _, k3, k4, k5, k6 = np.pad(self.distortion, (0, 14))[:8]
            square = radii**2
            above = np.polynomial.polynomial.polyval(square, [1, k1, k2, k3])
            below = np.polynomial.polynomial.polyval(square, [1, k4, k5, k6])
            shown = radii * above / np.where(below > 0, below, np.nan)
        growing = np.append(np.diff(shown) > 0, False)  # NaN does not grow
        count = max(int(growing.argmin()), 1)
        return radii[:count], shown[:count]


def _settled(name: str, distortion: Float64) -> tuple[str, Float64]:
    """Model, and as many coefficients as OpenCV wants for it; zeros at their end say nothing."""
    given = np.trim_zeros(distortion, "b")
    lower = name.strip().lower()
    model = SYNONYMS.get(lower, lower)
    if model in ("", "none"):  # four coefficients may be those of either lens
        unnamed = {5: PLUMB_BOB, **dict.fromkeys(COEFFICIENTS[RATIONAL], RATIONAL)}
        model = unnamed.get(len(given), "")
    if len(given) == 0 and model != EQUIDISTANT:  # without distortion any model is a pinhole
        model = PLUMB_BOB
    counts = COEFFICIENTS.get(model)
    if counts is None:
        raise DistillMatchError(
            f"camera_info: distortion model {name!r} with {len(distortion)} "
            f"coefficients is unknown; calibrate with one of {', '.join(COEFFICIENTS)}"
        )
    if len(given) > counts[-1]:
        raise DistillMatchError(
            f"camera_info: {len(given)} coefficients do not fit distortion model {model}, which has "
            f"{' or '.join(map(str, counts))}; calibrate the camera again"
        )
    count = next(count for count in counts if count >= len(given))
    return model, np.pad(given, (0, count - len(given)))


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
