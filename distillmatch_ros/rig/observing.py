"""What a rig learns from a pair of images and its registration."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.orientation import UPRIGHT
from distillmatch_ros.images.prepared import PreparedImage, PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.learning import Observation


def observe(
    visible: NDArray[Any], thermal: NDArray[Any], found: Registration, own: bool = True
) -> Observation:
    """What a rig learns from a pair; ``own`` tells whether its mapping is the pair's own, not a held one."""
    observed = Observation.of(PreparedPair.of(visible, thermal), found)
    return observed if own else replace(observed, mapping=None)


def to_grey_8bit(image: NDArray[Any], *, stretch: bool) -> NDArray[np.uint8]:
    """One channel of 8 bits; the values of a thermal image are to be stretched."""
    return PreparedImage(image, UPRIGHT, stretched=stretch).grey_8bit
