"""What a rig learns from a pair of images and its registration."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit, without_status_bits
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.learning import Observation


def observe(
    visible: NDArray[Any], thermal: NDArray[Any], found: Registration, own: bool = True
) -> Observation:
    """What a rig learns from a pair; ``own`` tells whether its mapping is the pair's own, not a held one."""
    matches = FrameMatches(found.thermal_points, found.visible_points)
    greys = to_grey_8bit(visible, stretch=False), to_grey_8bit(thermal, stretch=True)
    return Observation(*greys, matches, found.mapping if own else None)


def to_grey_8bit(image: NDArray[Any], *, stretch: bool) -> NDArray[np.uint8]:
    """One channel of 8 bits; the values of a thermal image are to be stretched."""
    grey = without_status_bits(to_grey(image))
    return to_8bit(grey) if stretch or grey.dtype != np.uint8 else grey
