"""Where the pixels of a synthetic pair truly belong, and how far off a homography puts them."""

from dataclasses import dataclass

import numpy as np

from distillmatch_ros.homography import Float64, transform
from distillmatch_ros.scene import SyntheticPair


@dataclass(frozen=True)
class Errors:
    """Distances between where a homography puts the thermal pixels and where they truly are, visible pixels.

    Houses, road and people do not lie in one plane, so that no homography brings both figures to 0.
    """

    median_px: float
    p95_px: float


@dataclass(frozen=True, eq=False)
class Truth:
    """The true places of thermal pixels in the visible image.

    Attributes:
        thermal_points: float64 (N, 2), x and y.
        visible_points: float64 (N, 2), row by row the same places.
        homography: float64 (3, 3), thermal to visible pixels, the best for what is far away.
    """

    thermal_points: Float64
    visible_points: Float64
    homography: Float64

    @classmethod
    def of(cls, pair: SyntheticPair, every: int = 1) -> "Truth":
        """The truth of one pixel in ``every`` along either axis."""
        known = np.isfinite(pair.truth[::every, ::every, 0])
        rows, columns = (every * index for index in np.nonzero(known))
        places = np.stack([columns, rows], axis=1).astype(np.float64)
        return cls(places, pair.truth[rows, columns].astype(np.float64), pair.homography)

    def errors(self, homography: Float64) -> Errors:
        """Errors of a homography over all these pixels."""
        gaps = transform(homography, self.thermal_points) - self.visible_points
        distance = np.hypot(gaps[:, 0], gaps[:, 1])
        return Errors(float(np.median(distance)), float(np.percentile(distance, 95)))

    @property
    def best(self) -> Errors:
        """What the scene's depth leaves to any homography."""
        return self.errors(self.homography)
