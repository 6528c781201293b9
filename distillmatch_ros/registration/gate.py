"""The gate: decides whether the matches and the edges of a pair support a homography."""

import math
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import (
    REFERENCE_WIDTH,
    Float64,
    Points,
    Size,
    corners,
    errors,
    fit,
    jacobian,
    linearise,
    to_reference,
    to_unit,
    transform,
)
from distillmatch_ros.registration.alignment import Alignment

SAMPLE = 4
"""Correspondences that fix a homography."""


class Status(str, Enum):
    """Whether there is a homography, and where it comes from or why there is none."""

    OK = "OK"
    FEW_MATCHES = "FEW_MATCHES"
    FEW_INLIERS = "FEW_INLIERS"
    DEGENERATE = "DEGENERATE"
    HELD = "HELD"
    FIXED = "FIXED"
    STALE_THERMAL = "STALE_THERMAL"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Gate:
    """What a homography must show. Lengths are reference pixels: those of a 640 px wide visible image.

    Attributes:
        min_matches: correspondences below which nothing is estimated.
        inlier_px: reprojection error up to which a correspondence is an inlier.
        min_inliers: least number of inliers.
        min_inlier_ratio: least fraction of inliers among the correspondences.
        max_false_alarms: how many homographies with as many inliers uniformly random correspondences may be
            expected to offer.
        min_spread: least `Quality.spread`.
        max_corner_std_px: greatest `Quality.corner_std_px`.
        noise_floor_px: no correspondence counts as more exact than this.
        scale_range: least and greatest width of the thermal frame, in widths of the visible image.
        max_anisotropy: greatest ratio of the stretches along and across, at the thermal frame's centre.
        max_perspective: greatest ratio of the depths of the thermal frame's corners.
        min_peak_prominence: least `Alignment.peak_prominence`, of the edges of the whole images. On road
            scenes 98 of 100 wrong homographies stay below it, aligned as they are, and 2 of 100 right ones.
        sure_peak_prominence: that of a first pass that needs no second one, and of an alignment not repeated.
        max_second_peak_ratio: greatest `Alignment.second_peak_ratio`, beyond which a repeating pattern may
            lie on itself one period off: regular ones reach 1. On road scenes 99 of 100 right homographies
            stay below 0.87.
    """

    min_matches: int = 8
    inlier_px: float = 6.0
    min_inliers: int = 12
    min_inlier_ratio: float = 0.3
    max_false_alarms: float = 1e-3
    min_spread: float = 0.2
    max_corner_std_px: float = 6.0
    noise_floor_px: float = 0.5
    scale_range: tuple[float, float] = (0.1, 5.0)
    max_anisotropy: float = 2.0
    max_perspective: float = 3.0
    min_peak_prominence: float = 0.09
    sure_peak_prominence: float = 0.15
    max_second_peak_ratio: float = 0.95

    def lenient(self) -> "Gate":
        """The gate of matches that only have to bring an alignment near."""
        return replace(
            self,
            inlier_px=2 * self.inlier_px,
            min_inlier_ratio=0.4 * self.min_inlier_ratio,
            min_spread=self.min_spread / 4,
            max_corner_std_px=10 * self.max_corner_std_px,
        )


@dataclass(frozen=True)
class Quality:
    """Figures that a homography is judged by.

    Attributes:
        inliers: correspondences that agree with the homography.
        inlier_ratio: their fraction of all correspondences.
        log10_false_alarms: a-contrario, the log10 of the number of homographies with as many inliers that
            uniformly random correspondences are expected to offer.
        spread: extent of the inliers over the thermal frame along their narrowest direction: 0 on a line, 1
            when they fill the frame evenly.
        rms_px: reprojection error of the inliers, root mean square, reference pixels.
        corner_std_px: standard deviation of the least certain corner of the thermal frame, as the inliers'
            residuals imply it, reference pixels.
    """

    inliers: int
    inlier_ratio: float
    log10_false_alarms: float
    spread: float
    rms_px: float
    corner_std_px: float


@dataclass(frozen=True)
class Estimate:
    """What the correspondences say, and the gate's verdict.

    Attributes:
        status: OK, FEW_MATCHES, FEW_INLIERS or DEGENERATE.
        homography: float64 (3, 3), thermal to visible camera pixels, last element 1; None unless OK.
        inliers: bool (N,), those of a rejected homography too.
        quality: figures of the homography, rejected or not; None where there was none to judge.
    """

    status: Status
    homography: Float64 | None
    inliers: NDArray[np.bool_]
    quality: Quality | None


def estimate(
    thermal_points: Points, visible_points: Points, thermal: Size, visible: Size, gate: Gate
) -> Estimate:
    """Fit a homography to correspondences and put it before the gate.

    Args:
        thermal_points: (N, 2) thermal camera pixels.
        visible_points: (N, 2) visible camera pixels, the same places row by row.
        thermal: size of the thermal image.
        visible: size of the visible image.
        gate: the thresholds.
    """
    nothing = np.zeros(len(thermal_points), np.bool_)
    if len(thermal_points) < gate.min_matches:
        return Estimate(Status.FEW_MATCHES, None, nothing, None)
    source = transform(to_unit(thermal), thermal_points)
    target = transform(to_reference(visible), visible_points)
    unit = fit(source, target, gate.inlier_px)
    if unit is None:
        return Estimate(Status.FEW_INLIERS, None, nothing, None)
    distances = errors(unit, source, target)
    inliers = distances <= gate.inlier_px
    quality = _measure(unit, source, distances, inliers, thermal, visible, gate)
    status = _verdict(quality, gate)
    if status is Status.OK and not _is_plausible(unit, thermal, gate):
        status = Status.DEGENERATE
    if status is not Status.OK:
        return Estimate(status, None, inliers, quality)
    homography = np.linalg.inv(to_reference(visible)) @ unit @ to_unit(thermal)
    return Estimate(status, homography / homography[2, 2], inliers, quality)


