"""Homographies between the two cameras, and their robust estimation from correspondences.

A homography maps thermal pixels to visible pixels. Sizes are (height, width), as in ``array.shape``. Lengths
called *reference pixels* are pixels of a visible image scaled to 640 columns, so that thresholds do not
depend on the camera's resolution. A *unit* homography maps normalised thermal coordinates (centred, left and
right edge at -1 and 1) to reference pixels relative to the visible image's centre; its last element is 1. It
is well conditioned at every resolution.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

Float64 = NDArray[np.float64]
Points = NDArray[np.float32] | NDArray[np.float64]
Size = tuple[int, int]

REFERENCE_WIDTH = 640


def check_homography(matrix: Any, name: str, remedy: str) -> Float64:
    """A caller's homography, if it is one.

    Args:
        matrix: what was passed.
        name: name of the argument in errors.
        remedy: remedy in errors.

    Returns:
        float64 (3, 3).

    Raises:
        DistillMatchError: it is no plain array of 3x3 finite numbers, or has no inverse.
    """
    plain = isinstance(matrix, np.ndarray) and not isinstance(matrix, np.matrix)
    if not plain or matrix.shape != (3, 3) or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        raise DistillMatchError(f"{name}: not a 3x3 array of finite numbers; {remedy}")
    found = np.asarray(matrix, np.float64)
    if np.linalg.matrix_rank(found) < 3:
        raise DistillMatchError(f"{name}: maps all points to a line, it has no inverse; {remedy}")
    return found


def as_numbers(value: Any, shape: tuple[int, ...], name: str, remedy: str) -> Float64:
    """A caller's array, if it is one of finite or other real numbers.

    Args:
        value: what was passed.
        shape: its shape; -1 is any length.
        name: name of the argument in errors.
        remedy: remedy in errors.

    Returns:
        float64 of this shape.

    Raises:
        DistillMatchError: it has another shape, or holds no real numbers.
    """
    try:
        found = np.asarray(value)
    except ValueError:  # rows of several lengths
        found = np.empty(0, np.object_)
    lengths = tuple(-1 if asked == -1 else length for asked, length in zip(shape, found.shape, strict=False))
    if found.ndim != len(shape) or lengths != shape or found.dtype.kind not in "fiu":
        raise DistillMatchError(f"{name}: {value!r:.60} is none; {remedy}")
    return np.asarray(found, np.float64)


def transform(homography: Float64, points: Points) -> Float64:
    """Map points by a homography.

    Args:
        homography: (3, 3).
        points: (N, 2), x and y.

    Returns:
        float64 (N, 2); infinite or NaN for points that are mapped to infinity or are not finite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        mapped = np.asarray(points, np.float64) @ homography[:, :2].T + homography[:, 2]
        return mapped[:, :2] / mapped[:, 2:]


def inverse(homography: Float64) -> Float64:
    """The inverse homography, float64 (3, 3), scaled so that its last element is 1."""
    back: Float64 = np.asarray(np.linalg.inv(homography), np.float64)
    back /= back[2, 2]
    return back


def jacobian(homography: Float64, point: tuple[float, float]) -> Float64:
    """Derivative of the mapped point by the point, float64 (2, 2); rows are x and y of the mapped point."""
    x, y, w = homography @ (*point, 1.0)
    derivative: Float64 = (homography[:2, :2] - np.outer((x / w, y / w), homography[2, :2])) / w
    return derivative


def resize_matrix(source: Size, target: Size) -> Float64:
    """The (3, 3) map from pixels of an image of size ``source`` to pixels of it resized to ``target``."""
    scale_y, scale_x = target[0] / source[0], target[1] / source[1]
    return np.array([[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2], [0, 0, 1]])


def corners(size: Size) -> Float64:
    """Outer corners of an image, float64 (4, 2), clockwise from top left, 0.5 px beyond pixel centres."""
    height, width = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5


def border(size: Size, steps: int = 16) -> Float64:
    """The edge of an image through its `corners`, clockwise, ``steps`` points a side, float64 (4 * steps, 2).

    Lenses bend straight sides: what shows where an image lies in another one maps these.
    """
    ends = corners(size)
    along = np.arange(steps)[:, None] / steps
    sides = [one + along * (other - one) for one, other in zip(ends, np.roll(ends, -1, axis=0), strict=True)]
    return np.concatenate(sides)


