"""True correspondences of a synthetic pair, and the error of a homography against them."""

from dataclasses import dataclass

import cv2
import numpy as np

from distillmatch_ros.geometry.homography import Float64, transform
from distillmatch_ros.scene import SyntheticPair


@dataclass(frozen=True, eq=False)
class TruePoints:
    """True positions of thermal pixels in the visible image.

    Attributes:
        thermal_points: float64 (N, 2), x and y, pixels.
        visible_points: float64 (N, 2), x and y of the same scene points, pixels.
    """

    thermal_points: Float64
    visible_points: Float64

    @classmethod
    def of(cls, pair: SyntheticPair, every: int = 1) -> "TruePoints":
        """The true correspondences of one pixel in ``every`` along either axis."""
        known = np.isfinite(pair.truth[::every, ::every, 0])
        rows, columns = (every * index for index in np.nonzero(known))
        places = np.stack([columns, rows], axis=1).astype(np.float64)
        return cls(places, pair.truth[rows, columns].astype(np.float64))

    def rms_px(self, homography: Float64) -> float:
        """RMS distance between the points mapped by a homography and their true positions, visible pixels."""
        gaps = transform(homography, self.thermal_points) - self.visible_points
        return float(np.sqrt(np.mean(np.sum(gaps**2, axis=1))))

    def best_rms_px(self) -> float:
        """Smallest RMS error that any homography reaches; above 0, since the scene is not planar."""
        # Without an outlier method OpenCV minimises the sum of squares over all points.
        least_squares, _ = cv2.findHomography(self.thermal_points, self.visible_points, 0)
        return self.rms_px(np.asarray(least_squares, np.float64))
