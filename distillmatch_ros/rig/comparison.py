"""Whether two drives had the same geometry of cameras: how far apart their maps are at the same depth.

What is compared is where the corners of the thermal image lie in the visible one. A rig has them on a curve,
by the depth of what is seen; a drive without a rig has them at one place. Pose and depth trade against each
other, and two drives see different depths; therefore only what no other depth explains counts.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, Size, corners, transform
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.uncertainty import map_deviations

_STEPS = 4  # between the farthest and the nearest depth that a drive saw, and beyond them at either end
_NEXT = 1e-9  # inverse depths that are nearer are the same


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

    def __str__(self) -> str:
        return f"{self.px:.1f} px (standard deviation {self.deviation_px:.1f})"


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where a drive has the corners of the thermal image in the visible one, from far to near.

    Attributes:
        places: float64 (N, 4, 2), reference pixels, by the depth; N = 1 without a rig.
        deviations: float64 (N,), standard deviations of the places, reference pixels.
        seen: index of the first place at a depth that the drive saw, and that after the last.
        rig: the rig; None without one.
    """

    places: Float64
    deviations: Float64
    seen: tuple[int, int] = (0, 1)
    rig: LearnedRig | None = None

    @classmethod
    def of_place(cls, place: Float64, deviation_px: float) -> "Geometry":
        """Of a drive without a rig: the corners' median places, (4, 2) reference pixels."""
        return cls(place[None], np.array([deviation_px]))

    @classmethod
    def of_rig(cls, rig: LearnedRig) -> "Geometry":
        """Of a rig, from the depths that it has seen to as many more nearer, and far away."""
        model, (low, high) = rig.model, rig.inverse_depths
        ends = min(2 * low - high, 0.0), low, high, 2 * high - low
        depths = np.unique([np.linspace(*each, _STEPS + 1) for each in pairwise(ends)])
        sizes = model.thermal.size, model.visible.size
        kept, places = [], []
        for depth in depths.tolist():
            with suppress(DistillMatchError):  # no camera sees a plane there
                places.append(reference_corners(model.at(depth).homography, *sizes))
                kept.append(depth)
        found = [map_deviations(model, depth) for depth in (low, high)]
        px = [0.0 if each is None else each.corner for each in found]
        deviations = np.interp(kept, [low, max(high, low + _NEXT)], px)
        seen = np.searchsorted(kept, [low - _NEXT, high + _NEXT]).tolist()
        return cls(np.array(places), deviations, (seen[0], seen[1]), rig)

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
        along = np.diff(self.places, axis=0)
        gaps = places[:, None] - self.places[:-1]
        fractions = (gaps * along).sum((2, 3)) / np.maximum((along * along).sum((1, 2)), 1e-12)
        fractions = np.clip(fractions, 0, 1)
        gaps = gaps - fractions[..., None, None] * along
        best = (gaps * gaps).sum((2, 3)).argmin(axis=1)
        rows = np.arange(len(places))
        return gaps[rows, best], best + fractions[rows, best]

    def displacement(self, other: "Geometry") -> Displacement:
        """How far another drive's geometry is from this one; both are of images of the same sizes.

        Of two rigs the one that has seen depths which the other knows is compared with it.
        """
        ways = []
        if self.rig is not None or other.rig is None:
            ways.append(self._displacement(other))
        if other.rig is not None:
            back = other._displacement(self)
            ways.append(replace(back, offset=(-back.offset[0], -back.offset[1])))
        return min(ways, key=lambda way: way.px)

    def _displacement(self, other: "Geometry") -> Displacement:
        """How far the depths that another drive saw are from this geometry."""
        there, deviations = (each[slice(*other.seen)] for each in (other.places, other.deviations))
        offsets, at = self.offsets(there)
        px = mean_distance(offsets)
        worst = int(px.argmax())
        own = np.interp(at[worst], np.arange(len(self.deviations)), self.deviations)
        right, down = offsets.mean(axis=(0, 1)).tolist()
        return Displacement(float(px[worst]), float(np.hypot(own, deviations[worst])), (right, down))


def reference_corners(homography: Float64, thermal: Size, visible: Size) -> Float64:
    """Where the thermal image's outer corners lie in the visible image, (4, 2) reference pixels."""
    return transform(homography, corners(thermal)) * (REFERENCE_WIDTH / visible[1])


def mean_distance(offsets: Float64) -> Float64:
    """Length of offsets (..., 4, 2) of the four corners, mean over the corners, (...)."""
    distances: Float64 = np.linalg.norm(offsets, axis=-1).mean(axis=-1)
    return distances
