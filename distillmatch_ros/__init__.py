"""Registration of visible and thermal images, for ROS 2 robots and plain Python."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distillmatch_ros.base.errors import DistillMatchError
    from distillmatch_ros.registration.gate import Gate
    from distillmatch_ros.registration.registrar import Registrar
    from distillmatch_ros.registration.result import Registration
    from distillmatch_ros.registration.status import Status

__all__ = ["DistillMatchError", "Gate", "Registrar", "Registration", "Status"]
__version__ = "0.2.0"

_MODULES = {
    "DistillMatchError": "distillmatch_ros.base.errors",
    "Gate": "distillmatch_ros.registration.gate",
    "Registrar": "distillmatch_ros.registration.registrar",
    "Registration": "distillmatch_ros.registration.result",
    "Status": "distillmatch_ros.registration.status",
}


def __getattr__(name: str) -> Any:
    """Import on first access: the node must install its signal handlers before NumPy and OpenCV load."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
