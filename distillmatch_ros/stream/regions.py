"""Depth by regions over a stream: each pair's are found from those of the pair before."""

from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.rig.model import RigMapping
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.rig.regions import Regions, find_regions


class RegionTrack:
    """What is known of the regions of earlier pairs. Must be used by one thread at a time."""

    def __init__(self) -> None:
        """Start without pairs."""
        self._last: tuple[RigMapping, Regions] | None = None

    def mapping(self, on_plane: RigMapping, pair: PreparedPair) -> DepthMapping:
        """The mapping of a pair by regions around its plane; see `find_regions`.

        A pair with the same mapping as the one before, which was not looked at anew, keeps its regions too.

        Args:
            on_plane: the pair's mapping.
            pair: its images.
        """
        if self._last is None or self._last[0] is not on_plane:
            before = None
            if self._last is not None and self._last[0].rig is on_plane.rig:
                before = self._last[1]
            shift = float(on_plane.shift[0]), float(on_plane.shift[1])
            images = pair.visible.grey_8bit, pair.thermal.grey_8bit
            self._last = on_plane, find_regions(on_plane.rig, *images, on_plane.plane, shift, before)
        return self._last[1].mapping
