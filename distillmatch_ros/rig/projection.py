"""A rig's model equation over the matches of many frames at once, with its derivatives.

Pixels are relative to the image's centre, in half widths of the image. The equation is that of rig/model.py,
with two radial coefficients for each lens.
"""

from dataclasses import dataclass

import numpy as np

from distillmatch_ros.geometry.homography import Float64

SHARED = ("ft", "fv", "wx", "wy", "wz", "tx", "ty", "tz", "k1t", "k2t", "k1v", "k2v")
"""What all frames share: logarithms of the focal lengths in half widths, a rotation after the pose's (rad),
the translation, and the radial coefficients of the thermal (t) and the visible lens (v)."""
OWN = 5
"""What a frame adds: its plane (3), and a shift (2) on the visible camera's normalised plane."""

_STEPS = 6  # of Newton's method for the radius, which converges from the shown one
_LEAST_SLOPE = 0.1  # of a lens's radius: beyond, its model folds back
_MOST_RADIUS = 10.0  # 84 degrees off the axis: Newton's steps would go to infinity where a model folds back
_LEAST_DEPTH = 0.05


@dataclass(frozen=True, eq=False)
class Projected:
    """Visible places of matches, and their derivatives.

    Attributes:
        places: float64 (frames, matches, 2).
        by_shared: (frames, matches, 2, 12), by `SHARED`.
        by_own: (frames, matches, 2, 5), by `OWN`.
        by_inverse_depth: (frames, matches, 2), by that of each match alone.
    """

    places: Float64
    by_shared: Float64
    by_own: Float64
    by_inverse_depth: Float64

    @property
    def derivatives(self) -> Float64:
        """Both, (frames, matches, 2, 17)."""
        return np.concatenate([self.by_shared, self.by_own], axis=-1)


def project(
    shared: Float64,
    rotation: Float64,
    own: Float64,
    thermal: Float64,
    beside: Float64 | float = 0.0,
    measured: Float64 | float = np.nan,
) -> Projected:
    """Map thermal places to visible ones.

    A match whose depth is measured lies there, the others on their frames' planes. Relief displaces matches
    along their epipolar lines. It is given as a displacement, not as an inverse depth: else a longer focal
    length or translation would explain more of it, and be found for that alone.

    Args:
        shared: (12,); the rotation vector in it is not used.
        rotation: (3, 3), of the pose.
        own: (frames, 5).
        thermal: (frames, matches, 2).
        beside: (frames, matches), how far matches lie from where their frames' planes put them, half widths
            of the visible image; see `parallax`.
        measured: (frames, matches), inverse depths along the visible camera's axis, 1 / unit of the
            translation; NaN where unknown.
    """
    thermal_focal, visible_focal = np.exp(shared[:2])
    translation = shared[5:8]
    planes, shifts = own[:, :3], own[:, 3:]
    bent = thermal / thermal_focal
    distance = np.hypot(bent[..., 0], bent[..., 1])
    radius, slope = _undistorted(distance, shared[8], shared[9])
    along = bent / np.maximum(distance, 1e-12)[..., None]
    rays = np.concatenate([along * radius[..., None], np.ones((*radius.shape, 1))], axis=-1)
    turned = rays @ rotation.T
    relief = np.asarray(beside / parallax(shared))
    inverse_depth, by_plane = np.einsum("fmi,fi->fm", rays, planes), rays
    tilt, point_by_radius = np.einsum("fmj,fj->fm", along, planes[:, :2]), along @ rotation[:, :2].T
    is_measured = np.isfinite(measured)
    any_measured = bool(is_measured.any())
    if any_measured:
        # With the inverse depth rho along the thermal axis, a point's depth along the visible one is
        # (turned z + rho tz) / rho; solved for rho.
        by_turned = np.where(is_measured, measured / (1 - measured * translation[2]), 0.0)
        inverse_depth = np.where(is_measured, by_turned * turned[..., 2], inverse_depth)
        by_plane = np.where(is_measured[..., None], 0.0, rays)
        tilt = np.where(is_measured, by_turned * point_by_radius[..., 2], tilt)
    inverse_depth = inverse_depth + relief
    points = turned + inverse_depth[..., None] * translation
    depth = np.maximum(points[..., 2], _LEAST_DEPTH)
    at = points[..., :2] / depth[..., None] + shifts[:, None]
    square = (at * at).sum(axis=-1)
    k1, k2 = shared[10:12]
    radial = 1 + square * (k1 + k2 * square)
    places = visible_focal * radial[..., None] * at

    twist = (2 * k1 + 4 * k2 * square)[..., None, None] * (at[..., :, None] * at[..., None, :])
    by_at = visible_focal * (radial[..., None, None] * np.eye(2) + twist)
    at_by_point = np.zeros((*at.shape, 3))
    at_by_point[..., 0, 0] = at_by_point[..., 1, 1] = 1 / depth
    at_by_point[..., 2] = -points[..., :2] / (depth * depth)[..., None]
    by_point = by_at @ at_by_point
    by_own = np.empty((*at.shape, OWN))
    by_inverse_depth = by_point @ translation
    by_own[..., :3] = by_inverse_depth[..., None] * by_plane[..., None, :]
    by_own[..., 3:] = by_at
    by_parallax = by_inverse_depth * -relief[..., None]

    point_by_radius += tilt[..., None] * translation
    by_radius = np.einsum("fmij,fmj->fmi", by_point, point_by_radius) / slope[..., None]
    by_shared = np.empty((*at.shape, len(SHARED)))
    by_shared[..., 0] = by_radius * -distance[..., None]
    by_shared[..., 1] = places + by_parallax
    by_shared[..., 2:5] = np.cross(turned[..., None, :], by_point)
    by_shared[..., 5:8] = by_point * inverse_depth[..., None, None]
    if any_measured:
        by_shared[..., 2] += by_inverse_depth * (by_turned * turned[..., 1])[..., None]
        by_shared[..., 3] -= by_inverse_depth * (by_turned * turned[..., 0])[..., None]
        by_shared[..., 7] += by_inverse_depth * (by_turned * by_turned * turned[..., 2])[..., None]
    by_shared[..., 5:8] += by_parallax[..., None] * translation / max(float(translation @ translation), 1e-24)
    by_shared[..., 8] = by_radius * -(radius**3)[..., None]
    by_shared[..., 9] = by_radius * -(radius**5)[..., None]
    by_shared[..., 10] = visible_focal * at * square[..., None]
    by_shared[..., 11] = visible_focal * at * (square * square)[..., None]
    return Projected(places, by_shared, by_own, by_inverse_depth)


def parallax(shared: Float64) -> float:
    """About how far an inverse depth of 1 moves visible places, half widths, for cameras side by side."""
    return float(np.exp(shared[1]) * max(np.linalg.norm(shared[5:8]), 1e-12))


def _undistorted(distance: Float64, k1: float, k2: float) -> tuple[Float64, Float64]:
    """Radii that a lens shows at a distance from the centre, and the slope of what it shows by the radius."""
    radius = distance
    for _ in range(_STEPS):
        square = radius * radius
        slope = np.maximum(1 + square * (3 * k1 + 5 * k2 * square), _LEAST_SLOPE)
        radius = radius - (radius * (1 + square * (k1 + k2 * square)) - distance) / slope
        radius = np.clip(radius, -_MOST_RADIUS, _MOST_RADIUS)
    square = radius * radius
    return radius, np.maximum(1 + square * (3 * k1 + 5 * k2 * square), _LEAST_SLOPE)
