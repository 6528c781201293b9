"""The scale of a known rig from depth: the distance of its cameras at which edges lie where depth puts them.

A rig that is learned from pairs with depth is in metres from the start, see `fit_rig`. For one that was known
before, blocks of edges of both images are matched near its mapping. The distance of the cameras is the one
number by which measured depth explains all their places; each pair gives one, and their median counts. It is
as uncertain as the rig's focal lengths, see `Scale`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Points
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.estimation import EDGE_SOFT_PX, MIN_DEPTHS
from distillmatch_ros.rig.measured_edges import measured_edges
from distillmatch_ros.rig.metres import SYSTEMATIC, Scale
from distillmatch_ros.rig.model import RigMapping, RigModel
from distillmatch_ros.rig.parallax import DepthMapping, plane_inverse_depth

MOST = 40
"""Pairs that a scale is found from at most, the latest ones."""
DOUBTED = 12
"""Pairs after which a scale that is not known is doubted."""

_EXPLAINED = 0.7  # of what planes leave, which depth may leave; it leaves 0.1 to 0.3, wrong depth 0.7 to 1.5
_WORSE_PX = 1.0  # thermal pixels by which depth may leave more: a flat scene lies on its plane best
_STEPS, _LONGEST, _STILL = 20, 0.3, 1e-4  # of the logarithm of a scale


@dataclass(frozen=True, eq=False)
class DepthMatches:
    """Matches of a pair's edges, where depth is known.

    Attributes:
        thermal: (N, 2), thermal pixels.
        visible: (N, 2), visible pixels.
        inverse_depth: (N,), measured, along the visible camera's axis, 1 / metre.
        weights: (N,).
        shift: see `RigModel.on_plane`.
        start: metres of one unit of the translation, by the pair's plane.
        plane_px: median distance of the matches from where the pair's plane has them, thermal pixels.
    """

    thermal: Points
    visible: Points
    inverse_depth: Float64
    weights: Float64
    shift: tuple[float, float]
    start: float
    plane_px: float


def match_depth(
    visible: NDArray[np.uint8],
    thermal: NDArray[np.uint8],
    mapping: RigMapping,
    inverse_depth: Float32,
    metres: float | None = None,
) -> DepthMatches | None:
    """Match a pair's edges where depth is known, and nearly the same around.

    Args:
        visible: uint8 (H, W), grey.
        thermal: uint8 (H, W), grey.
        mapping: of the pair's plane, by a rig of unit scale.
        inverse_depth: float32 (H, W), measured, 1 / metre; NaN where unknown.
        metres: the distance of the cameras, if it is known about: near things are found by it too.

    Returns:
        The matches; None if they are too few.
    """
    shift = mapping.shift[0], mapping.shift[1]
    near = (
        mapping
        if metres is None
        else DepthMapping(mapping.rig, inverse_depth * np.float32(metres), mapping.plane, shift)
    )
    found = measured_edges(visible, thermal, near, inverse_depth)
    if not found.has_depth or found.inverse_depth is None or found.weights is None:
        return None
    usable = np.isfinite(found.inverse_depth)
    measured = found.inverse_depth[usable]
    columns, rows = np.rint(found.visible[usable]).astype(int).T
    assumed = plane_inverse_depth(mapping.rig, mapping.plane, shift)[rows, columns]
    start = float(np.median(assumed / measured))
    if not start > 0:
        return None
    blocks, seen = found.thermal[usable], found.visible[usable]
    plane_px = float(np.nanmedian(np.hypot(*(blocks - mapping.to_thermal(seen)).T)))
    return DepthMatches(blocks, seen, measured, found.weights[usable], shift, start, plane_px)


def pair_scale(rig: RigModel, matches: DepthMatches) -> tuple[float, float, float]:
    """The distance of the cameras by one pair, m, its standard deviation as a fraction, and what it leaves.

    The last is the median distance of the matches from where depth has them, thermal pixels.

    Args:
        rig: of unit scale.
        matches: of the pair.
    """
    places = _places(rig, matches)
    log_metres, nudge = float(np.log(matches.start)), 1e-3
    for _ in range(_STEPS):
        here = places(log_metres)
        left, along = matches.thermal - here, (places(log_metres + nudge) - here) / nudge
        left, along = (np.where(np.isfinite(here + along), each, 0.0) for each in (left, along))
        gaps = np.hypot(*left.T)
        weights = matches.weights / np.maximum(1.0, gaps / EDGE_SOFT_PX)
        information = float((weights[:, None] * along * along).sum()) + 1e-12
        step = float((weights[:, None] * along * left).sum()) / information
        log_metres += float(np.clip(step, -_LONGEST, _LONGEST))
        if abs(step) < _STILL:
            break
    variance = float((weights * gaps * gaps).sum() / weights.sum()) / 2  # of a coordinate
    deviation = float(np.sqrt(variance * weights.mean() / information))
    return float(np.exp(log_metres)), deviation, float(np.median(gaps))


def left_by_depth_px(rig: RigModel, matches: DepthMatches) -> float:
    """Median distance of a pair's matches from where depth has them, thermal pixels.

    Args:
        rig: in metres.
        matches: of the pair.
    """
    gaps = np.hypot(*(matches.thermal - _places(rig, matches)(0.0)).T)
    return float(np.median(np.where(np.isfinite(gaps), gaps, np.inf)))


def contradiction(left_px: Sequence[tuple[float, float]]) -> str | None:
    """What is wrong with depth if it leaves more between edges than pairs' planes do; None if it does not.

    Args:
        left_px: of each pair, what depth leaves, see `left_by_depth_px`, and what its plane leaves.
    """
    if not left_px:
        return None
    by_depth, by_plane = np.median(left_px, axis=0)
    if not by_depth > by_plane + _WORSE_PX:
        return None
    return (
        f"depth: edges are {by_depth:.1f} px from where it has them, and {by_plane:.1f} px from each pair's "
        "plane, which maps pairs instead; check its unit, that it is of this camera, and the distance of the "
        "cameras (baseline_m, the rig's file)"
    )


def _places(rig: RigModel, matches: DepthMatches) -> Callable[[float], Float64]:
    """Where depth has matches in the thermal image, by the logarithm of the metres of one unit of the rig."""
    back = rig.T_visible_thermal.inverse()
    rays = rig.visible.unproject(matches.visible)
    rays[:, :2] -= matches.shift
    rays = rays @ back.rotation.T

    def places(log_metres: float) -> Float64:
        depths = matches.inverse_depth * np.exp(log_metres)
        return rig.thermal.project(rays + depths[:, None] * back.translation)

    return places


class ScaleEstimate:
    """The distance of a rig's cameras by the depth of its pairs, in bounded memory."""

    def __init__(self, most: int = MOST) -> None:
        """Keep the matches of at most so many pairs, the latest ones."""
        self._kept: deque[DepthMatches] = deque(maxlen=most)
        self._found: deque[tuple[float, float, float]] = deque(maxlen=most)  # `pair_scale`, by the rig
        self._rig: RigModel | None = None

    def add(self, matches: DepthMatches) -> None:
        """Add a pair."""
        self._kept.append(matches)
        if self._rig is not None:
            self._found.append(pair_scale(self._rig, matches))

    @property
    def pairs(self) -> int:
        """Number of pairs that are kept."""
        return len(self._kept)

    def scale(self, rig: RigModel) -> Scale | None:
        """The scale of a rig of unit scale; None with too few pairs."""
        if len(self._kept) < MIN_DEPTHS:
            return None
        if rig is not self._rig:
            self._rig = rig
            self._found.clear()
            self._found.extend(pair_scale(rig, matches) for matches in self._kept)
        metres, deviations, left_px = np.array(self._found).T
        by_planes_px = np.median([each.plane_px for each in self._kept])
        if np.median(left_px) > _EXPLAINED * by_planes_px:
            return Scale(float(np.median(metres)), np.inf, np.inf, len(metres))
        logarithms = np.log(metres)
        middle = float(np.median(logarithms))
        scatter = 1.4826 * float(np.median(np.abs(logarithms - middle)))
        # The median's deviation is 1.25 times that of a mean; a few pairs may agree by chance.
        chance = max(1.2533 * scatter, float(np.median(deviations))) / np.sqrt(len(metres))
        parallax = hypot(chance, SYSTEMATIC)
        focal = 0.0 if rig.covariance is None else float(np.sqrt(rig.covariance[1, 1]))
        return Scale(float(np.exp(middle)), hypot(parallax, focal), parallax, len(metres))