def from_corners(places: Float64, thermal: Size, visible: Size) -> Float64:
    """The homography that maps the `corners` of the thermal image to ``places``, (4, 2) visible pixels."""
    source, target = transform(to_unit(thermal), corners(thermal)), transform(to_reference(visible), places)
    design = np.zeros((4, 2, 8))
    design[:, 0, 0:2] = design[:, 1, 3:5] = source
    design[:, 0, 2] = design[:, 1, 5] = 1
    design[:, :, 6:8] = -target[:, :, None] * source[:, None]
    unit = np.append(np.linalg.solve(design.reshape(8, 8), target.ravel()), 1.0).reshape(3, 3)
    homography: Float64 = np.linalg.inv(to_reference(visible)) @ unit @ to_unit(thermal)
    homography /= homography[2, 2]
    return homography


def corner_error(homography: Float64, truth: Float64, thermal: Size, visible: Size) -> float:
    """Distance between two homographies: the corner error of all figures of this package.

    Args:
        homography: float64 (3, 3), thermal to visible pixels.
        truth: the reference homography, float64 (3, 3).
        thermal: size of the thermal image.
        visible: size of the visible image.

    Returns:
        Mean distance between the outer `corners` of the thermal image as mapped by the two, reference pixels;
        infinite if a corner is mapped to infinity.
    """
    return point_error(homography, truth, corners(thermal), visible)


def point_error(homography: Float64, truth: Float64, points: Float64, visible: Size) -> float:
    """`corner_error` at other points than the corners: float64 (N, 2), thermal pixels."""
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = transform(homography, points) - transform(truth, points)
        error = float(np.hypot(*gaps.T).mean()) * REFERENCE_WIDTH / visible[1]
    return error if np.isfinite(error) else np.inf


def to_unit(thermal: Size) -> Float64:
    """The (3, 3) map from thermal pixels to normalised (unit) coordinates."""
    height, width = thermal
    return np.array([[2 / width, 0, 1 / width - 1], [0, 2 / width, (1 - height) / width], [0, 0, 1]])


def to_reference(visible: Size) -> Float64:
    """The (3, 3) map from visible pixels to reference pixels relative to the image's centre."""
    return np.diag([REFERENCE_WIDTH / 2, REFERENCE_WIDTH / 2, 1.0]) @ to_unit(visible)


def fit(source: Float64, target: Float64, inlier_px: float) -> Float64 | None:
    """Fit a unit homography robustly: MAGSAC++, then Gauss-Newton with Cauchy weights.

    The Cauchy weights include matches beyond the inlier threshold. Compared with MAGSAC++ alone that lowers
    the median corner error by a third on heavy-tailed synthetic matches (half of them outliers), and the 95th
    percentile from 5.5 to 3.3 px at 4 px of noise; on clean Gaussian matches the two are equal.

    Args:
        source: (N, 2) in unit coordinates, N >= 4.
        target: (N, 2) reference pixels.
        inlier_px: reprojection error up to which a correspondence is an inlier, reference pixels.

    Returns:
        (3, 3), or None if no finite model fits. Equal input gives equal output.
    """
    found, _ = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, inlier_px, maxIters=5000, confidence=0.9999
    )
    if found is None or not np.isfinite(found).all() or abs(found[2, 2]) < 1e-9 * np.abs(found).max():
        return None
    unit: Float64 = found / found[2, 2]
    for _ in range(5):
        near = errors(unit, source, target) < 3 * inlier_px
        mapped, derivative = linearise(unit, source[near])
        residuals = target[near] - mapped
        weights = 1 / (1 + (residuals**2).sum(axis=1) / (inlier_px / 2) ** 2)
        weighted = (derivative * weights[:, None, None]).reshape(-1, 8)
        try:
            step = np.linalg.solve(weighted.T @ derivative.reshape(-1, 8), weighted.T @ residuals.ravel())
        except np.linalg.LinAlgError:  # fewer than four distinct points: the system is singular
            break
        unit = unit + np.append(step, 0.0).reshape(3, 3)
    return unit


def errors(homography: Float64, source: Float64, target: Float64) -> Float64:
    """Distance of each mapped source point from its target, (N,), in the target's unit."""
    gaps = target - transform(homography, source)
    return np.hypot(gaps[:, 0], gaps[:, 1])


def linearise(unit: Float64, source: Float64) -> tuple[Float64, Float64]:
    """Mapped points (N, 2), and their derivatives (N, 2, 8) by the first eight elements; the last stays 1."""
    homogeneous = np.column_stack([source, np.ones(len(source))])
    homogeneous /= homogeneous @ unit[2, :, None]
    mapped = homogeneous @ unit[:2].T
    derivative = np.zeros((len(source), 2, 8))
    derivative[:, 0, 0:3] = homogeneous
    derivative[:, 1, 3:6] = homogeneous
    derivative[:, :, 6:8] = -mapped[:, :, None] * homogeneous[:, None, :2]
    return mapped, derivative
