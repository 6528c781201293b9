"""Follows a mount that has turned a little since its rig was learned: passes then lie off the rig alike.

A single pass is off in its own way, and a pair's depth explains most of a turn up, down or aside. What it
does not explain, such as a turn about the axis, is the same in every pass.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.learning import KnownRig, LearnedRig, Observation, learn
from distillmatch_ros.rig.quality import left_px

PASSES, LATEST = 12, 8
"""Passes that tell a drift, and the latest of them, from which the pose is learned anew."""
DRIFT_PX = 2.5
"""Least offset of the thermal corners, median over the passes, reference pixels: 0.4 for a right rig of real
lenses, 3.9 for one that is turned by a degree about the axis, where its corners are 5.3 px off."""

_ALIKE = 0.8  # fraction of the passes that have to lie on the same side, by half the median or more
_BETTER = 0.8  # fraction of the latest passes whose edges have to fit better
_LEAST_INLIERS, _SOFT_PX, _ROUNDS = 16, 1.0, 4  # of a pass: to be counted; its fit in reference pixels
_CORNERS = np.array([[1, -1, -1], [1, 1, -1], [1, 1, 1], [1, -1, 1.0]])  # 1, x and y in half sizes


class Drift:
    """How the latest passes lie beside a rig."""

    def __init__(self) -> None:
        """Start without passes."""
        self._latest: deque[Float64] = deque(maxlen=PASSES)

    def add(self, mapping: ImageMapping, found: Registration) -> None:
        """Add a pass over a pair that the rig maps so."""
        beside = _beside(mapping, found)
        if beside is not None:
            self._latest.append(beside)

    def follow(self, rig: LearnedRig, kept: Sequence[Observation]) -> tuple[LearnedRig, float] | None:
        """The rig with another pose, and by how much it turned, reference px; None if nothing asks for that.

        Args:
            rig: what the passes lie beside.
            kept: pairs of the passes, in the order of time.
        """
        offset = self._offset_px()
        if offset is None:
            return None
        self._latest.clear()
        turned = _turned(rig, kept[-LATEST:])
        return None if turned is None else (turned, offset)

    def _offset_px(self) -> float | None:
        """Mean length of the corners' offsets, reference pixels; None unless passes lie off alike."""
        if len(self._latest) < PASSES:
            return None
        passes = np.array(self._latest)
        middle = np.median(passes, axis=0)
        offset = float(np.hypot(*middle.T).mean())
        along = (passes * middle).sum(axis=(1, 2)) / max(float((middle**2).sum()), 1e-9)
        return offset if offset > DRIFT_PX and np.mean(along > 0.5) >= _ALIKE else None


def _beside(mapping: ImageMapping, found: Registration) -> Float64 | None:
    """Where a pass has the thermal corners beside a mapping, (4, 2) reference px; None with few inliers.

    By the affine map that comes closest to what separates its inliers from it.
    """
    thermal = found.thermal_points[found.inliers]
    gaps = (found.visible_points[found.inliers] - mapping.to_visible(thermal)) * (
        REFERENCE_WIDTH / mapping.visible_size[1]
    )
    known = np.isfinite(gaps).all(axis=1)
    if known.sum() < _LEAST_INLIERS:
        return None
    half = np.array(mapping.thermal_size[::-1]) / 2
    places = np.column_stack([np.ones(known.sum()), thermal[known] / half - 1])
    weights = np.ones((len(places), 1))
    for _ in range(_ROUNDS):  # nearly the least sum of lengths: wrong matches count little
        affine = np.linalg.lstsq(places * weights, gaps[known] * weights, rcond=None)[0]
        left = np.hypot(*(gaps[known] - places @ affine).T)
        weights = 1 / np.sqrt(np.maximum(left, _SOFT_PX))[:, None]
    beside: Float64 = _CORNERS @ affine
    return beside


def _turned(rig: LearnedRig, latest: Sequence[Observation]) -> LearnedRig | None:
    """The rig with the pose of the latest passes; None if it leaves no less between their edges.

    Its lenses, and the distance of its cameras, stay.
    """
    model = rig.model
    try:
        found = learn(latest, model.thermal, model.visible, rig.shifted, KnownRig(model, fixed=False))
        found = found.with_baseline(float(np.linalg.norm(model.T_visible_thermal.translation)))
        better = [left_px(each, found.register(each)) < left_px(each, rig.register(each)) for each in latest]
    except DistillMatchError:  # no camera sees a plane where the fit went
        return None
    if np.mean(better) < _BETTER:
        return None
    spread = None  # that of the lenses, and that of the new pose
    if model.covariance is not None and found.model.covariance is not None:
        spread = model.covariance + found.model.covariance
    turned = replace(model, T_visible_thermal=found.model.T_visible_thermal, covariance=spread)
    (low, high), (far, near) = rig.inverse_depths, found.inverse_depths
    return replace(rig, model=turned, inverse_depths=(min(low, far), max(high, near)))
