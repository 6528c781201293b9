"""Depth as it comes from cameras and LiDARs, as inverse depth of the visible camera's pixels."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size, as_numbers
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.carrying import NOTHING, carry, closed, pixels_at, z_buffer
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.holes import noise

PLAUSIBLE_M = (0.1, 300.0)
"""Metres between which most of a depth image has to lie."""

_MILLIMETRES, _SATURATED = 1000.0, 65535
_NEAREST_M, _FARTHEST_M = 0.02, 1e4  # what is nearer is no distance; what is farther is far away
_PLAUSIBLE = 0.5  # least fraction of it that does
_NOISIEST = 0.3  # standard deviation of depth, as a fraction; sensors have up to 0.05
_COARSEST = 16  # visible pixels that a pixel of depth may stand for, either way
_ASPECT = 0.01  # relative difference of two images' aspect ratios that rounding explains
_ENOUGH, _FEW = 2000, 100  # pixels whose median is that of all, unless few of them hold a distance
_SPREAD = 0.01  # of the image's width, over which a LiDAR's point stands for its surroundings


def inverse_depth_of(depth: NDArray[Any], name: str = "depth") -> Float32:
    """Inverse depth of a depth image.

    Args:
        depth: (H, W): uint16 in millimetres, where 0 and the greatest value are unknown; or floating point in
            metres (REP 118), where positive infinity is far away, and NaN, negative infinity and what is not
            positive are unknown. What is nearer than 2 cm is unknown too.
        name: what errors call it.

    Returns:
        float32 (H, W), 1 / metre; NaN where unknown.

    Raises:
        DistillMatchError: it is no depth image, its unit is implausible, or it is noise, or one value.
    """
    _check_depth(depth, name)
    with np.errstate(over="ignore"):  # of 64 bits: far away
        metres = depth.astype(np.float32)
    if depth.dtype == np.uint16:
        metres /= np.float32(_MILLIMETRES)
    _check_unit(metres, depth.dtype, name)
    unknown = ~(metres >= _NEAREST_M)  # true for NaN
    if depth.dtype == np.uint16:
        unknown |= depth == _SATURATED
    else:
        np.copyto(metres, np.float32(np.inf), where=metres > _FARTHEST_M)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        inverse = np.reciprocal(metres, out=metres)
    np.copyto(inverse, np.float32(np.nan), where=unknown)
    if (spread := noise(inverse)) > _NOISIEST:
        raise DistillMatchError(
            f"{name}: pixels side by side differ by {spread:.0%}, as bytes in the wrong order do; check the "
            "depth camera and its driver"
        )
    return inverse


def registered(depth: NDArray[Any], visible: Size, name: str = "depth") -> Float32:
    """Inverse depth of a depth image that is registered to the visible one, at any resolution.

    Args:
        depth: see `inverse_depth_of`.
        visible: size of the visible image.
        name: what errors call it.

    Raises:
        DistillMatchError: see `inverse_depth_of`; or it is too coarse, or of another aspect ratio.
    """
    _check_depth(depth, name)
    height, width = depth.shape
    if width * _COARSEST < visible[1]:
        raise DistillMatchError(
            f"{name}: {width}x{height} is too coarse for the visible image of {visible[1]}x{visible[0]}; "
            "give at least a sixteenth of its width"
        )
    if not covers((height, width), visible):
        raise DistillMatchError(
            f"{name}: {width}x{height} does not cover the visible image of {visible[1]}x{visible[0]}; give "
            "depth that is registered to it (node and bags also take the depth camera's calibration and pose)"
        )
    inverse = inverse_depth_of(depth, name)
    if depth.shape == visible:
        return inverse
    return np.asarray(cv2.resize(inverse, visible[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.float32)


def holds_distances(inverse_depth: Float32) -> bool:
    """Whether any pixel's distance is known: NaN is none, nor is what is far away."""
    return bool((inverse_depth > 0).any())


def covers(depth: Size, visible: Size) -> bool:
    """Whether images of these sizes can show the same view: whether their aspect ratios are equal."""
    return abs(depth[1] * visible[0] / (depth[0] * visible[1]) - 1) <= _ASPECT


