"""Message classes of the ROS installation by name."""

from importlib import import_module


def message_class(kind: str) -> type:
    """The class of a type such as ``sensor_msgs/msg/Image``."""
    package, _, name = kind.partition("/msg/")
    found: type = getattr(import_module(f"{package}.msg"), name)
    return found
