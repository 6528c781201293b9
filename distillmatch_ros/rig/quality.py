"""How well one mapping, or one rig, agrees with all pairs of a drive, not with a selection of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.registration.probability import RIGHT_PX
from distillmatch_ros.rig.edges import edge_matches
from distillmatch_ros.rig.estimation import FrameMatches, fit_own
from distillmatch_ros.rig.learning import LearnedRig, Observation

_AT_ONCE = 500  # frames, so that memory stays bounded


@dataclass(frozen=True)
class Agreement:
    """Each pair's own inliers against the mapping: the median distance of a pair, reference pixels.

    Attributes:
        pairs: number of pairs with a homography of their own; only they can tell.
        rejected: number of those without one.
        median_px: of the pairs' distances.
        p95_px: their 95th percentile.
        beyond: fraction of pairs beyond the limit.
        limit_px: `RIGHT_PX`.
    """

    pairs: int
    rejected: int
    median_px: float
    p95_px: float
    beyond: float
    limit_px: float = RIGHT_PX

    @classmethod
    def of(cls, distances: Float64, rejected: int) -> "Agreement":
        """Of pairs' distances, (N,) reference pixels; N > 0."""
        median, p95 = np.percentile(distances, (50, 95)).tolist()
        return cls(len(distances), rejected, median, p95, float((distances > RIGHT_PX).mean()))


def distances_from(mapping: ImageMapping | LearnedRig, pairs: Sequence[FrameMatches]) -> Float64:
    """Median distance of each pair's matches from where a mapping takes them.

    Args:
        mapping: one for all pairs, or a rig, which takes each pair at its own depth.
        pairs: the inliers of each pair.

    Returns:
        (N,), reference pixels; infinite where the mapping shows nothing.
    """
    if not isinstance(mapping, LearnedRig):
        return np.array([distance_px(mapping, pair) for pair in pairs])
    model, own = mapping.model, _own(mapping, pairs)
    return np.array(
        [distance_px(model.on_plane(each[:3], each[3:]), pair) for pair, each in zip(pairs, own, strict=True)]
    )


def inverse_depths(rig: LearnedRig, pairs: Sequence[FrameMatches]) -> list[float]:
    """The inverse depth at which a rig maps each pair, by its matches."""
    return [float(each[2]) for each in _own(rig, pairs)]


def _own(rig: LearnedRig, pairs: Sequence[FrameMatches]) -> Float64:
    """What each pair adds to a rig, (N, 5); see `fit_own`."""
    numbers = 5 if rig.shifted else 1
    parts = [
        fit_own(rig.model, pairs[first : first + _AT_ONCE], numbers)
        for first in range(0, len(pairs), _AT_ONCE)
    ]
    return np.concatenate([np.zeros((0, 5)), *parts])


def distance_px(mapping: ImageMapping, pair: FrameMatches) -> float:
    """Median distance of matches from where a mapping takes them, reference px; infinite if none is seen."""
    gaps: NDArray[np.float64] = np.hypot(*(pair.visible - mapping.to_visible(pair.thermal)).T)
    gaps = gaps[np.isfinite(gaps)]
    return float(np.median(gaps)) * REFERENCE_WIDTH / mapping.visible_size[1] if len(gaps) else np.inf


def left_px(pair: Observation, mapping: ImageMapping) -> float:
    """Shift that is left between a pair's blocks of edges, reference pixels; infinite if none is clear."""
    return distance_px(mapping, edge_matches(pair.visible, pair.thermal, mapping))


def excess_px(mapping: ImageMapping, own: ImageMapping, pair: FrameMatches) -> float:
    """What a mapping adds to the distances of a pair's matches from its own one, in quadrature, reference px.

    NaN if neither shows a match.
    """
    ours, theirs = distance_px(mapping, pair), distance_px(own, pair)
    return sqrt(max(0.0, ours**2 - theirs**2)) if np.isfinite(theirs) else np.nan
