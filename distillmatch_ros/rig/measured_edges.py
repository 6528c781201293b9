"""Matches of edges with measured depth, where it is nearly the same around: edges belong to the nearer."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.edges import edge_matches
from distillmatch_ros.rig.estimation import FrameMatches

_SURROUNDINGS = 0.065  # of the image's width: what a block of edges shows lies in it
_LEVEL = 0.1  # greatest spread of inverse depth in a block's surroundings, as a fraction of it


def measured_edges(
    visible: NDArray[np.uint8], thermal: NDArray[np.uint8], mapping: ImageMapping, inverse_depth: Float32
) -> FrameMatches:
    """Match blocks of edges, with the depth of each where it is known.

    Args:
        visible: uint8 (H, W), grey.
        thermal: uint8 (H, W), grey.
        mapping: see `edge_matches`.
        inverse_depth: float32 (H, W), of the visible pixels, 1 / metre; NaN where unknown.
    """
    return with_depth_at(edge_matches(visible, thermal, mapping), inverse_depth)


def with_depth_at(matches: FrameMatches, inverse_depth: Float32) -> FrameMatches:
    """Matches with the depth that is measured where they are seen; see `measured_edges`."""
    mean, spread = _around(inverse_depth)
    columns, rows = np.rint(matches.visible).astype(int).reshape(-1, 2).T
    inside = (columns >= 0) & (columns < mean.shape[1]) & (rows >= 0) & (rows < mean.shape[0])
    columns, rows = np.where(inside, columns, 0), np.where(inside, rows, 0)
    usable = inside & (spread[rows, columns] < _LEVEL) & (mean[rows, columns] > 0)  # false for NaN
    found: Float64 = np.where(usable, mean[rows, columns].astype(np.float64), np.nan)
    return replace(matches, inverse_depth=found)


def _around(inverse_depth: Float32) -> tuple[Float32, Float32]:
    """Mean of the known values around each pixel, and their relative spread; NaN where few are known."""
    window = (max(3, round(_SURROUNDINGS * inverse_depth.shape[1])),) * 2
    known = np.isfinite(inverse_depth)
    values = np.where(known, inverse_depth, np.float32(0))
    some, mean, square = (
        cv2.blur(each, window) for each in (known.astype(np.float32), values, values * values)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(some > 0.5, mean / some, np.float32(np.nan))
        spread = np.sqrt(np.maximum(square / some - mean * mean, 0)) / mean
    return np.asarray(mean, np.float32), np.asarray(spread, np.float32)
