"""Whether the intrinsics of a CameraInfo can be those of its images: drivers and files get them wrong."""

from typing import Any

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, Size

FOCAL = (0.1, 200.0)
"""Least and greatest focal length, of the longer side: from fisheye to tele lenses."""
ASPECT = 2.5
"""Greatest ratio of the two focal lengths: pixels of half-height fields have 2."""
OFF_CENTRE = 1 / 6
"""How far from the middle a principal point makes one look for another resolution, of either side."""
SAME_RATIO = 0.15
"""Relative difference up to which both coordinates of a principal point tell one other resolution."""
AGREEMENT = 0.05
"""Relative difference of K and P, in focal length and principal point, that rounding explains."""

_INSTEAD = "or do without undistort"


def check_intrinsics(matrix: Float64, full: Size, binned: Size) -> None:
    """Reject a camera matrix that cannot be that of a sensor's images.

    Args:
        matrix: (3, 3), camera matrix K as published, whose focal lengths are positive.
        full: (height, width) of the whole sensor's images.
        binned: the same after binning, which K must not contain.

    Raises:
        DistillMatchError: what is wrong, and what to publish.
    """
    height, width = full
    size = f"{width}x{height}"
    focal, point = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    if matrix[2, :2].any():
        raise DistillMatchError(
            "camera_info: K is written column by column; write it row by row, fx 0 cx 0 fy cy 0 0 1, "
            f"{_INSTEAD}"
        )
    if not FOCAL[0] * max(full) < focal.max() < FOCAL[1] * max(full):
        raise DistillMatchError(
            f"camera_info: a focal length of {focal.max():g} px is none for images of {size}; publish K "
            f"in pixels of the images, {_INSTEAD}"
        )
    if focal.max() > ASPECT * focal.min():
        raise DistillMatchError(
            f"camera_info: the focal lengths {focal[0]:g} and {focal[1]:g} px differ too much; calibrate the "
            f"camera again, {_INSTEAD}"
        )
    if _is_middle(point, binned) and not _is_middle(point, full):
        raise DistillMatchError(
            "camera_info: K belongs to the binned images already: its principal point is the middle of "
            f"{binned[1]}x{binned[0]} pixels, not of the sensor's {size}; publish K for the "
            f"full sensor, or binning 0 with the size of the images, {_INSTEAD}"
        )
    ratios = 2 * point / (width, height)
    if _is_other_resolution(ratios):
        other = np.rint(ratios.mean() * np.array([width, height])).astype(int)
        raise DistillMatchError(
            f"camera_info: K belongs to images of another resolution: its principal point is the middle of "
            f"about {other[0]}x{other[1]} pixels, not of {size}; scale K to the images, {_INSTEAD}"
        )
    if not ((ratios >= 0) & (ratios <= 2)).all():
        raise DistillMatchError(
            f"camera_info: the principal point ({point[0]:g}, {point[1]:g}) lies outside the images of "
            f"{size}; correct K, {_INSTEAD}"
        )


def check_projection(info: Any, matrix: Float64) -> None:
    """Reject a P that contradicts K where nothing explains it: no distortion and no rectifying rotation.

    Args:
        info: CameraInfo without distortion.
        matrix: (3, 3), its K.

    Raises:
        DistillMatchError: they differ.
    """
    projection = np.array(info.p, np.float64).reshape(3, 4)[:, :3]
    rotation = np.array(info.r, np.float64).reshape(3, 3)
    known = projection[0, 0] > 0 and np.isfinite(projection).all()
    if not known or (rotation.any() and not np.allclose(rotation, np.eye(3), atol=1e-6)):
        return
    apart = np.abs(projection - matrix)[:2] / np.abs(matrix[:2]).max(axis=1, keepdims=True)
    if apart.max() > AGREEMENT:
        raise DistillMatchError(
            f"camera_info: K and P contradict each other, focal lengths {matrix[0, 0]:g} and "
            f"{projection[0, 0]:g} px, without distortion or rotation between them; publish "
            f"one calibration, {_INSTEAD}"
        )


def check_reach(reach: float, matrix: Float64, size: Size) -> None:
    """Reject a distortion that folds the image back near its middle.

    Args:
        reach: greatest distance from the optical axis at which the lens shows a point, focal lengths.
        matrix: (3, 3), camera matrix of the images.
        size: (height, width) of the images.

    Raises:
        DistillMatchError: it folds within a quarter of the image's shorter side.
    """
    radius = reach * float(matrix[[0, 1], [0, 1]].min())
    if radius < min(size) / 4:
        raise DistillMatchError(
            f"camera_info: the distortion folds the image back {radius:.0f} px from its middle; calibrate "
            f"the camera again, {_INSTEAD}"
        )


def _is_middle(point: Float64, size: Size) -> bool:
    """Whether a principal point (x, y) lies in the middle third of an image."""
    return bool((np.abs(point / size[::-1] - 0.5) < OFF_CENTRE).all())


def _is_other_resolution(ratios: Float64) -> bool:
    """Whether twice the principal point's fraction of both sides tells one scale other than 1."""
    alike = ratios.min() > 0 and ratios.max() < (1 + SAME_RATIO) * ratios.min()
    return bool(alike and abs(ratios.mean() - 1) > 2 * OFF_CENTRE)
