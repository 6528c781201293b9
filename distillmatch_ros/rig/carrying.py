"""All pixels of a camera in another one, by their depth, and which is the nearest where several fall."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.dense import Float32, dense_rays, project_dense
from distillmatch_ros.rig.model import EVERYTHING, Window, within

NOTHING = np.float32(-np.inf)
"""Inverse depth where no ray ends."""


def carry(
    inverse_depth: Float32,
    camera: Camera,
    pose: Pose,
    other: Camera,
    before: Float64 | tuple[float, float] = (0.0, 0.0),
    after: tuple[float, float] = (0.0, 0.0),
    window: Window = EVERYTHING,
) -> tuple[Float32, Float32]:
    """Carry pixels of one camera into another.

    Args:
        inverse_depth: float32 (H, W), along the camera's axis; NaN or minus infinity where nothing is.
        camera: the camera.
        pose: takes its frame to the other's.
        other: the other camera.
        before: added to rays on the camera's normalised plane, (2,).
        after: added on the other's, (2,).
        window: rows and columns of the pixels to carry.

    Returns:
        Pixels of the other image, float32 (2, h, w), and inverse depths along its axis, float32 (h, w), of
        the window. NaN behind the other camera, and where nothing is.
    """
    turned = _turned_rays(camera, tuple(pose.rotation.ravel()))[(slice(None), *window)]
    known = inverse_depth[window]
    offset = pose.rotation[:, :2] @ np.asarray(before, np.float64)
    points = np.empty(turned.shape, np.float32)  # changed in place: new memory costs as much time as a sum
    plane, z = points[:2], points[2]
    for point, rays, along, beside in zip(points, turned, pose.translation, offset, strict=True):
        cv2.scaleAdd(known, float(along), rays, dst=point)
        if beside:
            point += np.float32(beside)
    np.copyto(z, np.float32(np.nan), where=z <= 0)
    with np.errstate(over="ignore", invalid="ignore"):  # nothing, which is infinite, becomes NaN
        plane *= np.reciprocal(z, out=z)
        depths = np.multiply(known, z, out=z)
    for point, beside in zip(plane, after, strict=True):
        if beside:
            point += np.float32(beside)
    return project_dense(other, plane), depths


@lru_cache(maxsize=4)
def _turned_rays(camera: Camera, rotation: tuple[float, ...]) -> Float32:
    """Rays of all pixels, turned by a rotation, float32 (3, H, W)."""
    rays = dense_rays(camera)
    turned = np.tensordot(np.reshape(rotation, (3, 3)).astype(np.float32), rays, axes=1)
    turned = np.ascontiguousarray(turned, np.float32)
    turned.setflags(write=False)
    return turned


def pixels_at(places: Float32, size: Size) -> NDArray[np.int32]:
    """Indices of the pixels of an image in which places lie; that after the last one for those outside.

    Args:
        places: float32 (2, ...), pixels.
        size: of the image.

    Returns:
        int32 (...).
    """
    with np.errstate(invalid="ignore"):
        columns, rows = np.rint(places).astype(np.int32)
    pixels: NDArray[np.int32] = rows * size[1] + columns
    np.copyto(pixels, size[0] * size[1], where=~within(places, size))
    return pixels


def z_buffer(pixels: NDArray[np.int32], inverse_depth: Float32, size: Size) -> Float32:
    """The nearest of what falls on each pixel of an image, float32, minus infinity where nothing does.

    Args:
        pixels: int32 (...), see `pixels_at`.
        inverse_depth: float32 (...), minus infinity for what does not count.
        size: of the image.
    """
    nearest = np.full(size[0] * size[1] + 1, NOTHING)
    with np.errstate(invalid="ignore"):  # NaN, of what lies outside
        np.maximum.at(nearest, pixels.ravel(), inverse_depth.ravel())
    return nearest[:-1].reshape(size)


def z_buffers(
    pixels: NDArray[np.int32], inverse_depth: Float32, assumed: NDArray[np.bool_], size: Size
) -> tuple[Float32, Float32]:
    """The `z_buffer` of what is measured, and that of what is assumed, in one go."""
    after = size[0] * size[1] + 1
    nearest = np.full(2 * after, NOTHING)
    with np.errstate(invalid="ignore"):  # NaN, of what lies outside
        np.maximum.at(nearest, (pixels + assumed * np.int32(after)).ravel(), inverse_depth.ravel())
    return nearest[: after - 1].reshape(size), nearest[after:-1].reshape(size)


def closed(found: Float32, magnification: float) -> Float32:
    """Close gaps of a `z_buffer`.

    Args:
        found: see `z_buffer`.
        magnification: its pixels for one of those carried over, the width of the gaps.
    """
    window = np.ones((2 * int(np.ceil(magnification)) + 1,) * 2, np.uint8)
    whole = cv2.morphologyEx(found, cv2.MORPH_CLOSE, window)
    return np.asarray(cv2.copyTo(found, (found > NOTHING).view(np.uint8), whole), np.float32)
