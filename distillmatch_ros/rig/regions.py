"""Depth by regions, without a depth camera: the edges of both images, along the epipolar lines.

Around a frame's plane, inverse depth is searched cell by cell: at each of some depths the thermal image's
edges are carried into the visible frame and correlated with the visible ones. Support is collected over
surroundings of like brightness, by a recursive filter (Gastal and Oliveira 2011) of the volume of all depths.
Neighbours are brought to agree along rows and columns as in semi-global matching (Hirschmueller 2008), where
a jump is cheap on an edge of brightness. A depth other than the plane's has a cost: without edges the plane
wins, or the smooth surface that most of the scene lies on. The outline of a near thing says the same of what
lies beside it: surroundings of like brightness vote, and in doubt the farther depth wins. They vote twice, by
what is alike in both images and in the thermal one alone: where the outcomes differ the surface stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.warping import resize
from distillmatch_ros.registration.alignment import LATTICE, PyramidLevel, edges_of
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.model import RigModel, within
from distillmatch_ros.rig.parallax import DepthMapping, plane_inverse_depth
from distillmatch_ros.rig.surface import lowest, smooth_surface
from distillmatch_ros.rig.sweep import FARTHER, FINE, NEARER, Sweep

_SMOOTHING, _SURROUNDINGS = 0.7, 31  # of edges
_BOX = 3  # cells, of the narrower support
_REACH, _CONTRAST = 13.0, 25.0  # of the wider support: cells, grey levels
_LEAST_ENERGY = 0.08  # of edges, below which a correlation says little
_OFF, _FAR_OFF, _FAR = 0.006, 0.016, 2  # costs of a pixel off the surface, and of each from this one on
_MOST_OFF = 0.076  # cost of all of them
_SLOPE, _JUMP = 0.24, 3.2  # costs of neighbours that differ by one depth, by more
_EDGE = 12.0  # grey levels between cells at which a jump costs half
_KEEPS = 0.01  # cost of each depth away from that of the frame before, up to two
_CLEAR = 0.1  # least advantage over the surface
_VOTERS, _LIKE = 16.0, 25.0  # surroundings that vote: cells, grey levels
_BEYOND = 0.4  # what a vote for the surface counts where the thermal camera sees nothing
_HEAT_BESIDE, _HEAT_ALONE = 0.5, 2.0  # what thermal grey levels count beside visible ones, and alone
_AGREE = 1.5  # steps by which two votes may differ
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
            costs than that of the plane, or of the smooth surface. 0 where that stays.
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
    sweep = Sweep(rig, plane, shift)
    rows, columns = sweep.covered
    reduced = resize(visible, sweep.size)
    own = edges_of(resize(thermal, sweep.own_size), _level(sweep.own_size))
    seen = edges_of(reduced, _level(sweep.size))[sweep.fine]
    grey = resize(reduced, sweep.cells)[rows, columns].astype(np.float32)
    flat = sweep.places(0.0)
    heat = _heat(resize(thermal, sweep.own_size), flat, grey.shape)
    shades = np.stack([grey, _HEAT_BESIDE * heat], axis=-1)
    steps = np.arange(-FARTHER, NEARER + 1, dtype=np.float32)
    agreement = _agreement(seen, own, [sweep.places(float(step)) for step in steps], shades)
    # Beyond the rim of the thermal image there is nothing to compare a depth with.
    inside = within(flat, sweep.own_size)[::FINE, ::FINE]
    surface = smooth_surface(agreement, inside)
    cost = 1 - agreement + _off_cost(steps - surface[..., None])
    on_plane = plane_inverse_depth(rig, plane, shift)
    if before is not None and sweep.unit > 0:
        kept = (before.mapping.inverse_depth - on_plane) / np.float32(sweep.unit)
        kept = _resized(kept, sweep.cells, cv2.INTER_NEAREST)[rows, columns]
        cost += np.float32(_KEEPS) * np.minimum(np.abs(steps - kept[..., None]), 2).astype(np.float32)
    cost = _settled(cost, shades)
    usual = np.clip(np.rint(surface).astype(int) + FARTHER, 0, len(steps) - 1)
    advantage = np.take_along_axis(cost, usual[..., None], axis=-1)[..., 0] - cost.min(axis=-1)
    step = np.where((advantage > _CLEAR) & inside, lowest(cost) - FARTHER - surface, np.float32(0))
    votes = np.where(inside, np.float32(1), np.float32(_BEYOND))
    step, by_heat = (_voted(step, votes, each) for each in (shades, _HEAT_ALONE * heat[..., None]))
    step = np.where(np.abs(step - by_heat) <= _AGREE, step, np.float32(0))
    found = np.zeros(sweep.cells, np.float32)
    found[rows, columns] = np.where(step == 0, 0, advantage)
    beside = np.zeros(tuple(length // LATTICE for length in sweep.size), np.float32)
    fine_grey = reduced[sweep.fine].astype(np.float32)
    beside[sweep.halves] = sweep.unit * _with_crisp_rims(surface + step, grey, fine_grey)
    depth = on_plane + _resized(beside, rig.visible.size)
    return Regions(DepthMapping(rig, depth, plane, shift, hides=False), found)


def _off_cost(steps: Float32) -> Float32:
    """Cost of depths, by their steps off the surface."""
    steps = np.abs(steps)
    cost = np.maximum(_OFF * steps, _FAR_OFF * steps - _FAR * (_FAR_OFF - _OFF))
    return np.asarray(np.minimum(cost, _MOST_OFF), np.float32)


def _level(size: Size) -> PyramidLevel:
    return PyramidLevel(size, _SMOOTHING, _SURROUNDINGS, 0)


def _heat(thermal: NDArray[np.uint8], places: Float32, cells: Size) -> Float32:
    """The thermal image on the plane, by cells."""
    there = cv2.remap(thermal, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return resize(there, cells).astype(np.float32)


def _agreement(seen: Float32, own: Float32, places: list[Float32], shades: Float32) -> Float32:
    """Correlation of edges around each cell at each depth, over a narrow support and over one of like grey.

    Args:
        seen: float32 (rows, columns, 2), the visible edges.
        own: float32 (h, w, 2), the thermal edges.
        places: of the visible edges among the thermal ones, by depth.
        shades: float32 (cells, n), see `_contrasts`.

    Returns:
        float32 (cells, depths).
    """
    count, (rows, columns) = len(places), shades.shape[:2]
    sums = np.empty((2 * count + 1, rows, columns), np.float32)

    def add(index: int, one: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]]) -> None:
        both = one[0] * other[0]
        both += one[1] * other[1]
        cv2.resize(both, (columns, rows), dst=sums[index], interpolation=cv2.INTER_AREA)

    ours = cv2.split(seen)
    for depth, there in enumerate(places):
        moved = cv2.split(cv2.remap(own, there[0], there[1], cv2.INTER_LINEAR))
        add(depth, ours, moved)
        add(count + depth, moved, moved)
    add(-1, ours, ours)
    sums = np.ascontiguousarray(np.moveaxis(sums, 0, -1))
    supports = cv2.blur(sums, (_BOX, _BOX)), _over_like(sums, shades, _REACH, _CONTRAST)
    total = np.zeros((rows, columns, count), np.float32)
    for support in supports:
        energies = np.maximum(support[..., count:], _LEAST_ENERGY)
        total += support[..., :count] / np.sqrt(energies[..., :-1] * energies[..., -1:])
    return np.asarray(total / 2, np.float32)


def _contrasts(shades: Float32, axis: int) -> Float32:
    """What sets neighbouring cells apart along an axis: sum over the images, (cells, n), grey levels."""
    return np.asarray(np.abs(np.diff(shades, axis=axis)).sum(axis=-1), np.float32)


def _over_like(sums: Float32, shades: Float32, reach: float, contrast: float) -> Float32:
    """Means over surroundings of like grey, by a recursive filter along rows and columns."""
    for axis in (1, 0):
        steps = _contrasts(shades, axis)
        weights = np.exp(-np.sqrt(2) / reach * (1 + reach / contrast * steps)).astype(np.float32)
        lines, keep = np.moveaxis(sums, axis, 0).copy(), np.moveaxis(weights, axis, 0)[..., None]
        for index in range(1, len(lines)):
            lines[index] += keep[index - 1] * (lines[index - 1] - lines[index])
        for index in range(len(lines) - 2, -1, -1):
            lines[index] += keep[index] * (lines[index + 1] - lines[index])
        sums = np.moveaxis(lines, 0, axis)
    return np.asarray(np.ascontiguousarray(sums), np.float32)


def _settled(cost: Float32, shades: Float32) -> Float32:
    """Costs (cells, depths) with those of the best way to each cell from four sides."""
    total = np.zeros_like(cost)
    for axis in (0, 1):
        jumps = np.moveaxis(_JUMP / (1 + _contrasts(shades, axis) / _EDGE), axis, 0).astype(np.float32)
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


def _voted(step: Float32, votes: Float32, shades: Float32) -> Float32:
    """Depths that surroundings of like grey agree on; those that they confirm keep their fraction.

    Args:
        step: float32 (cells), from the surface.
        votes: likewise, of each cell.
        shades: float32 (cells, n), see `_contrasts`.
    """
    depths = np.arange(-FARTHER, NEARER + 1)
    so_far = (np.clip(np.rint(step), *depths[[0, -1]])[..., None] <= depths) * votes[..., None]
    counts = _over_like(so_far, shades, _VOTERS, _LIKE)  # votes up to each depth
    elected = (counts >= _QUANTILE * counts[..., -1:]).argmax(axis=-1) - FARTHER
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
        each.reshape(len(step), FINE, -1, FINE).transpose(0, 2, 1, 3) for each in (fine, fine_grey)
    )  # (rows, columns, pixels in a cell)
    apart = ((np.indices(window.shape) - _RIM) ** 2).sum(axis=0).ravel() / (2 * _RIM**2)
    unlike = np.abs(own[rims].reshape(-1, FINE**2, 1) - shades) / _SIDE
    weights = np.exp(-unlike - apart.astype(np.float32))
    near = weights * (depths > ((low + high) / 2)[rims][:, None, None])
    far = weights - near
    side = np.where(near.sum(axis=-1, keepdims=True) > _DOUBT * far.sum(axis=-1, keepdims=True), near, far)
    inner[rims] = ((side * depths).sum(axis=-1) / side.sum(axis=-1)).reshape(-1, FINE, FINE)
    return fine


def _resized(values: Float32, size: Size, interpolation: int = cv2.INTER_LINEAR) -> Float32:
    return np.asarray(cv2.resize(values, size[::-1], interpolation=interpolation), np.float32)
