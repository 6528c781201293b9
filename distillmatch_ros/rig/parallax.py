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
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Points, Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.dense import Float32, dense_rays, interpolate, lattice_rays, project_dense
from distillmatch_ros.rig.model import RigMapping, RigModel, closest_homography, sample, within

ASSUMED = 128
"""In `seen_mask`: both cameras see the pixel as far as its surroundings, or the plane, tell its depth."""

_NOTHING = np.float32(-np.inf)  # inverse depth where no ray ends
_FLOOR_PX = 0.12  # of parallax, and
_FLOOR = 0.02  # of inverse depth: a smaller difference hides nothing
_NOISES = 4.0  # standard deviations of the depth's own noise that hide nothing
_APART = 4  # pixels between those that the noise is told from
_BRIDGE = 0.06  # of the image's width, beyond which a hole's rim says nothing about it
_SAME = 0.1  # relative difference of inverse depths that one slanted surface explains
_EVERY = 16  # pixels between those that the closest homography is fitted to


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

    @cached_property
    def filled(self) -> NDArray[np.bool_]:
        """Visible pixels of unknown inverse depth, for which surroundings or the plane stand in."""
        return np.isnan(self.inverse_depth)

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """Visible pixels that something nearer hides from the thermal camera."""
        places, depth = self._seen
        length = float(np.linalg.norm(self.rig.T_visible_thermal.translation))
        if length == 0 or not self.hides:
            return np.zeros(self.visible_size, np.bool_)
        floor = _FLOOR_PX / (float(self.rig.thermal.matrix[0, 0]) * length)
        # Thermal edges are as wide as a pixel: what lies beside a nearer thing carries its value too.
        nearest = cv2.dilate(self.thermal_inverse_depth, np.ones((3, 3), np.uint8))
        there = cv2.remap(
            nearest,
            places[..., 0],
            places[..., 1],
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=[-np.inf] * 4,
        )
        fraction = max(_FLOOR, _NOISES * _noise(self._complete))
        return np.asarray(there - depth > floor + np.float32(fraction) * np.abs(depth), np.bool_)

    @cached_property
    def thermal_inverse_depth(self) -> Float32:
        """What thermal rays meet first, float32 (H, W), along the thermal camera's axis.

        Negative infinity where the visible camera sees nothing of what the thermal one sees.
        """
        places, depth = self._seen
        focal = self.rig.thermal.matrix[0, 0] / self.rig.visible.matrix[0, 0]
        known = z_buffer(places, np.where(self.filled, _NOTHING, depth), self.thermal_size, focal)
        if not self.filled.any():
            return known
        assumed = z_buffer(places, depth, self.thermal_size, focal)
        return np.where(known == _NOTHING, assumed, known)

    def to_visible(self, points: Points) -> Float64:
        """See `ImageMapping`; NaN where something hides a point, outside the image by the plane."""
        places, depth = _at(points, self.thermal_inverse_depth)
        rays = self.rig.thermal.unproject(points)
        pose = self.rig.T_visible_thermal
        seen = (
            rays @ pose.rotation.T + np.where(np.isfinite(depth), depth, np.nan)[:, None] * pose.translation
        )
        seen[:, :2] += np.multiply(self.shift, seen[:, 2:])
        return np.where(places[:, None], self.rig.visible.project(seen), self._flat.to_visible(points))

    def to_thermal(self, points: Points) -> Float64:
        """See `to_visible`."""
        inside, depth = _at(points, np.where(self.hidden, np.nan, self._complete))
        rays = self.rig.visible.unproject(points)
        rays[:, :2] -= self.shift
        back = self.rig.T_visible_thermal.inverse()
        seen = rays @ back.rotation.T + depth[:, None] * back.translation
        return np.where(inside[:, None], self.rig.thermal.project(seen), self._flat.to_thermal(points))

    def warp_thermal(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        return sample(image, np.where(self.mask[..., None], self._seen[0], np.float32(-2)), self.mask)

    def warp_visible(self, image: NDArray[Any]) -> NDArray[Any]:
        """See `ImageMapping`."""
        places = np.where(self.thermal_mask[..., None], self._from_visible, np.float32(-2))
        return sample(image, places, self.thermal_mask)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`; false where hidden. `filled` says where it rests on the plane."""
        return within(self._seen[0], self.thermal_size) & ~self.hidden

    @cached_property
    def thermal_mask(self) -> NDArray[np.bool_]:
        """See `ImageMapping`; false where hidden."""
        return within(self._from_visible, self.visible_size)

    @cached_property
    def homography(self) -> Float64:
        """See `ImageMapping`: least squares over what both cameras see, the plane's where that is little."""
        some = self.mask[::_EVERY, ::_EVERY]
        if some.sum() < 16:
            return self._flat.homography
        places = self._seen[0][::_EVERY, ::_EVERY][some].astype(np.float64)
        rows, columns = np.nonzero(some)
        pixels = (_EVERY * np.column_stack([columns, rows])).astype(np.float64)
        return closest_homography(places, pixels, self.thermal_size, self.visible_size)

    @cached_property
    def _flat(self) -> RigMapping:
        return self.rig.on_plane(self.plane, self.shift)

    @cached_property
    def _complete(self) -> Float32:
        """The inverse depth, with that of its surroundings or of the plane where it is unknown."""
        if not self.filled.any():
            return self.inverse_depth
        bridged = _bridged(self.inverse_depth)
        return np.where(np.isnan(bridged), plane_inverse_depth(self.rig, self.plane, self.shift), bridged)

    @cached_property
    def _seen(self) -> tuple[Float32, Float32]:
        """Thermal pixels (H, W, 2) and thermal inverse depths (H, W) of all visible pixels, hidden or not."""
        turn = self.rig.T_visible_thermal.inverse()
        return carry(self._complete, self.rig.visible, turn, self.rig.thermal, before=np.negative(self.shift))

    @cached_property
    def _from_visible(self) -> Float32:
        """Visible pixel of each thermal pixel, float32 (H, W, 2); NaN where hidden."""
        depth = self.thermal_inverse_depth
        depth = np.where(depth == _NOTHING, np.float32(np.nan), depth)
        return carry(depth, self.rig.thermal, self.rig.T_visible_thermal, self.rig.visible, after=self.shift)[
            0
        ]


def with_depth(mapping: RigMapping, inverse_depth: Float32) -> DepthMapping:
    """The mapping of a frame by its depth; its plane stands in where large parts are unknown.

    Args:
        mapping: of the frame's plane, by a rig in metres.
        inverse_depth: float32 (H, W), of the visible pixels, 1 / metre; see rig/depth_image.py.

    Raises:
        DistillMatchError: the rig is not known in metres.
    """
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
    values = (lattice_rays(rig.visible) - (*shift, 0.0)) @ (
        plane @ np.linalg.inv(rig.on_plane(plane).between_rays)
    )
    return interpolate(values, rig.visible.size, rig.visible.size)


def carry(
    inverse_depth: Float32,
    camera: Camera,
    pose: Pose,
    other: Camera,
    before: Float64 | tuple[float, float] = (0.0, 0.0),
    after: tuple[float, float] = (0.0, 0.0),
) -> tuple[Float32, Float32]:
    """Carry all pixels of one camera into another.

    Args:
        inverse_depth: float32 (H, W), along the camera's axis.
        camera: the camera.
        pose: takes its frame to the other's.
        other: the other camera.
        before: added to rays on the camera's normalised plane, (2,).
        after: added on the other's, (2,).

    Returns:
        Pixels of the other image, float32 (H, W, 2), and inverse depths along its axis, float32 (H, W).
    """
    x, y, _ = dense_rays(camera)
    offset = pose.rotation @ (*before, 1.0)
    moved = [
        np.float32(row[0]) * x
        + np.float32(row[1]) * y
        + (np.float32(constant) + np.float32(shift) * inverse_depth)
        for row, constant, shift in zip(pose.rotation, offset, pose.translation, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(moved[2] > 0, np.float32(1) / moved[2], np.float32(np.nan))
    across, down = (moved[axis] * scale + np.float32(after[axis]) for axis in (0, 1))
    places = cv2.merge(project_dense(other, across, down))
    return np.asarray(places, np.float32), np.asarray(inverse_depth * scale, np.float32)


def z_buffer(places: Float32, inverse_depth: Float32, size: Size, magnification: float) -> Float32:
    """The nearest of what falls on each pixel.

    Args:
        places: float32 (..., 2), pixels.
        inverse_depth: float32 (...), minus infinity for what does not count.
        size: of the result.
        magnification: pixels of the result for one of those carried over; gaps up to it are closed.

    Returns:
        float32, minus infinity where nothing falls.
    """
    counts = within(places, size) & (inverse_depth > _NOTHING)
    columns, rows = (np.rint(places[..., axis][counts]).astype(np.int32) for axis in (0, 1))
    found = np.full(size[0] * size[1], _NOTHING)
    np.maximum.at(found, rows * size[1] + columns, inverse_depth[counts])
    found = found.reshape(size)
    window = np.ones((2 * int(np.ceil(magnification)) + 1,) * 2, np.uint8)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, window)
    return np.where(found == _NOTHING, closed, found)


def _bridged(inverse_depth: Float32) -> Float32:
    """Close holes along rows, from rim to rim of a surface, else with the farther rim.

    Near things throw the shadows in which stereo and structured light see nothing.
    """
    height, width = inverse_depth.shape
    unknown = np.isnan(inverse_depth)
    columns = np.broadcast_to(np.arange(width, dtype=np.int32), (height, width))
    before = np.maximum.accumulate(np.where(unknown, -width, columns), axis=1)
    after = np.minimum.accumulate(np.where(unknown, 2 * width, columns)[:, ::-1], axis=1)[:, ::-1]
    rows, here = np.nonzero(unknown)
    rims = np.full((2, len(here)), np.nan, np.float32)
    gaps = np.stack([here - before[unknown], after[unknown] - here])
    for rim, gap, place in zip(rims, gaps, (before[unknown], after[unknown]), strict=True):
        near = gap <= _BRIDGE * width
        rim[near] = inverse_depth[rows[near], place[near]]
    between = (rims[0] * gaps[1] + rims[1] * gaps[0]) / gaps.sum(axis=0)
    one = np.abs(rims[0] - rims[1]) <= _SAME * np.abs(rims).max(axis=0)
    bridged = inverse_depth.copy()
    bridged[unknown] = np.where(one, between, np.fmin(*rims))
    return bridged


def _noise(inverse_depth: Float32) -> float:
    """Standard deviation of an inverse depth's noise, as a fraction: on a plane it is linear in the pixel."""
    some = inverse_depth[::_APART]
    before, here, after = some[:, : -2 * _APART], some[:, _APART:-_APART], some[:, 2 * _APART :]
    before, here, after = (each[:, ::_APART] for each in (before, here, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        fractions = np.abs(before - 2 * here + after) / np.abs(here)
    fractions = fractions[np.isfinite(fractions)]
    return float(np.median(fractions)) / (0.6745 * np.sqrt(6.0)) if fractions.size else 0.0


def _at(points: Points, values: Float32) -> tuple[NDArray[np.bool_], Float64]:
    """Whether points (N, 2) lie inside an image, and its values at the nearest pixels there."""
    points = np.asarray(points, np.float64)
    inside = within(points[None].astype(np.float32), values.shape[:2])[0]
    columns, rows = np.rint(np.where(inside[:, None], points, 0)).astype(int).T
    return inside, values[rows, columns].astype(np.float64)
