"""What keeps pairs from being those of one rig: told by how their own homographies differ.

Depth shifts the pictures of a rig along one line, and what is tilted stretches them one way, which enlarges
and turns them half as much. Nothing on one plate enlarges or turns them alone. Each pair's homography is
compared with the middle one of the drive, by an affine map about the centre of the visible image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distillmatch_ros.base.enums import StrEnum
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, corners
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.rig.trust import FAR_PX

_LEAST = 8  # pairs that tell an obstacle
_HALF = REFERENCE_WIDTH / 2  # px from the centre, at which enlargement and turn are measured
_SPREAD = (10, 90)  # percentiles between which pairs differ: some of their homographies are wrong
_GROUPS, _MEMBERS = (2, 3), 3  # numbers of groups that are looked for, and least pairs of each
_NEAR, _GROUPED = 0.25, 0.8  # fraction of the groups' distance, within which this fraction of pairs lies
_ALONE = 2.0  # times the stretch, above which an enlargement or a turn is none of what is tilted
_SLOWLY = 0.5  # von Neumann's ratio below which pairs follow each other; 1 if each differs in its own way


class Obstacle(StrEnum):
    """What speaks against a rig.

    ZOOM: the pictures of one camera are enlarged. SEVERAL: pairs of several rigs, or mountings, are mixed.
    MOUNT: the cameras move against each other slowly. TIME: they are not triggered together on a robot that
    moves.
    """

    ZOOM = "zoom"
    SEVERAL = "several rigs"
    MOUNT = "loose mount"
    TIME = "time offset"


@dataclass(frozen=True)
class Differences:
    """By how much the homographies of pairs differ, reference pixels between the 10th and 90th percentiles.

    Attributes:
        enlarged: half an image width from the centre, by enlargement.
        turned: likewise, by a turn.
        shifted: of the centre, along the axis in which it is more.
        stretched: half an image width from the centre, one way.
        obstacle: what makes pairs differ so, if no rig does it; None if they hardly differ. Only one that
            enlarges pictures speaks against a rig by itself.
    """

    enlarged: float
    turned: float
    shifted: float
    stretched: float
    obstacle: Obstacle | None

    @property
    def no_rig_does(self) -> bool:
        """Whether pictures are enlarged: two cameras do that only if one is far before the other."""
        return self.obstacle is not None and self.enlarged > max(FAR_PX, _ALONE * self.stretched)

    def __str__(self) -> str:
        percent, degrees = np.expm1(self.enlarged / _HALF), np.degrees(self.turned / _HALF)
        match self.obstacle:
            case Obstacle.ZOOM:
                return f"zoom: one camera's pictures are enlarged by up to {percent:.0%}; fix zoom and focus"
            case Obstacle.SEVERAL:
                return (
                    f"several rigs: pairs fall into groups that lie {self._most:.0f} px apart; give those of "
                    "each rig, and of each mounting of it, alone"
                )
            case Obstacle.MOUNT:
                return (
                    f"loose mount: the cameras move against each other by {self.shifted:.0f} px and "
                    f"{degrees:.1f} degrees, and slowly; tighten it"
                )
            case Obstacle.TIME:
                return (
                    f"time offset: each pair is shifted in its own way, by up to {self.shifted:.0f} px; "
                    "trigger the cameras together, set thermal_offset, or record at rest"
                )
            case None:
                return "pairs hardly differ"

    @property
    def _most(self) -> float:
        return max(self.enlarged, self.turned, self.shifted)


def differences(mappings: Sequence[ImageMapping]) -> Differences:
    """Compare the pairs of a drive; fewer than eight tell nothing.

    Args:
        mappings: the pairs' own, in the order of time; a few may be wrong.
    """
    table = _compared(mappings)
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < _LEAST:
        return Differences(0.0, 0.0, 0.0, 0.0, None)
    low, high = np.percentile(table, _SPREAD, axis=0)
    spread = high - low
    stretched = float(spread[4:].max())
    found = Differences(float(spread[0]), float(spread[1]), float(spread[2:4].max()), stretched, None)
    spread[:2][spread[:2] <= _ALONE * stretched] = 0
    largest = int(spread[:4].argmax())
    if spread[largest] <= FAR_PX:
        return found
    column = table[:, largest]
    is_slow = np.mean(np.diff(column) ** 2) < _SLOWLY * 2 * column.var()
    obstacle = Obstacle.MOUNT if is_slow or largest == 1 else Obstacle.TIME
    if largest == 0:
        obstacle = Obstacle.ZOOM
    elif any(_is_grouped(table[:, :4], groups) for groups in _GROUPS):
        obstacle = Obstacle.SEVERAL
    return replace(found, obstacle=obstacle)


@dataclass(frozen=True)
class Change:
    """What takes one mapping of a pair to another; see `Differences`, with signs."""

    enlarged: float
    turned: float
    shifted: float

    @property
    def zoom(self) -> float:
        """Factor of the enlargement."""
        return float(np.exp(self.enlarged / _HALF))

    @property
    def degrees(self) -> float:
        """Turn, clockwise."""
        return float(np.degrees(self.turned / _HALF))

    @property
    def is_zoom(self) -> bool:
        """Whether it hardly does more than enlarge the picture."""
        return abs(self.enlarged) > 2 * max(abs(self.turned), self.shifted)

    def sentence(self, distance_px: float) -> str:
        """What happened, where it moves corners by so much, reference pixels."""
        if self.is_zoom:
            return f"a camera zoomed by {self.zoom:.2f}, which moves corners by {distance_px:.0f} px"
        what = f"the cameras moved against each other by {distance_px:.0f} px"
        return f"{what}, rotated by {self.degrees:+.1f} degrees"


def moved(before: ImageMapping, after: ImageMapping) -> Change:
    """What happened between two mappings."""
    enlarged, turned, x, y, *_ = np.diff(_compared([before, after]), axis=0)[0].tolist()
    return Change(enlarged, turned, float(np.hypot(x, y)))


def _compared(mappings: Sequence[ImageMapping]) -> Float64:
    """Where mappings take the pictures, against the middle one.

    Returns:
        (mappings, 6), reference pixels: enlargement and turn (clockwise), half an image width from the
        centre; shift along x and y; stretch along x and across the diagonal, as the first two.
    """
    if not mappings:
        return np.zeros((0, 6))
    scale = REFERENCE_WIDTH / mappings[0].visible_size[1]
    height, width = mappings[0].visible_size
    centre = (width - 1) / 2, (height - 1) / 2
    ends = corners(mappings[0].thermal_size)
    places = np.array([(mapping.to_visible(ends) - centre) * scale for mapping in mappings])
    middle = np.nanmedian(places, axis=0)
    x, y = middle.T / _HALF
    zero, one = np.zeros_like(x), np.ones_like(x)
    along_x = np.column_stack([x, -y, one, zero, x, y])
    along_y = np.column_stack([y, x, zero, one, -y, x])
    design = np.stack([along_x, along_y], axis=1).reshape(-1, 6)
    return np.asarray((places - middle).reshape(len(mappings), -1) @ np.linalg.pinv(design).T, np.float64)


def _is_grouped(table: Float64, groups: int) -> bool:
    """Whether pairs lie close to so many places that are far apart (k-means from the farthest on)."""
    centres = table[[int(np.linalg.norm(table - np.median(table, axis=0), axis=1).argmax())]]
    while len(centres) < groups:
        gaps = np.linalg.norm(table[:, None] - centres, axis=-1).min(axis=1)
        centres = np.vstack([centres, table[gaps.argmax()]])
    for _ in range(5):
        nearest = np.linalg.norm(table[:, None] - centres, axis=-1).argmin(axis=1)
        if np.bincount(nearest, minlength=groups).min() < _MEMBERS:
            return False
        centres = np.array([np.median(table[nearest == group], axis=0) for group in range(groups)])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1)[np.triu_indices(groups, 1)].min()
    own = np.linalg.norm(table - centres[nearest], axis=1)
    return bool(apart > FAR_PX and (own < _NEAR * apart).mean() >= _GROUPED)
