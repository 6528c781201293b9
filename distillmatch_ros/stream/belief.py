"""How probable a homography is that one pass after another confirms.

A pass tells how probable its own homography is. Passes over different views go wrong in different ways: where
they agree, each leaves less doubt. A pass over the view that the last one saw says nothing new.
"""

from dataclasses import dataclass

from distillmatch_ros.images.likeness import Look

MOST = 0.98
"""Highest probability that passes which agree give: a whole place may mislead all of them."""

_ANOTHER = 0.2  # fraction of the visible image that shows something else, from which on it is another view
_LEAST_LEFT = 0.5  # fraction of the doubt that each pass leaves, at least


@dataclass(frozen=True)
class Belief:
    """What passes say of a homography.

    Attributes:
        probability: that its corner error is below 10 px, in [0, 1].
        view: what the visible camera showed at the last pass that counted.
    """

    probability: float
    view: Look

    def confirmed(self, probability: float, view: Look) -> "Belief":
        """With a pass of some probability over a view that agrees with the homography."""
        if view.change(self.view) < _ANOTHER:
            return Belief(max(self.probability, probability), self.view)
        doubt = (1 - self.probability) * max(_LEAST_LEFT, 1 - probability)
        return Belief(max(probability, min(MOST, 1 - doubt)), view)

    def faded(self, support: float) -> float:
        """The probability on edges that support the homography less than those of the pass, as a fraction.

        The odds fall in that proportion.
        """
        odds = self.probability / max(1 - self.probability, 1e-9) * min(1.0, max(0.0, support))
        return odds / (1 + odds)
