"""The geometry of two cameras on one plate, and the mapping between their images that follows from it.

A thermal pixel with the ray q = (x, y, 1) and the inverse depth rho lies on the visible ray R q + rho t. On a
plane, rho = n . q with the same n for all pixels, and between rays the mapping is the homography R + t n^T
(Hartley and Zisserman 2004, section 13.1). Lenses come before and after it, so straight lines need not stay
straight. A plane that faces the thermal camera at the inverse depth rho has n = (0, 0, rho).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import (
    Float64,
    Points,
    Size,
    as_numbers,
    corners,
    from_corners,
    transform,
)
from distillmatch_ros.geometry.mapping import as_points, check_size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.geometry.warping import keeping_values
from distillmatch_ros.rig.dense import interpolate, lattice_rays, project_lattice

Origin = Literal["measured", "given", "assumed"]
Window = tuple[slice, slice]
"""Rows and columns of an image."""
EVERYTHING: Window = (slice(None), slice(None))

GIVEN: Mapping[str, Origin] = {"scale": "given"}
"""Origins of a rig whose cameras' distance was measured by a ruler."""

THERMAL_INTRINSICS = ("thermal focal length", "thermal distortion")
"""Quantities that make up the thermal camera."""
POSE = ("pose", "scale", "thermal focal length", "visible focal length")
"""Quantities that the pose in metres rests on: angles are seen by focal lengths."""

_LEAST_SEEN = 4  # points that a homography needs


@dataclass(frozen=True, eq=False)
class RigModel:
    """Two cameras on one plate.

    Attributes:
        visible: the visible camera.
        thermal: the thermal camera.
        T_visible_thermal: takes points of the thermal camera's frame to the visible camera's. Without a known
            scale its translation is of length 1, or 0, and inverse depths are in its unit.
        origins: by quantity, such as ``pose``, whether it is measured (in a drive), given (by CameraInfo), or
            assumed (by what is usual).
        covariance: float64 (12, 12), of `distillmatch_ros.rig.projection.SHARED`; None if unknown.
    """

    visible: Camera
    thermal: Camera
    T_visible_thermal: Pose
    origins: dict[str, Origin] = field(default_factory=dict)
    covariance: Float64 | None = None

    def at(self, inverse_depth: float) -> "RigMapping":
        """The mapping of a plane that faces the thermal camera; see `on_plane`.

        Args:
            inverse_depth: in the thermal camera's frame, 1 / unit of the translation; 0 is far away.
        """
        own = float(as_numbers(inverse_depth, (), "inverse depth", "pass one number"))
        return self.on_plane(np.array([0.0, 0.0, own]))

    def on_plane(self, plane: Float64, shift: Float64 | tuple[float, float] = (0.0, 0.0)) -> "RigMapping":
        """The mapping of a plane.

        Args:
            plane: (3,); the inverse depth of a thermal ray q is ``plane . q``.
            shift: by how much visible rays are off at this moment, on the normalised plane: cameras that are
                not triggered together, on a robot that turns.

        Raises:
            DistillMatchError: the plane passes through a camera, or plane or shift is none, or not finite.
        """
        return RigMapping(self, plane, shift)

    @property
    def is_metric(self) -> bool:
        """Whether inverse depths are in 1 / metre, so that measured depth maps pixels; see `Scale`."""
        return self.tells_lengths or self.origins.get("parallax") == "measured"

    @property
    def tells_lengths(self) -> bool:
        """Whether lengths across the view are in metres too: they need the distance, or focal lengths."""
        return not self.assumed("scale")

    def distance(self, inverse_depth: float) -> str:
        """How far away something is, for people."""
        unit = "m" if self.is_metric else "distances of the lenses"
        return "far away" if inverse_depth <= 1e-3 else f"{1 / inverse_depth:.3g} {unit}"

    def assumed(self, *quantities: str) -> list[str]:
        """Which of these quantities are neither measured nor given; see ``origins``."""
        return [name for name in quantities if self.origins.get(name) == "assumed"]

    def with_baseline(self, metres: float, origins: Mapping[str, Origin] = GIVEN) -> "RigModel":
        """The same rig in metres, by the distance of its cameras, and where that is from; see `Scale`."""
        pose, scale = self.T_visible_thermal, self.scale_for(metres)
        factors = np.ones(12)
        factors[5:8] = scale  # the translation's
        return replace(
            self,
            T_visible_thermal=Pose(pose.rotation, pose.translation * scale),
            origins={**self.origins, **origins},
            covariance=None if self.covariance is None else self.covariance * np.outer(factors, factors),
        )

    def scale_for(self, metres: float) -> float:
        """Metres for one unit of the translation, by the distance of the cameras.

        Raises:
            DistillMatchError: it is no distance, or the cameras of this rig have none.
        """
        length = float(np.linalg.norm(self.T_visible_thermal.translation))
        if not (0 < as_numbers(metres, (), "distance of the cameras", "pass it in metres") < np.inf):
            raise DistillMatchError(f"distance of the cameras: {metres!r} m is none; measure it")
        if length == 0:
            raise DistillMatchError("rig: its cameras are at one place, so that no distance scales it")
        return metres / length