def confirm(
    alignment: Alignment,
    thermal_points: Points,
    visible_points: Points,
    thermal: Size,
    visible: Size,
    gate: Gate,
) -> Estimate:
    """Judge an aligned homography: edges and correspondences must each support it.

    Args:
        alignment: of the two images.
        thermal_points: as in `estimate`.
        visible_points: as in `estimate`.
        thermal: size of the thermal image.
        visible: size of the visible image.
        gate: the thresholds.
    """
    homography = alignment.homography
    source = transform(to_unit(thermal), thermal_points)
    target = transform(to_reference(visible), visible_points)
    unit = to_reference(visible) @ homography @ np.linalg.inv(to_unit(thermal))
    unit /= unit[2, 2]
    distances = errors(unit, source, target)
    inliers = distances <= gate.inlier_px
    quality = _measure(unit, source, distances, inliers, thermal, visible, gate)
    on_edges = (
        alignment.peak_prominence >= gate.min_peak_prominence
        and alignment.second_peak_ratio <= gate.max_second_peak_ratio
    )
    status = Status.OK
    if not on_edges or not _is_plausible(unit, thermal, gate):
        status = Status.DEGENERATE
    elif quality.inliers < gate.min_inliers:
        status = Status.FEW_INLIERS
    return Estimate(status, homography if status is Status.OK else None, inliers, quality)


def is_plausible(homography: Float64, thermal: Size, visible: Size, gate: Gate) -> bool:
    """Whether one camera may see the other's frame like this: no mirror, no horizon, no absurd stretch."""
    unit = to_reference(visible) @ homography @ np.linalg.inv(to_unit(thermal))
    return bool(unit[2, 2] != 0) and _is_plausible(unit / unit[2, 2], thermal, gate)


def _is_plausible(unit: Float64, thermal: Size, gate: Gate) -> bool:
    depths = transform(to_unit(thermal), corners(thermal)) @ unit[2, :2] + 1
    # The centre's depth is 1, so where the horizon crosses the frame one corner is above 0 and one not above.
    if not depths.max() <= gate.max_perspective * depths.min():
        return False
    stretch = jacobian(unit, (0.0, 0.0)) / (REFERENCE_WIDTH / 2)
    area = float(np.linalg.det(stretch))
    if not area > 0:  # mirrored, or flattened to a line
        return False
    along, across = np.linalg.svd(stretch, compute_uv=False)
    smallest, greatest = gate.scale_range
    return bool(smallest <= area**0.5 <= greatest and along <= gate.max_anisotropy * across)


def _verdict(quality: Quality, gate: Gate) -> Status:
    if (
        quality.inliers < gate.min_inliers
        or quality.inlier_ratio < gate.min_inlier_ratio
        or quality.log10_false_alarms > math.log10(gate.max_false_alarms)
    ):
        return Status.FEW_INLIERS
    if quality.spread < gate.min_spread or quality.corner_std_px > gate.max_corner_std_px:
        return Status.DEGENERATE
    return Status.OK


def _measure(
    unit: Float64,
    source: Float64,
    distances: Float64,
    inliers: NDArray[np.bool_],
    thermal: Size,
    visible: Size,
    gate: Gate,
) -> Quality:
    total, count = len(source), int(inliers.sum())
    if count <= SAMPLE:  # a homography fits any four: nothing is left to measure
        return Quality(count, count / total, math.inf, 0.0, 0.0, math.inf)
    rms = float(np.sqrt(np.mean(distances[inliers] ** 2)))
    return Quality(
        inliers=count,
        inlier_ratio=count / total,
        log10_false_alarms=_log10_false_alarms(total, count, gate.inlier_px, visible),
        spread=_spread(source[inliers], thermal),
        rms_px=rms,
        corner_std_px=_corner_std(unit, source[inliers], max(rms, gate.noise_floor_px), thermal),
    )


def _log10_false_alarms(total: int, count: int, inlier_px: float, visible: Size) -> float:
    """A-contrario: each choice of four matches is a try, which each other match joins by chance.

    That chance is the fraction of the image that the inlier disc covers.
    """

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    chance = min(1.0, math.pi * inlier_px**2 / (REFERENCE_WIDTH**2 * visible[0] / visible[1]))
    tries = math.log(total) + log_choose(total, count) + log_choose(count, SAMPLE)
    return (tries + (count - SAMPLE) * math.log(chance)) / math.log(10)


def _spread(source: Float64, thermal: Size) -> float:
    square = source * (1, thermal[1] / thermal[0])  # the frame becomes [-1, 1] x [-1, 1]
    narrowest = float(np.linalg.eigvalsh(np.cov(square.T))[0])
    return math.sqrt(3 * max(narrowest, 0.0))  # 1/3 is the variance of an even spread over [-1, 1]


def _corner_std(unit: Float64, source: Float64, rms: float, thermal: Size) -> float:
    """Covariance of the residuals, carried through the eight parameters to the thermal corners."""
    variance = rms**2 * len(source) / (2 * len(source) - 8)
    design = linearise(unit, source)[1].reshape(-1, 8)
    at_corners = linearise(unit, transform(to_unit(thermal), corners(thermal)))[1]
    try:
        covariance = np.linalg.inv(design.T @ design) * variance
    except np.linalg.LinAlgError:
        return math.inf
    worst = float(np.einsum("cik,kl,cil->c", at_corners, covariance, at_corners).max())
    return math.sqrt(worst) if math.isfinite(worst) and worst > 0 else math.inf
