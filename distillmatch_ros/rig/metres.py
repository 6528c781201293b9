"""What is known of a rig's distance by depth, and what it is good for.

Depth moves pixels by the focal length times the distance of the cameras: that product is what images with
depth tell, and it suffices to map each pixel by its depth. The focal lengths themselves show in little more
than the rotation of the cameras, and the distance is no better known than they are.
"""

from dataclasses import dataclass

import numpy as np

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.model import Origin, RigModel

KNOWN = 0.03
"""Greatest standard deviation, as a fraction, of what is used."""
PLAUSIBLE_M = (0.002, 5.0)
"""Distances of two cameras on one robot, m."""
SYSTEMATIC = 0.02
"""Of the distance, on simulated streets and rooms, as a fraction: edges belong to what is nearer."""


@dataclass(frozen=True)
class Scale:
    """The distance of a rig's cameras by depth.

    Attributes:
        metres: the distance.
        deviation: its standard deviation, as a fraction.
        parallax: that of the parallax, the product of distance and focal length.
        pairs: number of pairs that told it.
    """

    metres: float
    deviation: float
    parallax: float
    pairs: int

    @classmethod
    def of(cls, rig: RigModel, pairs: int) -> "Scale":
        """The scale that a fit to matches with depth found, by the rig's covariance."""
        assert rig.covariance is not None, "a fit has one"
        translation = rig.T_visible_thermal.translation
        metres = float(np.linalg.norm(translation))
        by_length = np.zeros(len(rig.covariance))
        by_length[5:8] = translation / metres**2
        by_parallax = by_length + np.eye(len(by_length))[1]
        return cls(
            metres, _deviation(rig.covariance, by_length), _deviation(rig.covariance, by_parallax), pairs
        )

    def __str__(self) -> str:
        if not np.isfinite(self.deviation):
            return f"depth explains the edges of {self.pairs} pairs no better than a plane for each does"
        told = f"the cameras are {self.metres:.3g} m apart, by the depth of {self.pairs} pairs"
        if self.is_known or not self.maps:
            return f"{told} (give or take {self.deviation:.1%})"
        return (
            f"depth maps pixels (parallax is known to {self.parallax:.1%}, by {self.pairs} pairs), but how "
            f"far apart the cameras are is not known ({self.metres:.3g} m, give or take "
            f"{self.deviation:.0%}), as these pairs do not tell the focal lengths; record the camera_info of "
            "both cameras"
        )

    @property
    def is_plausible(self) -> bool:
        """Whether two cameras on one robot can be so far apart."""
        return PLAUSIBLE_M[0] <= self.metres <= PLAUSIBLE_M[1]

    @property
    def is_known(self) -> bool:
        """Whether the distance is told."""
        return self.deviation <= KNOWN and self.is_plausible

    @property
    def maps(self) -> bool:
        """Whether pixels are mapped by depth."""
        return self.parallax <= KNOWN and self.is_plausible

    @property
    def origins(self) -> dict[str, Origin]:
        """Of a rig that has this scale."""
        return {
            "scale": "measured" if self.is_known else "assumed",
            "parallax": "measured" if self.maps else "assumed",
        }


def _deviation(covariance: Float64, derivatives: Float64) -> float:
    return float(np.sqrt(max(float(derivatives @ covariance @ derivatives), 0.0)))
