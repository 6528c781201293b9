"""Detects parts of an image that show no scene: bars, frames, telemetry, borders without data, dead lines."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.crop import Crop
from distillmatch_ros.images.orientation import UPRIGHT, Orientation

_TOLERANCE = 0.012
"""Deviation from the level within a bar due to compression, fraction of the image's value range."""
_QUIET, _LOUD = 0.02, 0.35
"""Fraction of a line's pixels that differ from the bar: at most in a bar, at least in the picture beside."""
_CLEAR, _STEP = 0.03, 3
"""Least difference to the lines beside a bar or dead line (fraction of value range), within so many lines."""
_SOFT = 8
"""Lines between bar and picture that compression may blur; a wider transition belongs to the scene."""
_LEAST = 0.4
"""Least fraction of each side that must remain; otherwise the uniform area belongs to the scene."""
_FRAMES = 3
"""Greatest number of nested frames that are searched for."""
_LEAST_AREA = 0.01
"""Fraction of the image below which corners without data are ignored."""


def find_crop(grey: NDArray[Any], orientation: Orientation = UPRIGHT) -> Crop:
    """Find the picture in an image of one channel.

    For an ordinary image, which is all picture, the cost is negligible: only uniform lines at the border are
    followed inwards, and only uniform corners are flood-filled.

    Args:
        grey: (H, W), values as the camera sent them, upright.
        orientation: orientation that made it upright.
    """
    height, width = grey.shape
    rows, columns = (0, height), (0, width)
    for _ in range(_FRAMES):
        inner = grey[slice(*rows), slice(*columns)]
        top, bottom = _bars(inner)
        left, right = _bars(inner[top : len(inner) - bottom].T)
        if not (top or bottom or left or right):
            break
        within = (rows[0] + top, rows[1] - bottom), (columns[0] + left, columns[1] - right)
        inner = grey[slice(*within[0]), slice(*within[1])]
        if inner.size and inner.min() == inner.max():
            break
        if within[0][1] - within[0][0] < _LEAST * height or within[1][1] - within[1][0] < _LEAST * width:
            break
        rows, columns = within
    missing = _missing(grey[slice(*rows), slice(*columns)])
    return Crop(orientation.upright_size((height, width)), rows, columns, missing, orientation)


def _bars(image: NDArray[Any]) -> tuple[int, int]:
    """Numbers of rows at the top and at the bottom that belong to a bar."""
    if min(image.shape) < 4:
        return 0, 0
    top = _bar(image)
    return top, _bar(image[top:][::-1])


def _bar(image: NDArray[Any]) -> int:
    """Number of rows at the top that belong to a bar."""
    first = image[0]
    level = _middle(first)
    low, high = _extremes(image)
    span = high - low
    # Compression disturbs only black or white bars; a bar of another level must be exact, or it is scene.
    extreme = min(level - low, high - level) <= _TOLERANCE * span
    tolerance = _TOLERANCE * span if extreme else 0.0
    if _differing(first[None], level, tolerance)[0] > _QUIET:
        return 0
    differing = _differing(image, level, tolerance)
    loud = np.flatnonzero(differing >= _LOUD)
    if not loud.size:
        return 0
    start = int(loud[0])
    beside = image[start : start + _STEP]
    if not (_differing(beside, level, _CLEAR * span) >= _LOUD).any():
        return 0
    quiet = int(np.count_nonzero(differing[:start] <= _QUIET))
    return start if quiet >= max(1, start - _SOFT) else 0


def _middle(values: NDArray[Any]) -> float:
    """Lower median: always one of the values, so that no sum overflows; NaN without finite values."""
    values = values[~np.isnan(values)]
    if not np.isfinite(values).any():
        return np.nan
    middle = (len(values) - 1) // 2
    return float(np.partition(values, middle)[middle])


def _extremes(image: NDArray[Any]) -> tuple[float, float]:
    stride = max(1, min(image.shape) // 64)
    samples = image[::stride, ::stride]
    samples = samples[np.isfinite(samples)]
    return (float(samples.min()), float(samples.max())) if samples.size else (0.0, 0.0)


def _differing(image: NDArray[Any], level: float, tolerance: float) -> NDArray[np.float64]:
    """Fraction of each row's pixels that differ from a level; NaN is a level too."""
    if np.isnan(level):
        finite: NDArray[np.float64] = np.isfinite(image).mean(axis=1)
        return finite
    # As float64: Python numbers would be cast to the image's type, and may be out of its range.
    low, high = np.float64(level - tolerance), np.float64(level + tolerance)
    same = image == level if tolerance == 0 else (image >= low) & (image <= high)
    differing: NDArray[np.float64] = 1 - same.mean(axis=1)
    return differing


def _missing(grey: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Pixels without data, or None: not finite, in dead rows or columns, or in uniform corners."""
    missing = np.zeros(grey.shape, np.bool_)
    if grey.dtype.kind == "f":
        missing |= ~np.isfinite(grey)
    missing[:, _dead_rows(grey.T)] = True
    missing[_dead_rows(grey)] = True
    if missing.all():
        return None  # a uniform image, not one without data
    corners = _corners(grey)
    if corners is not None:
        missing |= corners
    return missing if missing.any() else None


def _dead_rows(grey: NDArray[Any]) -> NDArray[np.intp]:
    """Uniform rows that differ clearly from the rows beside them; a saturated sky does not."""
    even = np.flatnonzero(grey[:, 0] == grey[:, -1])  # a cheap test that excludes most rows
    dead = even[(grey[even] == grey[even, :1]).mean(axis=1) >= 1 - _QUIET]  # dead columns may cross it
    runs = np.split(dead, np.flatnonzero(np.diff(dead) > 1) + 1) if dead.size else []
    kept = [run for run in runs if _stands_out(grey, int(run[0]), int(run[-1]))]
    return np.concatenate(kept) if kept else dead[:0]


def _stands_out(grey: NDArray[Any], first: int, last: int) -> bool:
    beside = [row for row in (first - 1, last + 1) if 0 <= row < len(grey)]
    level, (low, high) = float(grey[first, 0]), _extremes(grey)
    clear = _CLEAR * (high - low)
    return bool(beside) and all(_differing(grey[row][None], level, clear)[0] >= _LOUD for row in beside)


def _corners(grey: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Regions outside a rectified or round picture: one value in all four corners, connected to them."""
    level = grey[0, 0]
    if not (grey[0, -1] == level and grey[-1, 0] == level and grey[-1, -1] == level):
        return None
    if not (level == grey.min() or level == grey.max()):
        return None
    same = (grey == level).astype(np.uint8)
    count, labels = cv2.connectedComponents(same, connectivity=4)
    at_corners = np.zeros(count, np.bool_)
    at_corners[[labels[0, 0], labels[0, -1], labels[-1, 0], labels[-1, -1]]] = True
    found: NDArray[np.bool_] = at_corners[labels] & same.astype(np.bool_)
    return found if _LEAST_AREA <= found.mean() <= 1 - _LEAST else None
