"""Classic baselines of ``distillmatch evaluate``, SIFT and AKAZE.

They get the same 8-bit grey images as the network but at full resolution, use OpenCV's default detectors and
Lowe's ratio of 0.8, and estimate with MAGSAC++. There is no gate: every homography from at least four matches
counts, so that their wrong homographies show the benefit of a gate.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Points
from distillmatch_ros.images.gain_control import to_8bit

_LOWE_RATIO = 0.8
_INLIER_PX = 3.0
_MAGSAC_ITERATIONS = 5_000
LEAST_MATCHES = 4


class FeatureMatcher:
    """A classic detector and descriptor, ratio test, MAGSAC++."""

    def __init__(self, detector: cv2.Feature2D, norm: int) -> None:
        """Match the detector's descriptors by ``norm``, one of OpenCV's ``NORM_`` constants."""
        self._detector = detector
        self._matcher = cv2.BFMatcher(norm)

    @classmethod
    def sift(cls) -> "FeatureMatcher":
        """SIFT key points and descriptors."""
        return cls(cv2.SIFT.create(), cv2.NORM_L2)

    @classmethod
    def akaze(cls) -> "FeatureMatcher":
        """AKAZE key points and binary descriptors."""
        return cls(cv2.AKAZE.create(), cv2.NORM_HAMMING)

    def __call__(self, visible: NDArray[Any], thermal: NDArray[Any]) -> Float64 | None:
        """Register one pair.

        Args:
            visible: image as OpenCV gives it.
            thermal: image as OpenCV gives it, any depth.

        Returns:
            float64 (3, 3), thermal px -> visible px; None with fewer than four matches or without a model.
        """
        visible_points, visible_descriptors = self._detector.detectAndCompute(to_8bit(visible), None)
        thermal_points, thermal_descriptors = self._detector.detectAndCompute(to_8bit(thermal), None)
        if not visible_points or not thermal_points:
            return None
        # With fewer than two neighbours there is no ratio.
        nearest = [
            n for n in self._matcher.knnMatch(thermal_descriptors, visible_descriptors, k=2) if len(n) == 2
        ]
        matches = [best for best, second in nearest if best.distance < _LOWE_RATIO * second.distance]
        return estimate(
            np.array([visible_points[match.trainIdx].pt for match in matches], np.float64),
            np.array([thermal_points[match.queryIdx].pt for match in matches], np.float64),
            LEAST_MATCHES,
        )


def estimate(visible: Points, thermal: Points, least_inliers: int) -> Float64 | None:
    """Estimate the homography of matches by MAGSAC++.

    Args:
        visible: (N, 2), px of the visible image.
        thermal: (N, 2), px of the thermal image.
        least_inliers: fewest inliers, at least four.

    Returns:
        float64 (3, 3), thermal px -> visible px; None with fewer inliers.
    """
    if len(visible) < LEAST_MATCHES:
        return None
    homography, inliers = cv2.findHomography(
        thermal,
        visible,
        cv2.USAC_MAGSAC,
        ransacReprojThreshold=_INLIER_PX,
        maxIters=_MAGSAC_ITERATIONS,
        confidence=0.9999,
    )
    if homography is None or inliers.sum() < least_inliers:
        return None
    return homography.astype(np.float64)
