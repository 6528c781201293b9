"""Lenses for every pixel of a frame at once: float32 tables, made once a camera.

They are those of `Camera.unproject` and `Camera.project` to 0.03 px, at a hundredth of the time.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size

Float32 = NDArray[np.float32]

_LATTICE = 8  # pixels between those for which rays are computed; between them a map is linear to 0.01 px
_WIDEST = 3.5  # half width of the part of the normalised plane that is looked at: 74 degrees from the axis
_NODES = 2  # pixels of the image for each node of the table
_BEYOND = 0.125  # of the image's sides, around it, that the table shows too: for maps across its border


@lru_cache(maxsize=8)
def lattice_rays(camera: Camera) -> Float64:
    """Rays of every 8th pixel, beginning before the first, float64 (rows, columns, 3)."""
    columns, rows = np.meshgrid(*(_lattice(length) for length in camera.size[::-1]))
    rays = camera.unproject(np.column_stack([columns.ravel(), rows.ravel()]))
    return rays.reshape(*columns.shape, 3)


def _lattice(length: int) -> Float64:
    """Centres of cells of `_LATTICE` pixels, which cover the pixels 0 to ``length`` - 1."""
    count = -(-length // _LATTICE)
    return np.arange(-1.0, count + 1) * _LATTICE + (_LATTICE - 1) / 2


def interpolate(fields: NDArray[Any], size: Size, target: Size, every: int = 1) -> Float32:
    """Interpolate fields on the lattice of an image for all pixels of it at another size.

    Args:
        fields: (C, rows, columns), see `lattice_rays`.
        size: of the image.
        target: the other size.
        every: distance of the pixels of it that are asked for, from its first one on.

    Returns:
        float32 (C, *target), or (C, rows, columns) of these pixels.
    """
    across, down = (_LATTICE * there / here for here, there in zip(size[::-1], target[::-1], strict=True))
    # A pixel u of the target is the lattice's (u + 1/2) / scale + 1/2: the first cell lies before the image.
    onto = np.array([[every / across, 0, 0.5 / across + 0.5], [0, every / down, 0.5 / down + 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    dense = np.empty((len(fields), *(-(-length // every) for length in target)), np.float32)
    for field, whole in zip(fields.astype(np.float32), dense, strict=True):
        if across.is_integer() and down.is_integer():  # an eighth of the time of any other scale
            larger = cv2.resize(field, None, fx=across, fy=down, interpolation=cv2.INTER_LINEAR)
            whole[:] = larger[int(down) :, int(across) :][: target[0] : every, : target[1] : every]
        else:
            cv2.warpAffine(field, onto, whole.shape[::-1], dst=whole, flags=flags)
    return dense


def project_lattice(camera: Camera, rays: Float64) -> Float32:
    """Pixels of rays (rows, columns, 3), float32 (2, rows, columns); NaN behind the camera and far beside."""
    with np.errstate(divide="ignore", invalid="ignore"):
        plane = np.where(rays[..., 2:] > 0, rays[..., :2] / rays[..., 2:], np.nan)
    return project_dense(camera, np.ascontiguousarray(np.moveaxis(plane, -1, 0), np.float32))


@lru_cache(maxsize=4)
def dense_rays(camera: Camera) -> Float32:
    """Rays of all pixels, float32 (3, H, W); their last component is 1. NaN where the lens shows nothing."""
    rays = interpolate(np.moveaxis(lattice_rays(camera), -1, 0), camera.size, camera.size)
    rays.setflags(write=False)
    return rays


def project_dense(camera: Camera, points: Float32) -> Float32:
    """Pixels of points of the normalised plane.

    Args:
        camera: the camera.
        points: float32 (2, H, W), x and y; the pixels take their place, since new memory costs as much time.

    Returns:
        These columns and rows; NaN for points far beside the image.
    """
    (across, skew, left), (_, down, top), _ = camera.matrix.astype(np.float32)
    x, y = points
    moved = None
    if camera.is_radial:  # as all lenses that are learned
        points *= _radial_factor(camera, x, y)
    elif not camera.is_pinhole:
        table, first, step = _bending(camera)
        column, row = (points - first[:, None, None]) / step[:, None, None]
        remap: Any = cv2.remap
        moved = remap(table, column, row, cv2.INTER_LINEAR, borderValue=[np.nan] * 4)
    x *= across
    if skew != 0:
        x += skew * y
    x += left
    y *= down
    y += top
    if moved is not None:
        points += np.moveaxis(moved, -1, 0)
    return points


def _radial_factor(camera: Camera, x: Float32, y: Float32) -> Float32:
    """By how much a lens stretches points of the normalised plane; NaN where its model folds back."""
    with np.errstate(over="ignore"):  # infinite: beyond the lens too
        square = x * x
        square += y * y
    widest = np.float32(min(camera.reach, _WIDEST) ** 2)
    if not square.max() < widest:  # true for NaN
        np.copyto(square, np.float32(np.nan), where=square >= widest)
    k1, k2, _, _, k3 = np.pad(camera.distortion, (0, 1))[:5].astype(np.float32)
    *rest, last = np.trim_zeros(np.array([1, k1, k2, k3], np.float32), "b")
    factor = np.asarray(last, np.float32)
    for coefficient in reversed(rest):
        factor = square * factor
        factor += coefficient
    return factor


@lru_cache(maxsize=4)
def _bending(camera: Camera) -> tuple[Float32, Float32, Float32]:
    """By how much a lens moves the pixels of a pinhole, on a lattice of the normalised plane.

    Returns:
        float32 (rows, columns, 2), x and y of its first node, and the distance of nodes, float32 (2,).
    """
    height, width = camera.size
    columns, rows = np.meshgrid(
        *(np.linspace(-_BEYOND * end, (1 + _BEYOND) * end, 33) for end in (width, height))
    )
    rays = camera.unproject(np.column_stack([columns.ravel(), rows.ravel()]))[:, :2]
    low, high = (np.clip(end(rays, axis=0), -_WIDEST, _WIDEST) for end in (np.nanmin, np.nanmax))
    counts = width // _NODES + 2, height // _NODES + 2
    x, y = np.meshgrid(*(np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True)))
    points = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)])
    moved = camera.project(points) - points @ camera.matrix[:2].T
    step = (high - low) / (np.array(counts) - 1)
    return moved.reshape(*x.shape, 2).astype(np.float32), low.astype(np.float32), step.astype(np.float32)
