"""The sensors of a robot whose streams are used: the one list of them.

The visible camera is the reference: results have its stamps. Thermal images are matched to its images, one to
one, by the `Synchroniser`. Frames of further sensors are attached to pairs by the nearest time: `Attachment`.
"""

import re
from enum import Enum


class Sensor(str, Enum):
    """A sensor by the name that is used inside and in files; see `namespace` for topics and parameters."""

    VISIBLE = "visible"
    THERMAL = "thermal"
    DEPTH = "depth"

    def __str__(self) -> str:
        return self.value

    @property
    def namespace(self) -> str:
        """Prefix of the sensor's topics and parameters, which ROS users know."""
        return _NAMESPACES[self]


_NAMESPACES = {Sensor.VISIBLE: "rgb", Sensor.THERMAL: "thermal", Sensor.DEPTH: "depth"}

MATCHED = (Sensor.VISIBLE, Sensor.THERMAL)
"""The two cameras whose images are registered."""
ATTACHED = (Sensor.DEPTH,)
"""Sensors whose frames are attached to pairs, if they are used; pairs go on without them."""


_RECTIFIED = re.compile(r"(^|[/_])rect(ified)?([/_]|$)")


def is_rectified(topic: str) -> bool:
    """Whether a topic holds rectified images, which P of its CameraInfo describes, by ROS's convention.

    They are called image_rect, image_rect_color, ...; the CameraInfo beside them is that of the raw images.
    """
    return _RECTIFIED.search(topic) is not None
