"""Searches for roles, scale, rotation and, once, for the images' orientations if no homography is found."""

from copy import copy

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.crops import Wider
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.watching import RigWatch, WatchedPass

SEARCH_AFTER = 3
"""Number of consecutive pairs without a homography after which other scales and rotations are tried and, if
there never was one, other orientations."""


class Search:
    """Registers pairs and remembers the roles in which they succeed; there is no search while they do.

    Attributes:
        advice: description of the setting that would help; None if none is known.
        said: what the last pass says about the rig; None unless a watch learns it.
    """

    def __init__(self, registrar: Registrar) -> None:
        """Start without knowledge of roles.

        Args:
            registrar: registrar of the pairs.
        """
        self._registrar = registrar
        self.advice: str | None = None
        self.said: WatchedPass | None = None
        self._watch: RigWatch | None = None
        self._wider = Wider.VISIBLE
        self._failures = 0
        self._fitted = False

    def with_registrar(self, registrar: Registrar) -> "Search":
        """A search with the same knowledge and another registrar; this one is not affected."""
        other = copy(self)
        other._registrar = registrar
        return other

    def watched_by(self, watch: RigWatch | None) -> "Search":
        """A search with the same knowledge whose passes tell a watch about the rig, if any."""
        other = copy(self)
        other._watch = watch
        return other

    def register(self, pair: PreparedPair, stamp: int, prior: Float64 | None = None) -> Registration:
        """Register a pair in the roles of earlier pairs, and update them by the result.

        Args:
            pair: the pair.
            stamp: stamp of the pair, ns.
            prior: see `Registrar.register`.
        """
        found = self._registrar.register_prepared(
            pair,
            prior,
            self._roles(),
            search=self._failures + 1 == SEARCH_AFTER,
            verify=self._failures > 0 or not self._fitted,
            restart=True,
        )
        self._learn(pair, found)
        if self._watch is not None:
            self.said = self._watch.take(pair, found, stamp)
        return found

    def count_failure(self) -> None:
        """Count the last pair as a failure after all: its homography contradicts those before it."""
        self._failures += 1

    def _roles(self) -> tuple[Wider, ...]:
        """Roles to try for the next pair; both after 0, 1, 2, 4, 8... consecutive failures."""
        both = (self._wider, *(other for other in Wider if other is not self._wider))
        return both if self._failures & (self._failures - 1) == 0 else both[:1]

    def _learn(self, pair: PreparedPair, registration: Registration) -> None:
        if registration.status.is_confirmed:
            self._fitted, self._failures = True, 0
            self._wider, self.advice = registration.wider, None
            return
        self._failures += 1
        if not self._fitted and self._failures == SEARCH_AFTER:
            found = self._registrar.find_orientation(pair)
            self.advice = None if found is None else advise(found)


def advise(thermal: Orientation) -> str:
    """Settings for a thermal image that is upright in an orientation, if the visible one is upright."""
    # The inverse, for the visible image; an orientation with a flip is its own inverse.
    visible = Orientation(thermal.rotation if thermal.flip else -thermal.rotation % 360, thermal.flip)
    return (
        f"no homography is found with the present orientation, but with {_settings('thermal', thermal)}; set "
        f"that, or {_settings('rgb', visible)} if the visible camera is rotated"
    )


def _settings(camera: str, orientation: Orientation) -> str:
    parts = [f"{camera}_rotation {orientation.rotation}"] if orientation.rotation else []
    if orientation.flip:
        parts.append(f"{camera}_flip true")
    return " and ".join(parts) or f"{camera}_rotation 0 and {camera}_flip false"
