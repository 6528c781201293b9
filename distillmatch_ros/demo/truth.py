"""True correspondences of a synthetic pair, and the error of a homography against them."""

from dataclasses import dataclass

import cv2
import numpy as np

from distillmatch_ros.geometry.homography import Float64, transform
from distillmatch_ros.scene import SyntheticPair


@dataclass(frozen=True, eq=False)
class Truth:
    """The true places of thermal pixels in the visible image.

    Attributes:
        thermal_points: float64 (N, 2), x and y.
        visible_points: float64 (N, 2), row by row the same places.
    """

    thermal_points: Float64
    visible_points: Float64

    @classmethod
    def of(cls, pair: SyntheticPair, every: int = 1) -> "Truth":
        """The truth of one pixel in ``every`` along either axis."""
        known = np.isfinite(pair.truth[::every, ::every, 0])
        rows, columns = (every * index for index in np.nonzero(known))
        places = np.stack([columns, rows], axis=1).astype(np.float64)
        return cls(places, pair.truth[rows, columns].astype(np.float64))

    def rms_px(self, homography: Float64) -> float:
        """Root mean square, visible pixels, of how far off a homography puts these pixels."""
        gaps = transform(homography, self.thermal_points) - self.visible_points
        return float(np.sqrt(np.mean(np.sum(gaps**2, axis=1))))

    def best_rms_px(self) -> float:
        """The least that any homography reaches; above 0, for houses, road and people lie in no one plane."""
        # Without an outlier method OpenCV minimises the sum of squares over all points.
        least_squares, _ = cv2.findHomography(self.thermal_points, self.visible_points, 0)
        return self.rms_px(np.asarray(least_squares, np.float64))
