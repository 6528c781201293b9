"""Registration of visible and thermal images, for robots and for plain Python."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distillmatch_ros.registration.registrar import Registrar, Registration, Status

__all__ = ["Registrar", "Registration", "Status"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is used: the node must handle signals before NumPy and OpenCV have loaded."""
    if name in __all__:
        return getattr(import_module("distillmatch_ros.registration.registrar"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
