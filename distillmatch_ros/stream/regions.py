"""Depth by regions over a stream: each pair's are found from those of the pair before, while that pays.

Passes of the network tell whether it does: regions are found by edges, so the matches of a pass are evidence
that they did not use.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.events import Finding, RigEvent
from distillmatch_ros.rig.model import RigMapping
from distillmatch_ros.rig.regions import Regions, find_regions

JUDGES = 8
"""Passes by which regions are judged."""
AGAIN_S = 60.0
"""Time after which regions that did not pay are tried again, s."""

_WRONG_PX = 10.0  # of a thermal image 640 wide: farther matches are wrong, and count as so far off
_HELD = 6  # latest pairs with regions of which passes may still be under way


class RegionTrack:
    """What is known of the regions of earlier pairs. Must be used by one thread at a time."""

    def __init__(self) -> None:
        """Start without pairs."""
        self._last: tuple[RigMapping, Regions] | None = None
        self._held: deque[tuple[int, RigMapping, Regions]] = deque(maxlen=_HELD)
        self._gaps: list[tuple[float, float]] = []
        self._again: int | None = None
        self.events: deque[RigEvent] = deque(maxlen=20)
        """When they were found not to pay."""

    def mapping(self, on_plane: RigMapping, pair: PreparedPair, stamp: int) -> ImageMapping:
        """The mapping of a pair by regions, see `find_regions`; its plane's while they do not pay.

        A pair with the same mapping as the one before, which was not looked at anew, keeps its regions too.

        Args:
            on_plane: the pair's mapping.
            pair: its images.
            stamp: of the pair, ns.
        """
        if self._again is not None and stamp < self._again:
            return on_plane
        if self._last is None or self._last[0] is not on_plane:
            before = None
            if self._last is not None and self._last[0].rig is on_plane.rig:
                before = self._last[1]
            shift = float(on_plane.shift[0]), float(on_plane.shift[1])
            images = pair.visible.grey_8bit, pair.thermal.grey_8bit
            self._last = on_plane, find_regions(on_plane.rig, *images, on_plane.plane, shift, before)
            self._held.append((stamp, *self._last))
        return self._last[1].mapping

    def judge(self, passes: Sequence[tuple[int, Registration]], stamp: int) -> None:
        """Compare regions with the plane by the matches of passes over pairs that had them.

        Args:
            passes: with the stamps of their pairs; see `Followed`.
            stamp: of the present pair, ns.
        """
        for passed, found in passes:
            for held, on_plane, regions in self._held:
                if held == passed and len(found.visible_points):
                    gaps = _gap(on_plane, found), _gap(regions.mapping, found)
                    self._gaps.append(gaps)
        if len(self._gaps) < JUDGES:
            return
        plane, regions_px = np.mean(self._gaps, axis=0).tolist()
        self._gaps.clear()
        if regions_px <= plane:
            return
        self._again = stamp + round(AGAIN_S * SECOND)
        self._last = None
        self._held.clear()
        self.events.append(
            RigEvent(
                stamp,
                Finding.REGIONS,
                f"regions do not pay: matches of {JUDGES} passes are {regions_px:.2f} px from them and "
                f"{plane:.2f} px from the plane, which maps pairs for the next {AGAIN_S:.0f} s",
                distance_px=regions_px,
            )
        )


def _gap(mapping: ImageMapping, found: Registration) -> float:
    """Mean distance of matches from where a mapping takes them, pixels of a thermal image 640 wide."""
    gaps = np.hypot(*(mapping.to_thermal(found.visible_points) - found.thermal_points).T)
    gaps *= REFERENCE_WIDTH / mapping.thermal_size[1]
    return float(np.minimum(np.where(np.isfinite(gaps), gaps, np.inf), _WRONG_PX).mean())
