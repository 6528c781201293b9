"""Message classes of the ROS installation by name."""

from importlib import import_module
from importlib.util import find_spec


def message_class(kind: str) -> type:
    """The class of a type such as ``sensor_msgs/msg/Image``."""
    package, _, name = kind.partition("/msg/")
    found: type = getattr(import_module(f"{package}.msg"), name)
    return found


def is_installed(kind: str) -> bool:
    """Whether the package of a type is installed; some are in a ROS installation alone."""
    return find_spec(kind.partition("/")[0]) is not None
