"""Depth by regions, without a depth camera: the edges of both images, along the epipolar lines.

Around a frame's plane, inverse depth is searched cell by cell: at each of some depths the thermal image's
edges are carried into the visible frame and correlated with the visible ones. Support is collected over
surroundings of like brightness, by a recursive filter (Gastal and Oliveira 2011) of the volume of all depths.
Neighbours are brought to agree along rows and columns as in semi-global matching (Hirschmueller 2008), where
a jump is cheap on an edge of brightness. A depth other than the plane's has a cost: without edges the plane
wins. The outline of a near thing says the same of what lies beside it: surroundings of like brightness
vote, and in doubt the farther depth wins.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.warping import resize
from distillmatch_ros.registration.alignment import LATTICE, PyramidLevel, edges_of
from distillmatch_ros.rig.dense import Float32, interpolate, lattice_rays, project_dense
from distillmatch_ros.rig.model import RigModel, within
from distillmatch_ros.rig.parallax import DepthMapping, plane_inverse_depth

COLUMNS = 320  # pixels across the thermal image at which edges are compared
_CELL = 4  # of those pixels, either way, of which every second is used
_FINE = _CELL // LATTICE  # of the latter in a cell, either way
_STEP = 1.0  # parallax between depths, of those pixels
_FARTHER, _NEARER = 8, 18  # depths that are tried on either side of the plane
_SMOOTHING, _SURROUNDINGS = 0.7, 31  # of edges
_BOX = 3  # cells, of the narrower support
_REACH, _CONTRAST = 9.0, 40.0  # of the wider support: cells, grey levels
_LEAST_ENERGY = 0.15  # of edges, below which a correlation says little
_OFF_PLANE = (0, 2, 6), (0.0, 0.012, 0.076)  # pixels off the plane, and their cost
_SLOPE, _JUMP = 0.24, 3.2  # costs of neighbours that differ by one depth, by more
_EDGE = 24.0  # grey levels between cells at which a jump costs half
_KEEPS = 0.01  # cost of each depth away from that of the frame before, up to two
_CLEAR = 0.1  # least advantage over the plane
_VOTERS, _LIKE = 16.0, 25.0  # surroundings that vote: cells, grey levels
_QUANTILE = 0.2  # of the votes from the farthest on, at which the depth is
_RIM = 1  # cells around a pixel at a rim among which it chooses a side,
_SIDE = 25.0  # by grey levels,
_DOUBT = 1.5  # and by how much the votes for the nearer one have to outweigh the others


class Parallax(str, Enum):
    """How a rig maps what is not on the plane of a frame."""

    PLANE = "plane"
    REGIONS = "regions"


@dataclass(frozen=True, eq=False)
class Regions:
    """A frame's depth by regions.

    Attributes:
        mapping: the mapping that follows from it; it hides nothing, since regions are too coarse for that.
        advantage: float32 (rows, columns) of cells over the visible image: by how much less the depth found
            costs than the plane's. 0 where the plane stays.
    """

    mapping: DepthMapping
    advantage: Float32


def find_regions(
    rig: RigModel,
    visible: NDArray[np.uint8],
    thermal: NDArray[np.uint8],
    plane: Float64,
    shift: tuple[float, float] = (0.0, 0.0),
    before: Regions | None = None,
) -> Regions:
    """Find depths of regions around a frame's plane.

    Args:
        rig: the rig.
        visible: uint8 (H, W), grey.
        thermal: uint8 (H, W), grey.
        plane: the frame's, see `RigModel.on_plane`.
        shift: likewise.
        before: those of the frame before, which are kept in doubt.
    """
    search = _Search(rig, plane, shift)
    rows, columns = search.covered
    reduced = resize(visible, search.size)
    own = edges_of(resize(thermal, search.own_size), _level(search.own_size))
    seen = edges_of(reduced, _level(search.size))[search.fine]
    grey = resize(reduced, search.cells)[rows, columns].astype(np.float32)
    steps = np.arange(-_FARTHER, _NEARER + 1)
    agreement = _agreement(seen, own, [search.places(float(step)) for step in steps], grey)
    cost = 1 - agreement + np.interp(np.abs(steps), *_OFF_PLANE).astype(np.float32)
    on_plane = plane_inverse_depth(rig, plane, shift)
    if before is not None and search.unit > 0:
        kept = (before.mapping.inverse_depth - on_plane) / np.float32(search.unit)
        kept = _resized(kept, search.cells, cv2.INTER_NEAREST)[rows, columns]
        cost += np.float32(_KEEPS) * np.minimum(np.abs(steps - kept[..., None]), 2).astype(np.float32)
    cost = _settled(cost, grey)
    advantage = cost[..., _FARTHER] - cost.min(axis=-1)
    # Beyond the rim of the thermal image there is nothing to compare a depth with.
    inside = within(np.moveaxis(search.places(0.0), 0, -1), search.own_size)[::_FINE, ::_FINE]
    step = _voted(np.where((advantage > _CLEAR) & inside, _lowest(cost) - _FARTHER, 0), inside, grey)
    found = np.zeros(search.cells, np.float32)
    found[rows, columns] = np.where(step == 0, 0, advantage)
    beside = np.zeros(tuple(length // LATTICE for length in search.size), np.float32)
    fine_grey = reduced[search.fine].astype(np.float32)
    beside[search.halves] = search.unit * _with_crisp_rims(step, grey, fine_grey)
    depth = on_plane + _resized(beside, rig.visible.size)
    return Regions(DepthMapping(rig, depth, plane, shift, hides=False), found)


@dataclass(frozen=True, eq=False)
class _Search:
    """Where the visible image's pixels, reduced to `size`, lie in the reduced thermal image at each depth."""

    rig: RigModel
    plane: Float64
    shift: tuple[float, float]

    @cached_property
    def own_size(self) -> Size:
        """Of the reduced thermal image."""
        height, width = self.rig.thermal.size
        return round(COLUMNS * height / width), COLUMNS

    @cached_property
    def cells(self) -> Size:
        """Of the lattice on which depths are found; its cells are as large in both images."""
        thermal, visible = self.rig.thermal, self.rig.visible
        scale = COLUMNS / thermal.size[1] * thermal.matrix[0, 0] / visible.matrix[0, 0] / _CELL
        return max(1, round(visible.size[0] * scale)), max(1, round(visible.size[1] * scale))

    @cached_property
    def size(self) -> Size:
        """Of the reduced visible image."""
        return _CELL * self.cells[0], _CELL * self.cells[1]

    @cached_property
    def covered(self) -> tuple[slice, slice]:
        """Rows and columns of cells that hold all that the thermal camera sees on the plane."""
        height, width = self.rig.thermal.size
        x, y = np.meshgrid(np.linspace(0, width - 1, 17), np.linspace(0, height - 1, 17))
        flat = self.rig.on_plane(self.plane, self.shift)
        places = flat.to_visible(np.column_stack([x.ravel(), y.ravel()]))
        places = places[np.isfinite(places).all(axis=1)]
        if not len(places):
            return slice(0, 2), slice(0, 2)  # nothing there is compared
        scale = np.array(self.cells[::-1]) / self.rig.visible.size[::-1]
        low, high = places.min(axis=0) * scale, places.max(axis=0) * scale
        first = np.clip(np.floor(low), 0, np.subtract(self.cells[::-1], 2)).astype(int)
        last = np.clip(np.ceil(high), first + 2, self.cells[::-1]).astype(int)
        return slice(first[1], last[1]), slice(first[0], last[0])

    @cached_property
    def fine(self) -> tuple[slice, slice]:
        """The same of pixels, of which every second suffices for smoothed edges."""
        rows, columns = (slice(_CELL * each.start, _CELL * each.stop, LATTICE) for each in self.covered)
        return rows, columns

    @property
    def halves(self) -> tuple[slice, slice]:
        """The same among every second of all pixels."""
        rows, columns = (slice(_FINE * each.start, _FINE * each.stop) for each in self.covered)
        return rows, columns

    @cached_property
    def unit(self) -> float:
        """Inverse depth of a step: one that moves pixels in the middle of the image by its length; or 0."""
        rays, tiny = lattice_rays(self.rig.visible), 1e-3
        middle = rays[tuple(slice(length // 4, -length // 4, 4) for length in rays.shape[:2])]
        moved = np.hypot(*np.moveaxis(self._at(tiny, middle) - self._at(0.0, middle), -1, 0))
        moved = moved[np.isfinite(moved)]
        return tiny * _STEP / max(float(np.median(moved)), 1e-9) if moved.size else 0.0

    def places(self, step: float) -> Float32:
        """Places in the reduced thermal image of the pixels in `fine`, float32 (2, rows, columns)."""
        still, along = self._path
        return still + np.float32(step) * along

    @cached_property
    def _path(self) -> tuple[Float32, Float32]:
        """Places on the plane, and by how much a step moves them, which lenses hardly change on the way."""
        rays = lattice_rays(self.rig.visible)
        still, near = (self._at(step * self.unit, rays) for step in (0, _FARTHER))
        fields = (still, (near - still) / _FARTHER)
        visible = self.rig.visible.size
        dense = [interpolate(each, visible, self.size)[self.fine] for each in fields]
        on_plane, along = (np.ascontiguousarray(np.moveaxis(each, -1, 0)) for each in dense)
        return on_plane, along

    def _at(self, beside: float, rays: Float64) -> Float64:
        """Places in the reduced thermal image of visible rays (rows, columns, 3), beside the plane."""
        rays = rays - (*self.shift, 0.0)
        back = np.linalg.inv(self.rig.on_plane(self.plane).between_rays)
        pose = self.rig.T_visible_thermal.inverse()
        moved = rays @ pose.rotation.T + (rays @ (self.plane @ back) + beside)[..., None] * pose.translation
        x, y = np.moveaxis(moved[..., :2] / moved[..., 2:], -1, 0).astype(np.float32)
        pixels = np.stack(project_dense(self.rig.thermal, x, y), axis=-1).astype(np.float64)
        return (pixels + 0.5) * (COLUMNS / self.rig.thermal.size[1]) - 0.5


def _level(size: Size) -> PyramidLevel:
    return PyramidLevel(size, _SMOOTHING, _SURROUNDINGS, 0)


def _agreement(seen: Float32, own: Float32, places: list[Float32], grey: Float32) -> Float32:
    """Correlation of edges around each cell at each depth, over a narrow support and over one of like grey.

    Args:
        seen: float32 (rows, columns, 2), the visible edges.
        own: float32 (h, w, 2), the thermal edges.
        places: of the visible edges among the thermal ones, by depth.
        grey: float32 (cells), the visible image.

    Returns:
        float32 (cells, depths).
    """
    count, size = len(places), grey.shape[::-1]
    sums = np.empty((*grey.shape, 2 * count + 1), np.float32)
    for depth, there in enumerate(places):
        moved = cv2.remap(own, there[0], there[1], cv2.INTER_LINEAR)
        for index, product in ((depth, seen * moved), (count + depth, moved * moved)):
            both = cv2.resize(product, size, interpolation=cv2.INTER_AREA)
            np.add(both[..., 0], both[..., 1], out=sums[..., index])
    sums[..., -1] = cv2.resize(seen * seen, size, interpolation=cv2.INTER_AREA).sum(axis=-1)
    supports = cv2.blur(sums, (_BOX, _BOX)), _over_like(sums, grey, _REACH, _CONTRAST)
    total = np.zeros((*grey.shape, count), np.float32)
    for support in supports:
        energies = np.maximum(support[..., count:], _LEAST_ENERGY)
        total += support[..., :count] / np.sqrt(energies[..., :-1] * energies[..., -1:])
    return np.asarray(total / 2, np.float32)


def _over_like(sums: Float32, grey: Float32, reach: float, contrast: float) -> Float32:
    """Means over surroundings of like grey, by a recursive filter along rows and columns."""
    for axis in (1, 0):
        steps = np.abs(np.diff(grey, axis=axis))
        weights = np.exp(-np.sqrt(2) / reach * (1 + reach / contrast * steps)).astype(np.float32)
        lines, keep = np.moveaxis(sums, axis, 0).copy(), np.moveaxis(weights, axis, 0)[..., None]
        for index in range(1, len(lines)):
            lines[index] += keep[index - 1] * (lines[index - 1] - lines[index])
        for index in range(len(lines) - 2, -1, -1):
            lines[index] += keep[index] * (lines[index + 1] - lines[index])
        sums = np.moveaxis(lines, 0, axis)
    return np.asarray(np.ascontiguousarray(sums), np.float32)


def _settled(cost: Float32, grey: Float32) -> Float32:
    """Costs (cells, depths) with those of the best way to each cell from four sides."""
    total = np.zeros_like(cost)
    for axis in (0, 1):
        jumps = np.moveaxis(_JUMP / (1 + np.abs(np.diff(grey, axis=axis)) / _EDGE), axis, 0).astype(
            np.float32
        )
        lines = np.ascontiguousarray(np.moveaxis(cost, (axis, 2), (0, 1)))
        both = np.concatenate([lines, lines[::-1]], axis=2)
        there, back = np.split(_ways(both, np.hstack([jumps, jumps[::-1]])), 2, axis=2)
        total += np.moveaxis(there + back[::-1], (0, 1), (axis, 2))
    return total


def _ways(total: Float32, jumps: Float32) -> Float32:
    """Least costs of ways along the first axis, in place of the costs (length, depths, lines)."""
    for index in range(1, len(total)):
        last = total[index - 1]
        least = last.min(axis=0)
        step = np.minimum(last, least + jumps[index - 1])
        np.minimum(step[1:], last[:-1] + np.float32(_SLOPE), out=step[1:])
        np.minimum(step[:-1], last[1:] + np.float32(_SLOPE), out=step[:-1])
        total[index] += step - least
    return total


def _lowest(cost: Float32) -> Float32:
    """Depths of least cost with a fraction, by a parabola through the neighbours."""
    best = cost.argmin(axis=-1)
    inner = np.clip(best, 1, cost.shape[-1] - 2)
    before, here, after = (np.take_along_axis(cost, (inner + o)[..., None], -1)[..., 0] for o in (-1, 0, 1))
    fraction = 0.5 * (before - after) / (before - 2 * here + after + 1e-9)
    return np.asarray(np.where(best == inner, inner + np.clip(fraction, -0.5, 0.5), best), np.float32)


def _voted(step: Float32, inside: NDArray[np.bool_], grey: Float32) -> Float32:
    """Depths that surroundings of like grey agree on; those that they confirm keep their fraction."""
    depths = np.arange(-_FARTHER, _NEARER + 1)
    votes = ((np.rint(step)[..., None] == depths) & inside[..., None]).astype(np.float32)
    counts = _over_like(votes, grey, _VOTERS, _LIKE).cumsum(axis=-1)
    elected = (counts >= _QUANTILE * counts[..., -1:]).argmax(axis=-1) - _FARTHER
    return np.where(np.abs(step - elected) <= 1, step, elected).astype(np.float32)


def _with_crisp_rims(step: Float32, grey: Float32, fine_grey: Float32) -> Float32:
    """Depths of the pixels in cells: at a rim, those of the side whose cells are like them in grey.

    Args:
        step: float32 (rows, columns), of cells.
        grey: likewise.
        fine_grey: float32 (height, width), of pixels.
    """
    window = np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8)
    low, high = cv2.erode(step, window), cv2.dilate(step, window)
    rims = np.nonzero(high - low > 1)
    depths, shades = (
        sliding_window_view(np.pad(each, _RIM, "edge"), window.shape)[rims] for each in (step, grey)
    )  # (rims, window)
    depths, shades = depths.reshape(-1, 1, window.size), shades.reshape(-1, 1, window.size)
    fine = _resized(step, (fine_grey.shape[0], fine_grey.shape[1]))
    inner, own = (
        each.reshape(len(step), _FINE, -1, _FINE).transpose(0, 2, 1, 3) for each in (fine, fine_grey)
    )  # (rows, columns, pixels in a cell)
    apart = ((np.indices(window.shape) - _RIM) ** 2).sum(axis=0).ravel() / (2 * _RIM**2)
    unlike = np.abs(own[rims].reshape(-1, _FINE**2, 1) - shades) / _SIDE
    weights = np.exp(-unlike - apart.astype(np.float32))
    near = weights * (depths > ((low + high) / 2)[rims][:, None, None])
    far = weights - near
    side = np.where(near.sum(axis=-1, keepdims=True) > _DOUBT * far.sum(axis=-1, keepdims=True), near, far)
    inner[rims] = ((side * depths).sum(axis=-1) / side.sum(axis=-1)).reshape(-1, _FINE, _FINE)
    return fine


def _resized(values: Float32, size: Size, interpolation: int = cv2.INTER_LINEAR) -> Float32:
    return np.asarray(cv2.resize(values, size[::-1], interpolation=interpolation), np.float32)
