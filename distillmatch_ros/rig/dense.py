"""Lenses for every pixel of a frame at once: float32 tables, made once a camera.

They are those of `Camera.unproject` and `Camera.project` to 0.02 px, at a hundredth of the time.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.model import interpolate, lattice_rays

Float32 = NDArray[np.float32]

_WIDEST = 3.5  # half width of the part of the normalised plane that is looked at: 74 degrees from the axis
_NODES = 2  # pixels of the image for each node of the table


@lru_cache(maxsize=4)
def dense_rays(camera: Camera) -> Float32:
    """Rays of all pixels, float32 (3, H, W); their last component is 1. NaN where the lens shows nothing."""
    rays = np.moveaxis(interpolate(lattice_rays(camera), camera.size, camera.size), -1, 0)
    rays = np.ascontiguousarray(rays, np.float32)
    rays.setflags(write=False)
    return rays


def project_dense(camera: Camera, x: Float32, y: Float32) -> tuple[Float32, Float32]:
    """Pixels of points of the normalised plane.

    Args:
        camera: the camera.
        x: float32 (H, W).
        y: likewise.

    Returns:
        Columns and rows, float32 (H, W); NaN for points that the image does not show.
    """
    (across, skew, left), (_, down, top), _ = camera.matrix
    columns = _scaled(x, across, left) if skew == 0 else _scaled(x, across, left) + np.float32(skew) * y
    rows = _scaled(y, down, top)
    if camera.is_pinhole:
        return columns, rows
    table, (x0, y0), (step_x, step_y) = _bending(camera)
    places = _scaled(x, 1 / step_x, -x0 / step_x), _scaled(y, 1 / step_y, -y0 / step_y)
    remap: Any = cv2.remap
    bending = remap(table, *places, cv2.INTER_LINEAR, borderValue=[np.nan] * 4)
    return columns + bending[..., 0], rows + bending[..., 1]


def _scaled(values: Float32, factor: float, offset: float) -> Float32:
    return np.asarray(values * np.float32(factor) + np.float32(offset), np.float32)


@lru_cache(maxsize=4)
def _bending(camera: Camera) -> tuple[Float32, Float64, Float64]:
    """By how much a lens moves the pixels of a pinhole, on a lattice of the normalised plane.

    Returns:
        float32 (rows, columns, 2), x and y of its first node, and the distance of nodes.
    """
    height, width = camera.size
    columns, rows = np.meshgrid(np.linspace(-1, width, 33), np.linspace(-1, height, 33))
    rays = camera.unproject(np.column_stack([columns.ravel(), rows.ravel()]))[:, :2]
    low, high = (np.clip(end(rays, axis=0), -_WIDEST, _WIDEST) for end in (np.nanmin, np.nanmax))
    counts = width // _NODES + 2, height // _NODES + 2
    x, y = np.meshgrid(*(np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True)))
    points = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)])
    moved = camera.project(points) - points @ camera.matrix[:2].T
    step = (high - low) / (np.array(counts) - 1)
    return moved.reshape(*x.shape, 2).astype(np.float32), low, step
