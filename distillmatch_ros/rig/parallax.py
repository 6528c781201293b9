"""The mapping of a frame whose depth is known pixel by pixel, with what hides what.

Each visible pixel has an inverse depth of its own, from a depth image or from regions. What a thermal ray
meets first is found by a z-buffer: the nearest of all visible pixels that fall on a thermal one. A visible
pixel is hidden from the thermal camera where the z-buffer is nearer than the pixel itself.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Points, Size
from distillmatch_ros.geometry.mapping import ImageMapping, as_points, check_size
from distillmatch_ros.rig.carrying import NOTHING, carry, closed, pixels_at, z_buffer, z_buffers
from distillmatch_ros.rig.dense import Float32, interpolate, lattice_rays
from distillmatch_ros.rig.holes import bridged, noise
from distillmatch_ros.rig.model import (
    EVERYTHING,
    RigMapping,
    RigModel,
    Window,
    closest_homography,
    grid_rays,
    sample,
    within,
)

ASSUMED = 128
"""In `seen_mask`: both cameras see the pixel as far as its surroundings, or the plane, tell its depth."""

_FLOOR_PX = 0.12  # of parallax, and
_FLOOR = 0.02  # of inverse depth: a smaller difference hides nothing
_NOISES = 4.0  # standard deviations of the depth's own noise that hide nothing
_EVERY = 32  # pixels between those that the closest homography is fitted to
_AROUND = 8  # pixels by which the window exceeds what it has to hold, between whose points lenses bend lines


@dataclass(frozen=True, eq=False)
class DepthMapping:
    """The mapping of a scene of any shape through two lenses; implements `ImageMapping`.

    Attributes:
        rig: the rig.
        inverse_depth: float32 (H, W), along the visible camera's axis, 1 / unit of the rig's translation; 0
            is far away, NaN is unknown.
        plane: (3,), see `RigModel.on_plane`; stands in where large parts of the inverse depth are unknown.
        shift: see `RigModel.on_plane`.
        hides: whether what is nearer hides what is behind it; not where depth is too coarse to say.
    """

    rig: RigModel
    inverse_depth: Float32
    plane: Float64
    shift: tuple[float, float] = (0.0, 0.0)
    hides: bool = True

    @property
    def thermal_size(self) -> Size:
        """See `ImageMapping`."""
        return self.rig.thermal.size

    @property
    def visible_size(self) -> Size:
        """See `ImageMapping`."""
        return self.rig.visible.size

    @property
    def has_points(self) -> bool:
        """Whether its pixels are points in metres; see `thermal_cloud`."""
        return self.hides and self.rig.tells_lengths

    @cached_property
    def filled(self) -> NDArray[np.bool_]:
        """Visible pixels of unknown inverse depth, for which surroundings or the plane stand in."""
        return np.isnan(self.inverse_depth)

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """Visible pixels that something nearer hides from the thermal camera."""
        hidden = np.zeros(self.visible_size, np.bool_)
        length = float(np.linalg.norm(self.rig.T_visible_thermal.translation))
        if length == 0 or not self.hides:
            return hidden
        floor = _FLOOR_PX / (float(self.rig.thermal.matrix[0, 0]) * length)
        # Thermal edges are as wide as a pixel: what lies beside a nearer thing carries its value too.
        nearest = cv2.dilate(self.thermal_inverse_depth, np.ones((3, 3), np.uint8))
        depth = self._seen[1]
        there = np.append(nearest, NOTHING).take(self._pixels)
        fraction = max(_FLOOR, _NOISES * noise(self._complete))
        hidden[self._window] = there - depth > floor + np.float32(fraction) * np.abs(depth)
        return hidden

    @cached_property
    def thermal_inverse_depth(self) -> Float32:
        """What thermal rays meet first, float32 (H, W), along the thermal camera's axis.

        Negative infinity where the visible camera sees nothing of what the thermal one sees.
        """
        (_, depth), filled = self._seen, self.filled[self._window]
        size = self.thermal_size
        focal = self.rig.thermal.matrix[0, 0] / self.rig.visible.matrix[0, 0]
        if not self._has_holes:
            return closed(z_buffer(self._pixels, depth, size), focal)
        known, assumed = z_buffers(self._pixels, depth, filled, size)
        known = closed(known, focal)
        return closed(np.where(known == NOTHING, assumed, known), focal)

    def to_visible(self, points: Points) -> Float64:
        """See `ImageMapping`; NaN where something hides a point, outside the image by the plane."""
        points = as_points(points)
        inside, depth = _at(points, self.thermal_inverse_depth)
        found = np.empty((len(points), 2))
        found[~inside] = self.on_plane.to_visible(points[~inside])
        rays = self.rig.thermal.unproject(points[inside])
        pose = self.rig.T_visible_thermal
        seen = (
            rays @ pose.rotation.T + np.where(np.isfinite(depth), depth, np.nan)[:, None] * pose.translation
        )
        seen[:, :2] += np.multiply(self.shift, seen[:, 2:])
        found[inside] = self.rig.visible.project(seen)
        return found

    def to_thermal(self, points: Points) -> Float64:
        """See `to_visible`."""
        points = as_points(points)
        inside, depth = _at(points, np.where(self.hidden, np.nan, self._complete))
        found = np.empty((len(points), 2))
        found[~inside] = self.on_plane.to_thermal(points[~inside])
        rays = self.rig.visible.unproject(points[inside])
        rays[:, :2] -= self.shift
        back = self.rig.T_visible_thermal.inverse()
        seen = rays @ back.rotation.T + depth[:, None] * back.translation
        found[inside] = self.rig.thermal.project(seen)
        return found

    def warp_thermal(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        check_size(image, self.thermal_size, "thermal image")
        return sample(image, self._seen[0], self.mask, self._window)

    def warp_visible(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        check_size(image, self.visible_size, "visible image")
        return sample(image, self._from_visible, self.thermal_mask)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`; false where hidden. `filled` says where it rests on the plane."""
        (height, width), mask = self.thermal_size, np.zeros(self.visible_size, np.bool_)
        mask[self._window] = (self._pixels < height * width) & ~self.hidden[self._window]
        return mask

    @cached_property
    def thermal_mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`; false where hidden."""
        return within(self._from_visible, self.visible_size)

    @cached_property
    def homography(self) -> Float64:
        """See `ImageMapping`: least squares over what both cameras see, the plane's where that is little."""
        rows, columns = _EVERY * np.array(np.nonzero(self.mask[::_EVERY, ::_EVERY]))
        if len(rows) < 16:
            return self.on_plane.homography
        top, left, *_ = (part.start or 0 for part in self._window)
        places = self._seen[0][:, rows - top, columns - left].T.astype(np.float64)
        pixels = np.column_stack([columns, rows]).astype(np.float64)
        return closest_homography(places, pixels, self.thermal_size, self.visible_size)

    @cached_property
    def on_plane(self) -> RigMapping:
        """The mapping of the frame's plane."""
        return self.rig.on_plane(self.plane, self.shift)

    @cached_property
    def _complete(self) -> Float32:
        """The inverse depth, with that of its surroundings or of the plane where it is unknown."""
        if not self._has_holes:
            return self.inverse_depth
        found = bridged(self.inverse_depth)
        wide = np.isnan(found)
        np.copyto(found, plane_inverse_depth(self.rig, self.plane, self.shift), where=wide)
        return found

    @cached_property
    def _has_holes(self) -> bool:
        return bool(self.filled.any())

    @cached_property
    def _seen(self) -> tuple[Float32, Float32]:
        """Thermal pixels (2, h, w) and thermal inverse depths (h, w) of the visible pixels in the window."""
        cameras = self.rig.visible, self.rig.T_visible_thermal.inverse(), self.rig.thermal
        return carry(self._complete, *cameras, before=np.negative(self.shift), window=self._window)

    @cached_property
    def _window(self) -> Window:
        """Part of the visible image that holds all that the thermal camera can see at these depths.

        On its way from the farthest to the nearest, what a thermal ray meets moves along a line.
        """
        _, rays = grid_rays(self.rig.thermal)
        turn = self.rig.T_visible_thermal.inverse()
        ends = [float(end.reduce(self._complete, axis=None)) for end in (np.fmin, np.fmax)]
        facing = np.array([turn.rotation + np.outer(turn.translation, (0, 0, end)) for end in ends])
        if not (np.isfinite(facing).all() and (np.linalg.det(facing) > 0).all()):
            return EVERYTHING
        seen = np.concatenate([rays @ np.linalg.inv(each).T for each in facing])
        seen[:, :2] += np.multiply(self.shift, seen[:, 2:])
        places = self.rig.visible.project(seen)
        if not np.isfinite(places).all():
            return EVERYTHING
        height, width = self.visible_size
        reach = np.array([places.min(axis=0) - _AROUND, places.max(axis=0) + _AROUND])
        # OpenCV takes no empty images: where the thermal camera sees nothing, a corner of the image is left.
        (left, top), (right, bottom) = np.clip(reach, 0, (width - 1, height - 1)).astype(int)
        return slice(top, bottom + 1), slice(left, right + 1)

    @cached_property
    def _pixels(self) -> NDArray[np.int32]:
        """Indices of the thermal pixels on which visible ones of the window fall, int32; see `pixels_at`."""
        return pixels_at(self._seen[0], self.thermal_size)

    @cached_property
    def _from_visible(self) -> Float32:
        """Visible pixel of each thermal pixel, float32 (2, H, W); NaN where hidden."""
        cameras = self.rig.thermal, self.rig.T_visible_thermal, self.rig.visible
        return carry(self.thermal_inverse_depth, *cameras, after=self.shift)[0]


def with_depth(mapping: RigMapping, inverse_depth: Float32) -> DepthMapping:
    """The mapping of a frame by its depth; its plane stands in where large parts are unknown.

    Args:
        mapping: of the frame's plane, by a rig in metres.
        inverse_depth: float32 (H, W), of the visible pixels, 1 / metre; see rig/depth_image.py.

    Raises:
        DistillMatchError: the rig is not known in metres, or this is no such array.
    """
    whole = isinstance(inverse_depth, np.ndarray) and inverse_depth.shape == mapping.visible_size
    if not whole or inverse_depth.dtype != np.float32:
        height, width = mapping.visible_size
        raise DistillMatchError(
            f"inverse depth: no float32 array of {width} x {height} pixels; make it with "
            "`distillmatch_ros.rig.depth_image.registered`"
        )
    if not mapping.rig.is_metric:
        raise DistillMatchError(
            "rig: depth is in metres, but the distance of the rig's cameras is unknown; set the parameter "
            "baseline_m, or make the rig with `distillmatch calibrate --baseline-m`"
        )
    return DepthMapping(mapping.rig, inverse_depth, mapping.plane, (mapping.shift[0], mapping.shift[1]))


def seen_mask(mapping: ImageMapping) -> NDArray[np.uint8]:
    """The mask of a mapping as a picture, uint8.

    255 where the thermal camera sees the visible pixel too, `ASSUMED` where that rests on a depth that was
    not measured, else 0.
    """
    picture = 255 * mapping.mask.view(np.uint8)
    if isinstance(mapping, DepthMapping):
        picture[mapping.mask & mapping.filled] = ASSUMED
    return picture


def plane_inverse_depth(rig: RigModel, plane: Float64, shift: tuple[float, float] = (0.0, 0.0)) -> Float32:
    """Inverse depth of a plane along the visible camera's axis, float32 (H, W)."""
    # It is linear in the ray.
    along = plane @ np.linalg.inv(rig.on_plane(plane).between_rays)
    values = (lattice_rays(rig.visible) - (*shift, 0.0)) @ along
    (dense,) = interpolate(values[None], rig.visible.size, rig.visible.size)
    return np.asarray(dense, np.float32)


def _at(points: Points, values: Float32) -> tuple[NDArray[np.bool_], Float64]:
    """Which of some points (N, 2) lie inside an image, and its values at the pixels nearest to those."""
    inside = within(points.T.astype(np.float32), values.shape[:2])
    columns, rows = np.rint(points[inside]).astype(int).T
    return inside, values[rows, columns].astype(np.float64)
