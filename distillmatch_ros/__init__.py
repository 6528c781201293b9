"""Registration of visible and thermal images, for robots and for plain Python."""

from distillmatch_ros.registration import Registrar, Registration, Status

__all__ = ["Registrar", "Registration", "Status"]
