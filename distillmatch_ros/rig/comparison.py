"""Whether two drives had the same geometry of cameras: how far apart their maps are at the same depth.

What is compared is where the corners of the thermal image lie in the visible one. A rig has them on a curve,
by the depth of what is seen; a drive without a rig has them at one place. Pose and depth trade against each
other, and two drives see different depths; therefore only what no other depth explains counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, Size, corners, transform
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.uncertainty import map_deviations

_DEPTHS = 17  # of a rig's curve; between them it is nearly straight
_SEEN = 3  # of the depths that a drive saw, for its comparison with another


@dataclass(frozen=True)
class Displacement:
    """How far two geometries are apart.

    Attributes:
        px: mean distance of the corners at the same depth, at the depth where it is greatest, reference px.
        deviation_px: its standard deviation by those of the two, reference px.
        offset: by which the other one's corners lie to the right and down, mean, reference px.
    """

    px: float
    deviation_px: float
    offset: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where a drive has the corners of the thermal image in the visible one, from far to near.

    Attributes:
        places: float64 (N, 4, 2), reference pixels; N = 1 without a rig.
        deviations: float64 (N,), standard deviations of the places, reference pixels.
        rig: the rig; None without one.
    """

    places: Float64
    deviations: Float64
    rig: LearnedRig | None = None

    @classmethod
    def of_place(cls, place: Float64, deviation_px: float) -> "Geometry":
        """Of a drive without a rig: the corners' median places, (4, 2) reference pixels."""
        return cls(place[None], np.array([deviation_px]))

    @classmethod
    def of_rig(cls, rig: LearnedRig, like: Sequence[LearnedRig] = ()) -> "Geometry":
        """Of a rig, at the depths that it or others like it have seen, and as many more at either end."""
        ranges = [each.inverse_depths for each in (rig, *like)]
        low, high = min(far for far, _ in ranges), max(near for _, near in ranges)
        return cls._at(rig, np.linspace(2 * low - high, 2 * high - low, _DEPTHS))

    @property
    def seen(self) -> "Geometry":
        """Only the depths that the drive saw."""
        return self if self.rig is None else self._at(self.rig, np.linspace(*self.rig.inverse_depths, _SEEN))

    @classmethod
    def _at(cls, rig: LearnedRig, inverse_depths: Float64) -> "Geometry":
        places, deviations = [], []
        for depth in inverse_depths.tolist():
            try:
                homography = rig.model.at(depth).homography
            except DistillMatchError:  # no camera sees a plane there
                continue
            places.append(reference_corners(homography, rig.model.thermal.size, rig.model.visible.size))
            found = map_deviations(rig.model, depth)
            deviations.append(0.0 if found is None else found.corner)
        return cls(np.array(places), np.array(deviations), rig)

    def offsets(self, places: Float64) -> tuple[Float64, Float64]:
        """How far places are off the nearest place of this geometry.

        Args:
            places: (M, 4, 2), reference pixels.

        Returns:
            Offsets of the corners, (M, 4, 2), and where on the curve the nearest place is, (M,), from 0 for
            the first of `places` to N - 1.
        """
        if len(self.places) == 1:
            return places - self.places, np.zeros(len(places))
        starts, ends = (part.reshape(-1, 8) for part in (self.places[:-1], self.places[1:]))
        along = ends - starts
        flat = places.reshape(-1, 1, 8) - starts
        fractions = (flat * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-12)
        fractions = np.clip(fractions, 0, 1)
        gaps = flat - fractions[..., None] * along
        best = (gaps * gaps).sum(-1).argmin(axis=1)
        rows = np.arange(len(places))
        return gaps[rows, best].reshape(-1, 4, 2), best + fractions[rows, best]

    def displacement(self, other: "Geometry") -> Displacement:
        """How far another drive's geometry is from this one; both are of images of the same sizes."""
        if self.rig is None and other.rig is not None:  # the one place is compared with the curve
            back = other.displacement(self)
            return Displacement(back.px, back.deviation_px, (-back.offset[0], -back.offset[1]))
        curve = self
        if self.rig is not None and other.rig is not None:
            curve = Geometry.of_rig(self.rig, [other.rig])
        there = other.seen
        offsets, at = curve.offsets(there.places)
        px = mean_distance(offsets)
        own = np.interp(at, np.arange(len(curve.deviations)), curve.deviations)
        worst = int(px.argmax())
        right, down = offsets.mean(axis=(0, 1)).tolist()
        deviation = float(np.hypot(own[worst], there.deviations[worst]))
        return Displacement(float(px[worst]), deviation, (right, down))


def reference_corners(homography: Float64, thermal: Size, visible: Size) -> Float64:
    """Where the thermal image's outer corners lie in the visible image, (4, 2) reference pixels."""
    return transform(homography, corners(thermal)) * (REFERENCE_WIDTH / visible[1])


def mean_distance(offsets: Float64) -> Float64:
    """Length of offsets (..., 4, 2) of the four corners, mean over the corners, (...)."""
    distances: Float64 = np.linalg.norm(offsets, axis=-1).mean(axis=-1)
    return distances