@dataclass(frozen=True, eq=False)
class RigMapping:
    """The mapping of one plane through two lenses; implements `ImageMapping`.

    Attributes:
        rig: the two cameras.
        plane: (3,), see `RigModel.on_plane`.
        shift: likewise.
    """

    rig: RigModel
    plane: Float64
    shift: Float64 | tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Check the plane; see `RigModel.on_plane`."""
        numbers = (
            *as_numbers(self.plane, (3,), "plane", "pass three numbers"),
            *as_numbers(self.shift, (2,), "shift", "pass two numbers"),
        )
        if not np.isfinite(numbers).all() or np.linalg.det(self.between_rays) <= 0:
            raise DistillMatchError(
                "rig: a plane through a camera, or behind it, has no image in both; check the inverse depth"
            )

    @cached_property
    def between_rays(self) -> Float64:
        """Thermal rays to visible rays, float64 (3, 3)."""
        pose = self.rig.T_visible_thermal
        between_rays: Float64 = pose.rotation + np.outer(pose.translation, self.plane)
        between_rays[:2] += np.outer(self.shift, between_rays[2])
        return between_rays

    def by(self, rig: RigModel) -> "RigMapping":
        """The same mapping, by the same rig in another unit; see `RigModel.with_baseline`."""
        scale = self.rig.scale_for(float(np.linalg.norm(rig.T_visible_thermal.translation)))
        return RigMapping(rig, self.plane / scale, self.shift)

    @property
    def thermal_size(self) -> Size:
        """See `ImageMapping`."""
        return self.rig.thermal.size

    @property
    def visible_size(self) -> Size:
        """See `ImageMapping`."""
        return self.rig.visible.size

    def to_visible(self, points: Points) -> Float64:
        """See `ImageMapping`; NaN where a lens shows nothing, and behind a camera."""
        return self.rig.visible.project(self.rig.thermal.unproject(as_points(points)) @ self.between_rays.T)

    def to_thermal(self, points: Points) -> Float64:
        """See `to_visible`."""
        return self.rig.thermal.project(self.rig.visible.unproject(as_points(points)) @ self._back.T)

    def warp_thermal(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        check_size(image, self.thermal_size, "thermal image")
        return sample(image, self._from_thermal, self.mask)

    def warp_visible(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        check_size(image, self.visible_size, "visible image")
        return sample(image, self._from_visible, self.thermal_mask)

    def places_in_visible(self, size: Size) -> NDArray[np.float32]:
        """Visible pixels of the pixels of the thermal image resized to ``size``, float32 (2, *size)."""
        rays = lattice_rays(self.rig.thermal) @ self.between_rays.T
        return interpolate(project_lattice(self.rig.visible, rays), self.thermal_size, size)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`."""
        return within(self._from_thermal, self.thermal_size)

    @cached_property
    def thermal_mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`."""
        return within(self._from_visible, self.visible_size)

    @cached_property
    def homography(self) -> Float64:
        """See `ImageMapping`: least squares over the thermal image, visible pixels.

        Raises:
            DistillMatchError: the visible camera sees nothing of the plane.
        """
        points, rays = grid_rays(self.rig.thermal)
        places = self.rig.visible.project(rays @ self.between_rays.T)
        seen = np.isfinite(places).all(axis=1)
        if seen.sum() < _LEAST_SEEN:
            raise DistillMatchError(
                "rig: the visible camera sees nothing of the plane; check the inverse depth"
            )
        return closest_homography(points[seen], places[seen], self.thermal_size, self.visible_size)

    @cached_property
    def corners(self) -> Float64:
        """Visible pixels of the thermal image's corners, (4, 2); see `to_visible`."""
        return self.rig.visible.project(corner_rays(self.rig.thermal) @ self.between_rays.T)

    @cached_property
    def _back(self) -> Float64:
        return np.asarray(np.linalg.inv(self.between_rays), np.float64)

    @cached_property
    def _from_thermal(self) -> NDArray[np.float32]:
        """Thermal pixel of each visible pixel, float32 (2, H, W)."""
        rays = lattice_rays(self.rig.visible) @ self._back.T
        return interpolate(project_lattice(self.rig.thermal, rays), self.visible_size, self.visible_size)

    @cached_property
    def _from_visible(self) -> NDArray[np.float32]:
        """Visible pixel of each thermal pixel, float32 (2, H, W)."""
        return self.places_in_visible(self.thermal_size)


def closest_homography(source: Float64, target: Float64, thermal: Size, visible: Size) -> Float64:
    """The homography of least squares, from its DLT solution by Gauss-Newton steps on its corners.

    Args:
        source: thermal pixels, (N, 2), N >= 4.
        target: visible pixels, (N, 2).
        thermal: size of the thermal image.
        visible: size of the visible image.
    """
    found, _ = cv2.findHomography(source, target, 0)  # least squares: DLT, then Levenberg-Marquardt
    if found is None:
        raise DistillMatchError("rig: what both cameras see lies on a line; check their sizes and lenses")
    places = transform(np.asarray(found, np.float64), corners(thermal))
    return from_corners(places, thermal, visible)


@lru_cache(maxsize=8)
def grid_rays(camera: Camera) -> tuple[Float64, Float64]:
    """Pixels spread over a camera's image, (N, 2), and their rays, (N, 3)."""
    height, width = camera.size
    columns, rows = np.meshgrid(np.linspace(0, width - 1, 17), np.linspace(0, height - 1, 13))
    points = np.column_stack([columns.ravel(), rows.ravel()])
    return points, camera.unproject(points)


@lru_cache(maxsize=8)
def corner_rays(camera: Camera) -> Float64:
    """The rays of the corners of a camera's image, (4, 3)."""
    return camera.unproject(corners(camera.size))


def within(places: NDArray[np.float32], size: Size) -> NDArray[np.bool_]:
    """Whether pixels, float32 (2, ...), lie in an image; false for NaN, and on its borders."""
    columns, rows = places
    inside = (columns > -0.5) & (columns < size[1] - 0.5) & (rows > -0.5) & (rows < size[0] - 0.5)
    return np.asarray(inside, np.bool_)


def sample(
    image: NDArray[Any],
    places: NDArray[np.float32],
    mask: NDArray[np.bool_],
    window: Window = EVERYTHING,
) -> NDArray[Any]:
    """Another image with the values of this one at the places of its pixels; see `ImageMapping.warp_thermal`.

    Args:
        image: the image.
        places: float32 (2, h, w), of the other image's pixels in the window.
        mask: bool (H, W), those that get a value.
        window: part of the other image, which holds all of them.
    """
    inside = mask[window]
    left, top, width, height = cv2.boundingRect(inside.view(np.uint8))
    box = slice(top, top + height), slice(left, left + width)
    interpolation = cv2.INTER_LINEAR if image.dtype == np.uint8 else cv2.INTER_NEAREST

    def move(values: NDArray[Any], outside: float) -> NDArray[Any]:
        whole = np.full((*mask.shape, *values.shape[2:]), outside, values.dtype)
        if width:
            # Border replicated: otherwise interpolation would mix the outside's 0 into the border pixels.
            columns, rows = places[(slice(None), *box)]
            there = cv2.remap(values, columns, rows, interpolation, borderMode=cv2.BORDER_REPLICATE)
            cv2.copyTo(there, inside[box].view(np.uint8), dst=whole[window][box])
        return whole

    return keeping_values(move, image)
