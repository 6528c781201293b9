"""How far a rig's map may be off: its standard deviation in the visible image, not that of single numbers.

Focal lengths, the translation and inverse depths trade against each other while the map stays the same, so
the deviation of one of them says little. A frame finds its own inverse depth on edges; therefore the part of
an error that another inverse depth undoes over the whole image does not count.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, Points, Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.rig.estimation import in_half_widths, shared_of
from distillmatch_ros.rig.model import RigMapping, RigModel
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.rig.projection import project

WITHIN_95 = 5.991
"""Squared distance, in standard deviations, within which 95 % of errors in two dimensions lie."""

_GRID = 9, 7  # points over the thermal image for which an inverse depth is the best one


@dataclass(frozen=True)
class Deviations:
    """Standard deviations of a rig's map at one inverse depth, reference pixels.

    Attributes:
        centre: at the centre of the thermal image, root mean square of both directions.
        corner: at the worst of its corners.
    """

    centre: float
    corner: float


@lru_cache(maxsize=2)
def map_deviations(rig: RigModel, inverse_depth: float) -> Deviations | None:
    """The deviations at the centre and the corners; None if the rig's covariance is unknown.

    They are kept, since pairs in a row have the same map while it is not aligned anew.
    """
    covariances = map_covariance(rig, inverse_depth, places(rig.thermal.size))
    if covariances is None:
        return None
    scale = REFERENCE_WIDTH / rig.visible.size[1]
    px = np.sqrt(np.trace(covariances, axis1=1, axis2=2) / 2) * scale
    return Deviations(float(px[0]), float(px[1:].max()))


def deviations_of(mapping: ImageMapping | None) -> Deviations | None:
    """The deviations of a pair's map at the depth of its plane; None if they are unknown.

    A homography of its own has none: what it is judged by is in `Quality`.
    """
    if not isinstance(mapping, RigMapping | DepthMapping):
        return None
    return map_deviations(mapping.rig, float(mapping.plane[2]))


def places(size: Size) -> Float64:
    """Centre and corner pixels of an image, (5, 2)."""
    right, bottom = size[1] - 1.0, size[0] - 1.0
    return np.array([[right / 2, bottom / 2], [0, 0], [right, 0], [right, bottom], [0, bottom]])


def image_grid(size: Size) -> Float64:
    """Pixels spread over an image, (63, 2)."""
    columns, rows = np.meshgrid(
        *(np.linspace(0, length - 1, n) for length, n in zip(size[::-1], _GRID, strict=True))
    )
    return np.column_stack([columns.ravel(), rows.ravel()])


def map_covariance(rig: RigModel, inverse_depth: float, points: Points) -> Float64 | None:
    """Covariances of the visible places of thermal pixels on a plane that faces the thermal camera.

    Args:
        rig: the rig.
        inverse_depth: of the plane, in the unit of the rig's translation.
        points: (N, 2), thermal pixels.

    Returns:
        float64 (N, 2, 2), square pixels of the visible image as it would be without distortion where its lens
        is given; None if the rig's covariance is unknown.
    """
    if rig.covariance is None:
        return None
    grid = image_grid(rig.thermal.size)
    by_shared, by_depth = _derivatives(rig, inverse_depth, np.vstack([grid, np.asarray(points, np.float64)]))
    seen = np.isfinite(by_depth[: len(grid)]).all(axis=1)
    on_grid, along = by_shared[: len(grid)][seen], by_depth[: len(grid)][seen]
    best = np.einsum("gi,gij->j", along, on_grid) / max(float((along * along).sum()), 1e-12)
    left = by_shared[len(grid) :] - by_depth[len(grid) :, :, None] * best
    # The translation's length is the unit: it has no error.
    direction = rig.T_visible_thermal.translation
    across = np.eye(rig.covariance.shape[0])
    across[5:8, 5:8] -= np.outer(direction, direction) / max(float(direction @ direction), 1e-12)
    left = left @ across
    covariances: Float64 = left @ rig.covariance @ np.swapaxes(left, 1, 2)
    return covariances


def _derivatives(rig: RigModel, inverse_depth: float, points: Points) -> tuple[Float64, Float64]:
    """Derivatives of visible places, pixels: by what is shared (N, 2, 12), and by inverse depth (N, 2)."""
    fitted = "given" not in (rig.origins.get("thermal distortion"), rig.origins.get("thermal focal length"))
    camera: Camera | Size = rig.thermal.size if fitted else rig.thermal
    shared = shared_of(rig)
    if not fitted:
        shared[8:10] = 0
    if rig.origins.get("visible distortion") == "given":
        shared[10:12] = 0
    own = np.array([[0, 0, inverse_depth, 0, 0]])
    model = project(shared, rig.T_visible_thermal.rotation, own, in_half_widths(points, camera)[None])
    scale = rig.visible.size[1] / 2
    return model.by_shared[0] * scale, model.by_own[0, :, :, 2] * scale
