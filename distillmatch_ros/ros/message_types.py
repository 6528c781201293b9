"""Message classes of the ROS installation by name."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def message_class(kind: str) -> type:
    """The class of a type such as ``sensor_msgs/msg/Image``."""
    package, _, name = kind.partition("/msg/")
    found: type = getattr(import_module(f"{package}.msg"), name)
    return found


def message_maker(kind: str) -> Callable[..., Any]:
    """What makes messages of a type from their fields, as its class does.

    Data are set afterwards: the constructor of some releases copies them twice, which for 1 MB takes 0.6 ms.
    """
    made: Any = message_class(kind)
    if "data" not in made.get_fields_and_field_types():
        return made  # type: ignore[no-any-return]

    def make(data: Any, **fields: Any) -> Any:
        message = made(**fields)
        message.data = data
        return message

    return make


def is_installed(kind: str) -> bool:
    """Whether the package of a type is installed; some are in a ROS installation alone."""
    return find_spec(kind.partition("/")[0]) is not None
