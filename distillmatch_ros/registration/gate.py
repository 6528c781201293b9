"""The gate: decides whether matches and edges of a pair support a homography.

Points and homographies are in pixels of the pictures that are matched, which are upright: a homography that
mirrors is rejected. If the thermal camera sees more, the two have exchanged roles (see `crops.CropPair`).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.settings import Settings, fraction, setting
from distillmatch_ros.geometry.homography import (
    REFERENCE_WIDTH,
    Float64,
    Points,
    Size,
    corners,
    errors,
    fit,
    jacobian,
    to_reference,
    to_unit,
    transform,
)
from distillmatch_ros.registration.alignment import Alignment
from distillmatch_ros.registration.quality import Quality, measure
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.status import Status

PROPOSAL_PX, PROPOSAL_INLIER_RATIO, PROPOSAL_SPREAD, PROPOSAL_CORNER_STD_PX = 12.0, 0.12, 0.05, 60.0
"""Upper limits of the thresholds before the alignment, which improves the homography. In 900 trials on road
scenes and with other cameras, correct homographies have as few as 16 % inliers within 6 px."""


class Gate(Settings):
    """Thresholds that the homography of a pair must meet to be accepted, applied to the final homography.

    Lengths are reference pixels: pixels of a visible image 640 px wide. Matches that only initialise the
    alignment are judged by the weaker of these values and `PROPOSAL_PX` etc.; see `proposal`.
    """

    min_matches: int = setting(8, "Fewest matches for an estimate.", least=4, most=10000)
    inlier_px: float = setting(
        6.0,
        "Greatest reprojection error of an inlier, for a visible image 640 px wide.",
        unit="px",
        least=0.5,
        most=50,
    )
    min_inliers: int = setting(12, "Fewest inliers of a homography.", least=5, most=10000)
    min_inlier_ratio: float = fraction(
        0.15,
        "Least fraction of the matches that are inliers.",
    )
    max_false_alarms: float = setting(
        1e-3,
        "Expected number of homographies with as many inliers among uniformly random matches, at most.",
        least=1e-300,
        most=1,
    )
    min_spread: float = fraction(
        0.2,
        "Least extent of the inliers over the thermal image along their narrowest direction: 0 on a line, 1 "
        "if evenly distributed.",
    )
    max_corner_std_px: float = setting(
        15.0,
        "Greatest standard deviation of a corner of the thermal image, computed from the inliers' residuals, "
        "for a visible image 640 px wide.",
        unit="px",
        least=0.1,
        most=100,
    )
    noise_floor_px: float = setting(0.5, "Least assumed error of a match.", unit="px", least=0, most=50)
    min_scale: float = setting(
        0.1, "Least width of the thermal frame, in widths of the visible image.", least=0.01, most=100
    )
    max_scale: float = setting(
        5.0, "Greatest width of the thermal frame, in widths of the visible image.", least=0.01, most=100
    )
    max_anisotropy: float = setting(
        2.0,
        "Greatest ratio of the scales in different directions, at the thermal image's centre.",
        least=1,
        most=100,
    )
    max_perspective: float = setting(
        3.0, "Greatest ratio of the depths of the thermal image's corners.", least=1, most=100
    )
    min_peak_prominence: float = fraction(
        0.09,
        "Least excess of the correlation of the images' edges over its mean at small shifts.",
    )
    sure_peak_prominence: float = fraction(
        0.15,
        "Peak prominence of a first pass from which a second one is skipped.",
    )
    max_second_peak_ratio: float = fraction(
        0.95,
        "Greatest correlation of the edges at a larger shift, as a fraction of that in place; near 1 for "
        "repetitive patterns.",
    )

    min_probability: float = fraction(
        0.35,
        "Least calibrated probability that the corner error is below 10 px; without effect for networks that "
        "are not calibrated.",
    )

    def proposal(self) -> "Gate":
        """The gate for matches that only initialise the alignment: these values, or weaker ones."""
        return self.replace(
            inlier_px=max(self.inlier_px, PROPOSAL_PX),
            min_inlier_ratio=min(self.min_inlier_ratio, PROPOSAL_INLIER_RATIO),
            min_spread=min(self.min_spread, PROPOSAL_SPREAD),
            max_corner_std_px=max(self.max_corner_std_px, PROPOSAL_CORNER_STD_PX),
        )


@dataclass(frozen=True)
class Estimate:
    """A homography estimated from correspondences, and the gate's verdict.

    Attributes:
        homography: float64 (3, 3), thermal to visible pixels, last element 1; None if it was rejected.
        inliers: bool (N,), also of a rejected homography.
        quality: figures of the homography, also of a rejected one; None if none was found.
        rejected_by: why there is no homography; None if there is one.
    """

    homography: Float64 | None
    inliers: NDArray[np.bool_]
    quality: Quality | None = None
    rejected_by: Rejection | None = None

    @property
    def status(self) -> Status:
        """OK, FEW_MATCHES, FEW_INLIERS or DEGENERATE."""
        return Status.OK if self.rejected_by is None else self.rejected_by.status

    def rejected(self, by: Rejection) -> "Estimate":
        """The same figures, with the homography rejected."""
        return replace(self, homography=None, rejected_by=by)


def estimate(
    thermal_points: Points,
    visible_points: Points,
    thermal: Size,
    visible: Size,
    gate: Gate,
) -> Estimate:
    """Fit a homography to correspondences and judge it.

    Args:
        thermal_points: (N, 2) thermal pixels.
        visible_points: (N, 2) visible pixels of the same matches.
        thermal: size of the thermal image.
        visible: size of the visible image.
        gate: thresholds.
    """
    to_normal = to_unit(thermal)
    nothing = np.zeros(len(thermal_points), np.bool_)
    if len(thermal_points) < gate.min_matches:
        short = Rejection.of("min_matches", len(thermal_points), gate.min_matches)
        return Estimate(None, nothing, rejected_by=short)
    source = transform(to_normal, thermal_points)
    target = transform(to_reference(visible), visible_points)
    unit = fit(source, target, gate.inlier_px)
    if unit is None:
        return Estimate(None, nothing, rejected_by=Rejection.of("min_inliers", 0, gate.min_inliers))
    inliers, quality = _measured(unit, source, target, thermal, visible, gate)
    rejected_by = _unsupported(quality, gate) or _implausible(unit, thermal, gate)
    if rejected_by is not None:
        return Estimate(None, inliers, quality, rejected_by)
    homography = np.linalg.inv(to_reference(visible)) @ unit @ to_normal
    return Estimate(homography / homography[2, 2], inliers, quality)


def confirm(
    alignment: Alignment,
    thermal_points: Points,
    visible_points: Points,
    thermal: Size,
    visible: Size,
    gate: Gate,
) -> Estimate:
    """Judge an aligned homography: both edges and correspondences must support it.

    Args:
        alignment: alignment of the two images.
        thermal_points: as in `estimate`.
        visible_points: as in `estimate`.
        thermal: size of the thermal image.
        visible: size of the visible image.
        gate: thresholds.
    """
    homography, to_normal = alignment.homography, to_unit(thermal)
    source = transform(to_normal, thermal_points)
    target = transform(to_reference(visible), visible_points)
    unit = to_reference(visible) @ homography @ np.linalg.inv(to_normal)
    unit /= unit[2, 2]
    inliers, quality = _measured(unit, source, target, thermal, visible, gate)
    quality = replace(
        quality,
        edge_correlation=alignment.correlation,
        peak_prominence=alignment.peak_prominence,
        second_peak_ratio=alignment.second_peak_ratio,
    )
    rejected_by = contradicted_by_edges(alignment, thermal, visible, gate) or _unsupported(quality, gate)
    return Estimate(homography if rejected_by is None else None, inliers, quality, rejected_by)


def _measured(
    unit: Float64, source: Float64, target: Float64, thermal: Size, visible: Size, gate: Gate
) -> tuple[NDArray[np.bool_], Quality]:
    """Inliers and figures of a homography between normalised points; see `to_unit` and `to_reference`."""
    distances = errors(unit, source, target)
    inliers = distances <= gate.inlier_px
    limits = gate.inlier_px, gate.noise_floor_px
    return inliers, measure(unit, source, distances, inliers, thermal, visible, *limits)


def contradicted_by_edges(alignment: Alignment, thermal: Size, visible: Size, gate: Gate) -> Rejection | None:
    """Why the edges of both images do not support an aligned homography, or see `implausible`; or None."""
    return unsupported_by_edges(alignment, gate) or implausible(alignment.homography, thermal, visible, gate)


def unsupported_by_edges(alignment: Alignment, gate: Gate) -> Rejection | None:
    """Why the edges of both images do not support an alignment, whatever its map is; or None."""
    if not alignment.peak_prominence >= gate.min_peak_prominence:
        return Rejection.of("min_peak_prominence", alignment.peak_prominence, gate.min_peak_prominence)
    if not alignment.second_peak_ratio <= gate.max_second_peak_ratio:
        return Rejection.of("max_second_peak_ratio", alignment.second_peak_ratio, gate.max_second_peak_ratio)
    return None


def implausible(homography: Float64, thermal: Size, visible: Size, gate: Gate) -> Rejection | None:
    """Why two cameras cannot have this homography: a horizon, mirrored, excessive scale or stretch."""
    unit = to_reference(visible) @ homography @ np.linalg.inv(to_unit(thermal))
    if unit[2, 2] == 0:
        return Rejection.of("max_perspective", math.inf, gate.max_perspective)
    return _implausible(unit / unit[2, 2], thermal, gate)


def _implausible(unit: Float64, thermal: Size, gate: Gate) -> Rejection | None:
    depths = transform(to_unit(thermal), corners(thermal)) @ unit[2, :2] + 1
    # The centre's depth is 1: if the horizon crosses the frame, one corner's depth is positive, one is not.
    if not depths.max() <= gate.max_perspective * depths.min():
        ratio = depths.max() / depths.min() if depths.min() > 0 else math.inf
        return Rejection.of("max_perspective", ratio, gate.max_perspective)
    stretch = jacobian(unit, (0.0, 0.0)) / (REFERENCE_WIDTH / 2)
    area = float(np.linalg.det(stretch))
    if not area > 0:  # mirrored, or degenerate to a line
        return Rejection("mirrored")
    along, across = np.linalg.svd(stretch, compute_uv=False)
    if not gate.min_scale <= area**0.5:
        return Rejection.of("min_scale", area**0.5, gate.min_scale)
    if not area**0.5 <= gate.max_scale:
        return Rejection.of("max_scale", area**0.5, gate.max_scale)
    if not along <= gate.max_anisotropy * across:
        return Rejection.of("max_anisotropy", along / across, gate.max_anisotropy)
    return None


def _unsupported(quality: Quality, gate: Gate) -> Rejection | None:
    """The first threshold on the matches that is not met."""
    if quality.inliers < gate.min_inliers:
        return Rejection.of("min_inliers", quality.inliers, gate.min_inliers)
    if quality.inlier_ratio < gate.min_inlier_ratio:
        return Rejection.of("min_inlier_ratio", quality.inlier_ratio, gate.min_inlier_ratio)
    if quality.log10_false_alarms > math.log10(gate.max_false_alarms):
        number = 10.0 ** min(quality.log10_false_alarms, 300.0)
        return Rejection.of("max_false_alarms", number, gate.max_false_alarms)
    if quality.spread < gate.min_spread:
        return Rejection.of("min_spread", quality.spread, gate.min_spread)
    if quality.corner_std_px > gate.max_corner_std_px:
        return Rejection.of("max_corner_std_px", quality.corner_std_px, gate.max_corner_std_px)
    return None
