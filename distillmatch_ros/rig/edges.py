"""Matches from edges: where blocks of the thermal image's edges lie in the visible image, near a mapping.

The network's matches are accurate to a few pixels each; edges to a fraction of one. Edges are described as in
registration/alignment.py, by direction without sign. Each block of the thermal image is searched within a few
pixels of where a mapping expects it, and found where the edges correlate clearly. Blocks near the border
are left out: they would be found inwards only.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Size, resize_matrix, transform
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.geometry.warping import resize
from distillmatch_ros.registration.alignment import Float32, PyramidLevel, edges_of
from distillmatch_ros.rig.estimation import FrameMatches

_COLUMNS = 480  # pixels across the thermal image at which edges are compared
_SMOOTHING, _SURROUNDINGS = 1.0, 31
_BLOCK, _STEP = 64, 32  # side of a block, and distance between blocks, of those pixels
_RIM = np.ones((9, 9), np.uint8)
_CLEAR = 0.25  # least correlation of a block with its place
_ROUND = 0.1  # least `_roundness`: edges that all run one way do not tell where along them a block lies


def edge_matches(
    visible: NDArray[np.uint8], thermal: NDArray[np.uint8], mapping: ImageMapping, reach: int = 8
) -> FrameMatches:
    """Match blocks of edges.

    Args:
        visible: uint8 (H, W), grey.
        thermal: uint8 (H, W), grey.
        mapping: expected to be off by less than the reach.
        reach: greatest shift, in 480ths of the thermal image's width.

    Returns:
        Centres of the thermal image's blocks, their places in the visible image, and their correlations as
        weights. There may be none.
    """
    height, width = thermal.shape
    level = PyramidLevel((round(_COLUMNS * height / width), _COLUMNS), _SMOOTHING, _SURROUNDINGS, 0)
    own = edges_of(resize(thermal, level.size), level)
    seen = edges_of(resize(mapping.warp_visible(visible), level.size), level)
    seen = within_view(seen, resize(mapping.thermal_mask.view(np.uint8), level.size))
    centres, shifts, peaks = _search(own, seen, reach)
    to_thermal = resize_matrix(level.size, (height, width))
    places = mapping.to_visible(transform(to_thermal, centres + shifts))
    found = np.isfinite(places).all(axis=1)
    return FrameMatches(transform(to_thermal, centres)[found], places[found], peaks[found].astype(np.float64))


def within_view(edges: Float32, covered: NDArray[np.uint8]) -> Float32:
    """Edges (H, W, 2), 0 where an image does not reach, and around: its border would make edges.

    Args:
        edges: of an image that was mapped into another frame.
        covered: uint8 (H, W), 1 where it has pixels.
    """
    inner = cv2.erode(covered, _RIM, borderValue=0)
    return np.asarray(cv2.copyTo(edges, inner), np.float32)


def _search(own: Float32, seen: Float32, reach: int) -> tuple[Float32, Float32, Float32]:
    """Centres (N, 2) of clear blocks, shifts (N, 2) to where they are seen, and their correlations (N,)."""
    size: Size = own.shape[:2]
    energy = cv2.boxFilter((seen**2).sum(axis=-1), -1, (_BLOCK, _BLOCK), normalize=False)
    floor = 0.1 * float(energy.max()) + 1e-6
    found = []
    for top in range(reach, size[0] - _BLOCK - reach + 1, _STEP):
        for left in range(reach, size[1] - _BLOCK - reach + 1, _STEP):
            block = own[top : top + _BLOCK, left : left + _BLOCK]
            around = seen[top - reach : top + _BLOCK + reach, left - reach : left + _BLOCK + reach]
            product = cv2.matchTemplate(around, block, cv2.TM_CCORR)  # summed over both channels
            rows, columns = product.shape
            middle = _BLOCK // 2
            y0, x0 = top - reach + middle, left - reach + middle
            there = energy[y0 : y0 + rows, x0 : x0 + columns]
            strength = float((block**2).sum())
            correlation = product / np.sqrt(np.maximum(there, floor) * max(strength, 0.3 * floor) + 1e-9)
            _, peak, _, (x, y) = cv2.minMaxLoc(correlation)
            if peak < _CLEAR or not (0 < x < columns - 1 and 0 < y < rows - 1):
                continue
            if _roundness(correlation[y - 1 : y + 2, x - 1 : x + 2]) < _ROUND:
                continue
            shift_x = x + _fraction(correlation[y, x - 1 : x + 2]) - reach
            shift_y = y + _fraction(correlation[y - 1 : y + 2, x]) - reach
            centre = left + (_BLOCK - 1) / 2, top + (_BLOCK - 1) / 2
            found.append((*centre, shift_x, shift_y, peak))
    table = np.array(found, np.float32).reshape(-1, 5)
    return table[:, :2], table[:, 2:4], table[:, 4]


def _roundness(peak: Float32) -> float:
    """Curvature of a peak (3, 3) in its flattest direction, relative to that in the steepest."""
    across = 2 * peak[1, 1] - peak[1, 0] - peak[1, 2], 2 * peak[1, 1] - peak[0, 1] - peak[2, 1]
    mixed = (peak[0, 2] + peak[2, 0] - peak[0, 0] - peak[2, 2]) / 4
    mean, half = sum(across) / 2, np.hypot((across[0] - across[1]) / 2, mixed)
    return float((mean - half) / max(mean + half, 1e-9))


def _fraction(values: Float32) -> float:
    """Place of the peak of a parabola through three values, relative to the middle one."""
    before, middle, after = (float(value) for value in values)
    return 0.5 * (before - after) / (before - 2 * middle + after - 1e-12)
