"""How probable a homography of a stream is: by the pass that found it, and by those that confirm it.

A pass tells how probable its homography is among pairs of any two images, most of which show nothing in
common. In a stream two cameras see the same, so that what the gate accepts is right far more often. Passes
over different views go wrong in different ways: where they agree, each leaves less doubt. A pass over the
view that the last one saw says nothing new.
"""

import math
from dataclasses import dataclass

from distillmatch_ros.images.likeness import Look
from distillmatch_ros.registration.probability import RIGHT_PX, with_odds
from distillmatch_ros.rig.trust import MOST

IN_STREAMS = 10.0
"""Times the odds of a pass are greater in a stream: the correction of a classifier for another base rate
(Saerens et al. 2002, Adjusting the outputs of a classifier to new a priori probabilities). Three of four
pairs in the fit of the probability are impossible. Chosen on 25 panned streets by day and night, and rounded:
20 would fit those better whose own alignment is good, 7 all of them."""

ERROR_PX = RIGHT_PX / math.sqrt(-2 * math.log(1 - MOST))
"""Standard deviation of a homography's error along each direction that `MOST` implies if it is normal (of
Rayleigh's distribution), reference pixels. On 23 panned streams behind a late camera 3.3 would be best."""

_TERMS = 40  # what is left of the sum is below 1e-9 for any displacement
_ANOTHER = 0.2  # fraction of the visible image that shows something else, from which on it is another view
_LEAST_LEFT = 0.5  # fraction of the doubt that each pass leaves, at least


def in_stream(probability: float) -> float:
    """The probability of an accepted pass in a stream, by its own one."""
    return min(MOST, with_odds(probability, IN_STREAMS))


def outweighed(probability: float | None, other: float | None) -> float | None:
    """The probability of a mapping that another one contradicts: at most one of the two is right."""
    if probability is None or other is None:
        return probability
    return with_odds(probability, (1 - other) / max(other, 1e-9))


def displaced(probability: float, by_px: float) -> float:
    """The probability of a homography that something else displaces by so many reference pixels."""
    return probability if by_px == 0 else probability * _right(by_px) / MOST


def _right(by_px: float) -> float:
    """Probability that a displacement and the error of a right homography together are below `RIGHT_PX`.

    Their length follows Rice's distribution: its square is chi-square distributed with 2 + 2 n degrees of
    freedom, n of Poisson's distribution.
    """
    mean, limit = ((px / ERROR_PX) ** 2 / 2 for px in (by_px, RIGHT_PX))
    weight, step = math.exp(-mean), math.exp(-limit)
    beyond, probability = step, 0.0
    for n in range(1, _TERMS):
        probability += weight * (1 - beyond)
        weight *= mean / n
        step *= limit / n
        beyond += step
    return probability


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
        """With a pass of some probability in the stream over a view that agrees with the homography."""
        if view.change(self.view) < _ANOTHER:
            return Belief(max(self.probability, probability), self.view)
        doubt = (1 - self.probability) * max(_LEAST_LEFT, 1 - probability)
        return Belief(max(probability, min(MOST, 1 - doubt)), view)

    def faded(self, support: float) -> float:
        """The probability on edges that support the homography less than those of the pass, as a fraction.

        The odds fall in that proportion.
        """
        return with_odds(self.probability, min(1.0, max(0.0, support)))
