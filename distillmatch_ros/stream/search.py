"""What is tried where nothing fits: the cameras' roles exchanged, and once all orientations of the images."""

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.registration.gate import Status
from distillmatch_ros.registration.registrar import Registrar, Registration

PATIENCE = 3
"""Pairs in a row that nothing fits in, from the start on, before orientations are tried."""


class Search:
    """Remembers in which roles pairs fit. While they fit nothing is searched, and nothing is spent.

    Attributes:
        advice: the setting that would help, for people; None where none is known.
    """

    def __init__(self, registrar: Registrar) -> None:
        """Start without knowledge.

        Args:
            registrar: what pairs are registered with.
        """
        self._registrar = registrar
        self.advice: str | None = None
        self._thermal_wider = False
        self._failures = 0
        self._fitted = False

    def register(self, visible: Frame, thermal: Frame, prior: Float64 | None = None) -> Registration:
        """Register a pair in the roles that earlier pairs fitted in, and learn from it.

        Args:
            visible: the visible frame.
            thermal: the thermal frame.
            prior: see `Registrar.register`.
        """
        found = self._registrar.register(visible.image, thermal.image, prior, self._roles())
        self._learn(visible, thermal, found)
        return found

    def _roles(self) -> tuple[bool, ...]:
        """Those to try for the next pair; both after 0, 1, 2, 4, 8... failures in a row."""
        both = (self._thermal_wider, not self._thermal_wider)
        return both if self._failures & (self._failures - 1) == 0 else both[:1]

    def _learn(self, visible: Frame, thermal: Frame, registration: Registration) -> None:
        if registration.status is Status.OK:
            self._fitted, self._failures = True, 0
            self._thermal_wider, self.advice = registration.thermal_wider, None
            return
        self._failures += 1
        if not self._fitted and self._failures == PATIENCE:
            found = self._registrar.find_orientation(visible.image, thermal.image)
            self.advice = None if found is None else advise(found)


def advise(thermal: Orientation) -> str:
    """What to set where the thermal image is upright in an orientation, if the visible one is."""
    # To turn the visible image instead, back; what is flipped goes back by itself.
    visible = Orientation(thermal.rotation if thermal.flip else -thermal.rotation % 360, thermal.flip)
    return (
        f"nothing fits as the images are, but it does with {_settings('thermal', thermal)}; set that, or "
        f"{_settings('rgb', visible)} if it is the visible camera that is turned"
    )


def _settings(camera: str, orientation: Orientation) -> str:
    parts = [f"{camera}_rotation {orientation.rotation}"] if orientation.rotation else []
    if orientation.flip:
        parts.append(f"{camera}_flip true")
    return " and ".join(parts) or f"{camera}_rotation 0 and {camera}_flip false"
