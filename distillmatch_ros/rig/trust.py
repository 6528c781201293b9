"""How probable it is that a rig still maps the pairs: by the passes that judged it, in their order.

A rig is right until the cameras move, however long it was. Passes tell in which of these two states it is:
each changes the odds by how much likelier it is in one of them (a hidden Markov model). Odds are bounded, so
that a few passes suffice after a knock, whatever hundreds said before.
"""

from dataclasses import dataclass

from distillmatch_ros.registration.probability import with_odds

MOST = 0.98
"""Highest probability in a stream: a whole place may mislead all passes over it."""
TIMES = 10.0
"""Times a pass is likelier if what it says of the rig is true."""


@dataclass(frozen=True)
class Trust:
    """What passes say of a rig so far.

    Attributes:
        probability: that its mapping of a pair is within 10 reference pixels, in [0, 1].
    """

    probability: float = 0.5

    def confirmed(self) -> "Trust":
        """With a pass that agrees with the rig."""
        return Trust(min(MOST, with_odds(self.probability, TIMES)))

    def doubted(self) -> "Trust":
        """With a pass that is probably right, and does not agree."""
        return Trust(max(1 - MOST, with_odds(self.probability, 1 / TIMES)))
