"""A frame's own inverse depth, found by edges alone: a search in one dimension, without the network.

With the rig known, one number a frame is left. Thermal and visible edges are computed once, the latter in the
thermal frame at a middle depth; other depths move them by less than an edge changes its look.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.geometry.warping import resize
from distillmatch_ros.registration.alignment import Float32, PyramidLevel, edges_of
from distillmatch_ros.rig.dense import interpolate, lattice_rays, project_lattice
from distillmatch_ros.rig.edges import within_view
from distillmatch_ros.rig.model import RigModel

LEVELS = 32
"""Depths of a search."""

_COLUMNS, _SMOOTHING, _SURROUNDINGS = 320, 1.0, 31


class DepthSearch:
    """Correlates the edges of one pair at any inverse depth."""

    def __init__(
        self, rig: RigModel, visible: NDArray[np.uint8], thermal: NDArray[np.uint8], middle: float
    ) -> None:
        """Prepare a pair.

        Args:
            rig: the rig.
            visible: uint8 (H, W), grey.
            thermal: uint8 (H, W), grey.
            middle: an inverse depth in the middle of the search.
        """
        height, width = rig.thermal.size
        level = PyramidLevel((round(_COLUMNS * height / width), _COLUMNS), _SMOOTHING, _SURROUNDINGS, 0)
        mapping = rig.at(middle)
        self._rig = rig
        self._back = np.linalg.inv(mapping.between_rays)
        own = edges_of(resize(thermal, level.size), level)
        # Compared at half the resolution, which suffices for smoothed edges.
        self._own = np.asarray(
            cv2.resize(own, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32
        )
        seen = edges_of(resize(mapping.warp_visible(visible), level.size), level)
        self._seen = within_view(seen, resize(mapping.thermal_mask.view(np.uint8), level.size))

    def correlation(self, inverse_depth: float) -> float:
        """Correlation of the edges on a plane that faces the thermal camera, -1 to 1."""
        rays = lattice_rays(self._rig.thermal)
        between: Float64 = self._back @ self._rig.at(inverse_depth).between_rays
        moved = project_lattice(self._rig.thermal, rays @ between.T)
        scale = self._seen.shape[1] / self._rig.thermal.size[1]
        places = interpolate((moved + 0.5) * scale - 0.5, self._rig.thermal.size, self._own.shape[:2])
        there = cv2.remap(self._seen, places[0], places[1], cv2.INTER_LINEAR)
        return _correlation(self._own, np.asarray(there, np.float32))

    def find(self, low: float, high: float) -> tuple[float, float]:
        """The inverse depth at which edges correlate best, between two, and the correlation there."""
        depths = np.linspace(low, high, LEVELS)
        found = np.array([self.correlation(float(depth)) for depth in depths])
        best = int(found.argmax())
        if not 0 < best < LEVELS - 1:
            return float(depths[best]), float(found[best])
        before, peak, after = found[best - 1 : best + 2]
        fraction = 0.5 * (before - after) / (before - 2 * peak + after - 1e-12)
        return float(depths[best] + fraction * (depths[1] - depths[0])), float(peak)


def _correlation(own: Float32, other: Float32) -> float:
    energy = float(np.einsum("ijk,ijk", own, own)) * float(np.einsum("ijk,ijk", other, other))
    return float(np.einsum("ijk,ijk", own, other) / np.sqrt(max(energy, 1e-18)))