def from_camera(depth: NDArray[Any], camera: Camera, pose: Pose, visible: Camera) -> Float32:
    """Inverse depth of the visible pixels, from a depth camera of its own.

    Args:
        depth: see `inverse_depth_of`.
        camera: the depth camera.
        pose: takes its frame to the visible camera's; metres.
        visible: the visible camera.

    Raises:
        DistillMatchError: see `inverse_depth_of`, or the image is not of the depth camera's size.
    """
    _check_depth(depth, "depth")
    if depth.shape != camera.size:
        raise DistillMatchError(
            f"depth: {depth.shape[1]}x{depth.shape[0]} differs from the depth camera's calibration, "
            f"{camera.size[1]}x{camera.size[0]}; give the calibration of these images"
        )
    places, carried = carry(inverse_depth_of(depth), camera, pose, visible)
    magnification = visible.matrix[0, 0] / camera.matrix[0, 0]
    pixels = pixels_at(places, visible.size)
    found = closed(
        z_buffer(pixels, np.where(np.isnan(carried), NOTHING, carried), visible.size), magnification
    )
    return np.where(np.isfinite(found), found, np.float32(np.nan))


def from_points(points: Float64, pose: Pose, visible: Camera) -> Float32:
    """Inverse depth of the visible pixels around points of a LiDAR; the rest is unknown.

    Args:
        points: (N, 3), metres; points that are not finite, or at the LiDAR itself, are left out.
        pose: takes the points' frame to the visible camera's.
        visible: the visible camera.

    Raises:
        DistillMatchError: the unit is implausible, or these are no points.
    """
    as_numbers(points, (-1, 3), "depth", "give points as an array of shape (N, 3), in metres")
    points = points[np.isfinite(points).all(axis=1)]
    with np.errstate(over="ignore"):  # bytes in the wrong order
        distances = np.linalg.norm(points, axis=1)
    points, distances = points[distances >= _NEAREST_M], distances[distances >= _NEAREST_M]  # 0: no return
    _check_unit(distances, points.dtype, "depth")
    moved = pose.apply(points)
    places = visible.project(moved).astype(np.float32).T
    with np.errstate(divide="ignore"):
        inverse = (1 / moved[:, 2]).astype(np.float32)
    found = z_buffer(pixels_at(places, visible.size), inverse, visible.size)
    return _spread(np.where(np.isfinite(found), found, np.float32(np.nan)))


def _check_depth(depth: Any, name: str) -> None:
    """Reject what is no depth image, whatever it holds; raises DistillMatchError."""
    plain = isinstance(depth, np.ndarray) and not isinstance(depth, np.matrix | np.ma.MaskedArray)
    if not plain or depth.ndim != 2 or not (depth.dtype == np.uint16 or depth.dtype.kind == "f"):
        what = f"{depth.dtype} of shape {depth.shape}" if plain else type(depth).__name__
        raise DistillMatchError(
            f"{name}: {what} is no depth image; give one channel of 16-bit unsigned integers in millimetres, "
            "or of floating point in metres, as a plain NumPy array"
        )
    if not depth.size:
        raise DistillMatchError(f"{name}: holds no pixels; check the depth camera")


def _check_unit(metres: NDArray[Any], kind: "np.dtype[Any]", name: str) -> None:
    """Reject distances that no robot sees, and one for all; raises DistillMatchError."""
    some = _known(metres.ravel()[:: 1 + metres.size // _ENOUGH])
    if some.size < _FEW:
        some = _known(metres)
    if not some.size:
        return
    median = float(np.median(some))
    if np.mean((some >= PLAUSIBLE_M[0]) & (some <= PLAUSIBLE_M[1])) < _PLAUSIBLE:
        unit = "millimetres" if kind == np.uint16 else "metres"
        raise DistillMatchError(
            f"{name}: most of it would be nearer than {PLAUSIBLE_M[0]} or farther than {PLAUSIBLE_M[1]:g} m "
            f"(median {median:.4g} m), but {kind} is in {unit}; give 16 bits in millimetres, and floating "
            "point in metres, with their bytes in the order that the message says"
        )
    if some.size >= _FEW and some.min() == some.max():
        raise DistillMatchError(
            f"{name}: each pixel is {median:.4g} m away, which no sensor sees; check the depth camera"
        )


def _known(metres: NDArray[Any]) -> NDArray[Any]:
    known: NDArray[Any] = metres[(metres > 0) & np.isfinite(metres)]
    return known


def _spread(inverse: Float32) -> Float32:
    """The nearest known pixel's value, within a short distance."""
    unknown = np.isnan(inverse)
    if unknown.all():
        return inverse
    distance, labels = cv2.distanceTransformWithLabels(
        unknown.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(labels.max()) + 1, np.float32)
    values[labels[~unknown]] = inverse[~unknown]
    return np.where(distance <= _SPREAD * inverse.shape[1], values[labels], np.float32(np.nan))
