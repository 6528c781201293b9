"""What is unknown in a depth image, and how uncertain the rest is."""

import numpy as np

from distillmatch_ros.rig.dense import Float32

_BRIDGE = 0.06  # of the image's width, beyond which a hole's rim says nothing about it
_SAME = 0.1  # relative difference of inverse depths that one slanted surface explains
_APART = 4  # pixels between those that the noise is told from


def bridged(inverse_depth: Float32) -> Float32:
    """Close holes along rows, from rim to rim of a surface, else with the farther rim.

    Near things throw the shadows in which stereo and structured light see nothing. The middle of a wide hole
    stays unknown.

    Args:
        inverse_depth: float32 (H, W), NaN where unknown.
    """
    unknown = np.isnan(inverse_depth)
    opens, closes = unknown.copy(), unknown.copy()
    opens[:, 1:] &= ~unknown[:, :-1]
    closes[:, :-1] &= ~unknown[:, 1:]
    first, last = np.flatnonzero(opens), np.flatnonzero(closes)  # pixels of the holes in rows
    if not len(first):
        return inverse_depth
    width, found = inverse_depth.shape[1], inverse_depth.flatten()
    before = np.where(first % width > 0, found[first - 1], np.float32(np.nan))
    after = np.where((last + 1) % width > 0, found[(last + 1) % len(found)], np.float32(np.nan))
    reach = int(_BRIDGE * width)
    left = np.minimum(last + 1 - first, reach)
    right = np.minimum(last + 1 - first - left, reach)
    start, count = np.concatenate([first, last + 1 - right]), np.concatenate([left, right])
    pixels = np.arange(count.sum()) + np.repeat(start - np.cumsum(count) + count, count)
    hole = np.repeat(np.tile(np.arange(len(first)), 2), count)
    gaps = np.stack([pixels - first[hole] + 1, last[hole] + 1 - pixels]).astype(np.float32)
    rims = np.where(gaps <= reach, np.stack([before[hole], after[hole]]), np.float32(np.nan))
    between = (rims[0] * gaps[1] + rims[1] * gaps[0]) / gaps.sum(axis=0)
    one = np.abs(rims[0] - rims[1]) <= _SAME * np.abs(rims).max(axis=0)
    found[pixels] = np.where(one, between, np.fmin(*rims))
    return found.reshape(inverse_depth.shape)


def noise(inverse_depth: Float32) -> float:
    """Standard deviation of an inverse depth's noise, as a fraction: on a plane it is linear in the pixel."""
    some = inverse_depth[:: 4 * _APART, ::_APART]
    columns = np.where(some > 0, some, np.float32(np.nan))  # what is far away is no neighbour of a thing
    before, here, after = columns[:, :-2], columns[:, 1:-1], columns[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        fractions = np.abs(before - 2 * here + after) / np.abs(here)
    fractions = fractions[np.isfinite(fractions)]
    return float(np.median(fractions)) / (0.6745 * np.sqrt(6.0)) if fractions.size else 0.0
