"""Tells a knock of the cameras, or a depth that was not seen before, by passes that agree with each other.

Wrong passes are wrong in different ways. What several agree on, though not with the rig, is so: either the
cameras moved against each other, or the scene is nearer or farther than any from which the rig was learned.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distillmatch_ros.geometry.homography import corner_error
from distillmatch_ros.rig.learning import LearnedRig, Observation
from distillmatch_ros.rig.obstacles import moved
from distillmatch_ros.rig.trust import AGREE_PX, Judgement

KNOCKS, OFFS, ZOOMS = 3, 5, 2
"""Passes since the last one that confirmed the rig that have to agree with each other and not with the rig,
if all contradict it, if they are only off by more than `AGREE_PX`, and if all contradict it by a zoom alone,
which chance hardly makes."""

_LATEST = 8  # passes among which they are looked for: some of those between may be wrong


@dataclass(frozen=True, eq=False)
class Off:
    """A pass with a mapping that does not confirm the rig, and its pair."""

    observed: Observation
    judgement: Judgement


class Offs:
    """The latest passes that do not confirm a rig."""

    def __init__(self) -> None:
        """Start without passes."""
        self._latest: deque[Off] = deque(maxlen=_LATEST)

    def clear(self) -> None:
        """Forget them: a pass has confirmed the rig."""
        self._latest.clear()

    def add(self, off: Off, rig: LearnedRig) -> Sequence[Off]:
        """Add a pass.

        Returns:
            Those that agree with it, it last, if they are enough to be believed; else none.
        """
        self._latest.append(off)
        agreeing = [each for each in self._latest if _agree(each, off, rig)]
        contradicting = sum(each.judgement.contradicts for each in agreeing)
        zooming = sum(each.judgement.contradicts and _zooms(each, rig) for each in agreeing)
        found = contradicting >= KNOCKS or len(agreeing) >= OFFS or zooming >= ZOOMS
        return agreeing if found else ()


def _zooms(off: Off, rig: LearnedRig) -> bool:
    assert off.observed.mapping is not None, "a pass without a mapping is not off"
    return moved(rig.near(np.array([0, 0, off.judgement.inverse_depth, 0, 0])), off.observed.mapping).is_zoom


def _agree(one: Off, other: Off, rig: LearnedRig) -> bool:
    assert one.observed.mapping is not None, "a pass without a mapping is not off"
    assert other.observed.mapping is not None, "likewise"
    sizes = rig.model.thermal.size, rig.model.visible.size
    far, near = (rig.model.at(depth).homography for depth in rig.inverse_depths)
    apart = AGREE_PX + corner_error(far, near, *sizes)  # passes see different depths
    return corner_error(one.observed.mapping.homography, other.observed.mapping.homography, *sizes) <= apart


def at_other_depths(rig: LearnedRig, offs: Sequence[Off]) -> LearnedRig | None:
    """The rig with the depths of passes that agree, if it explains them there; None if it does not.

    What lies behind infinity cannot be seen.
    """
    low, high = rig.inverse_depths
    depths = [off.judgement.inverse_depth for off in offs]
    if min(depths) < min(low, 0.0) or any(off.judgement.gap_px > AGREE_PX for off in offs):
        return None
    return rig.with_depths(min(low, *depths), max(high, *depths))
