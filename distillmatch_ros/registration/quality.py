"""Figures by which a homography is judged: of its matches and, after alignment, of the images' edges."""

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import (
    REFERENCE_WIDTH,
    Float64,
    Size,
    corners,
    linearise,
    to_unit,
    transform,
)

SAMPLE = 4
"""Number of correspondences that determine a homography."""


@dataclass(frozen=True)
class Quality:
    """Figures of a homography: of its matches and, after alignment, of the images' edges.

    Attributes:
        inliers: number of correspondences that agree with the homography.
        inlier_ratio: their fraction of all correspondences.
        log10_false_alarms: a-contrario: log10 of the expected number of homographies with as many inliers
            among uniformly random correspondences.
        spread: extent of the inliers over the thermal image along their narrowest direction: 0 on a line, 1
            if evenly distributed.
        rms_px: RMS reprojection error of the inliers, reference pixels.
        corner_std_px: standard deviation of the least certain corner of the thermal image, computed from the
            inliers' residuals, reference pixels.
        edge_correlation: see `Alignment`; None without an alignment, as the next two.
        peak_prominence: see `Alignment`.
        second_peak_ratio: see `Alignment`.
    """

    inliers: int
    inlier_ratio: float
    log10_false_alarms: float
    spread: float
    rms_px: float
    corner_std_px: float
    edge_correlation: float | None = None
    peak_prominence: float | None = None
    second_peak_ratio: float | None = None

    def record(self) -> dict[str, float | None]:
        """The figures by name, to four decimals, for JSON; None if unknown or infinite."""
        return {
            name: round(value, 4) if value is not None and math.isfinite(value) else None
            for name, value in asdict(self).items()
        }


def measure(
    unit: Float64,
    source: Float64,
    distances: Float64,
    inliers: NDArray[np.bool_],
    thermal: Size,
    visible: Size,
    inlier_px: float,
    noise_floor_px: float,
) -> Quality:
    """Compute the figures of a homography from its matches.

    Args:
        unit: unit homography, thermal unit coordinates to reference pixels.
        source: (N, 2) thermal points, unit coordinates.
        distances: (N,) reprojection errors, reference pixels.
        inliers: bool (N,).
        thermal: size of the thermal image.
        visible: size of the visible image.
        inlier_px: greatest reprojection error of an inlier, reference pixels.
        noise_floor_px: least assumed error of a match, reference pixels.
    """
    total, count = len(source), int(inliers.sum())
    if count <= SAMPLE:  # any four matches fit exactly: there are no residuals
        return Quality(count, count / total, math.inf, 0.0, 0.0, math.inf)
    rms = float(np.sqrt(np.mean(distances[inliers] ** 2)))
    return Quality(
        inliers=count,
        inlier_ratio=count / total,
        log10_false_alarms=_log10_false_alarms(total, count, inlier_px, visible),
        spread=_spread(source[inliers], thermal),
        rms_px=rms,
        corner_std_px=_corner_std(unit, source[inliers], max(rms, noise_floor_px), thermal),
    )


def _log10_false_alarms(total: int, count: int, inlier_px: float, visible: Size) -> float:
    """A-contrario: each choice of four matches is a test that every other match may pass by chance.

    The probability of that is the fraction of the image covered by the inlier disc.
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
    """Propagate the residuals' covariance through the eight parameters to the thermal corners."""
    variance = rms**2 * len(source) / (2 * len(source) - 8)
    design = linearise(unit, source)[1].reshape(-1, 8)
    at_corners = linearise(unit, transform(to_unit(thermal), corners(thermal)))[1]
    try:
        covariance = np.linalg.inv(design.T @ design) * variance
    except np.linalg.LinAlgError:
        return math.inf
    worst = float(np.einsum("cik,kl,cil->c", at_corners, covariance, at_corners).max())
    return math.sqrt(worst) if math.isfinite(worst) and worst > 0 else math.inf
