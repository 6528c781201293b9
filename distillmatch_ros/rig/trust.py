"""How probable it is that a rig still maps the pairs: by the passes that judged it, in their order.

A rig is right until the cameras move, however long it was. Passes tell in which of these two states it is:
each changes the odds by how much likelier it is in one of them (a hidden Markov model). Odds are bounded, so
that a few passes suffice after a knock, whatever hundreds said before.
"""

from dataclasses import dataclass, replace

from distillmatch_ros.registration.probability import with_odds

AGREE_PX, FAR_PX = 10.0, 16.0
"""Corner error of a pass against the rig, reference pixels: up to the first it confirms the rig, beyond the
second it contradicts it."""
EXCESS_PX = 3.0
"""What a rig may add to the distances of a pass's matches, reference pixels: where lenses bend, a homography
may be far off a rig that explains its matches better than it does."""
MOST = 0.98
"""Highest probability in a stream: a whole place may mislead all passes over it."""
TIMES = 10.0
"""Times a pass is likelier if what it says of the rig is true."""


@dataclass(frozen=True)
class Judgement:
    """A pass that the rig did not learn from.

    Attributes:
        gap_px: corner error between the pass's own mapping and the rig's at the plane that comes closest;
            by a rig in metres and measured depth, distance of its matches from it. Reference pixels.
        off_px: the same with that plane moved to the next likely depth, if that is more.
        inverse_depth: of the plane that comes closest.
        excess_px: what the rig adds to the distances of the pass's matches, in quadrature, reference pixels.
        likely: whether the pass is probably right.
        fits_better: whether the rig leaves less between edges than the pass's own mapping; None if not asked.
    """

    gap_px: float
    off_px: float
    inverse_depth: float
    excess_px: float
    likely: bool
    fits_better: bool | None

    @property
    def agrees(self) -> bool:
        """Whether the pass confirms the rig, at a likely depth."""
        return self.gap_px <= AGREE_PX and not self.contradicts

    @property
    def contradicts(self) -> bool:
        """Whether the pass is far off the rig at likely depths."""
        return self.off_px > FAR_PX

    @property
    def doubts(self) -> bool:
        """Whether the pass is probably right, and then the rig is not."""
        is_off = self.contradicts or self.excess_px > EXCESS_PX
        return self.likely and not self.agrees and is_off


@dataclass(frozen=True)
class Trust:
    """What passes say of a rig so far.

    Attributes:
        probability: that its mapping of a pair is within 10 reference pixels, in [0, 1].
        undoubted: the same without the passes that doubt it since the last one that confirmed it: what a
            homography is to be weighed against that rests on these.
    """

    probability: float = 0.5
    undoubted: float = 0.5

    def after(self, judgement: Judgement) -> "Trust":
        """With one pass more; one that is off and probably wrong says nothing."""
        if judgement.agrees:
            known = min(MOST, with_odds(self.probability, TIMES))
            return Trust(known, known)
        if judgement.doubts:
            return replace(self, probability=max(1 - MOST, with_odds(self.probability, 1 / TIMES)))
        return self
