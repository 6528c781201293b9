"""Messages of ROS 2 as rosbags knows them."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from distillmatch_ros.bags.foreign import register
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.stream.messages import Messages


@cache
def ros2_types() -> Typestore:
    """The message classes and definitions that bags are read and written with.

    Those of the few types that are read here have not changed since the first ROS 2, so that the ones in the
    bag are not needed; bags of before 2023 have none.
    """
    types = get_typestore(Stores.ROS2_JAZZY)  # takes a tenth of a second and more
    register(types)
    return types


def ros2_messages(max_pixels: int = MAX_PIXELS) -> Messages:
    """Converts between these messages and frames or results."""
    return Messages(ros2_types().types, to_data=_unchanged, max_pixels=max_pixels)


def _unchanged(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return data
