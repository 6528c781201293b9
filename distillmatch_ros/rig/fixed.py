"""Watches a calibration that is used without the network: do the edges of a drive's pairs agree with it?"""

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.agreement import EdgesOfPair
from distillmatch_ros.rig.events import Finding, RigEvent

CHECK_S = 1.0
"""Time between pairs that are checked, s."""
CONTRADICTIONS = 2
"""Checks in a row that have to find edges agreeing elsewhere before pairs are not answered."""
UNSUPPORTED = 6
"""Checks without support, and none with it before, after which the calibration is doubted in words."""


class FixedWatch:
    """Checks a pair a second against a fixed mapping. Must be used by one thread at a time."""

    def __init__(self) -> None:
        """Start without checks."""
        self.events: list[RigEvent] = []
        """What was found about the calibration, oldest first."""
        self._checked: int | None = None
        self._checks = self._supported = self._against = 0
        self._away_px: float | None = None

    def away(self, pair: PreparedPair, stamp: int, mapping: ImageMapping, gate: Gate) -> float | None:
        """How far off the place is at which edges agree instead, reference pixels; None if none contradict.

        Args:
            pair: the pair.
            stamp: its stamp, ns.
            mapping: the fixed mapping.
            gate: thresholds for edges.
        """
        if self._is_due(stamp):
            self._check(EdgesOfPair(pair, gate), stamp, mapping)
        return self._away_px if self._against >= CONTRADICTIONS else None

    def heed(self, found: Registration, stamp: int) -> None:
        """Count a pair, one a second, that a fixed rig was followed on; see `RigFollower`."""
        if self._is_due(stamp):
            away = None if found.rejected_by is None else found.rejected_by.value
            self._count(found.status is Status.TRACKED, away, stamp)

    def _is_due(self, stamp: int) -> bool:
        """Whether a pair is checked: the first one, one a second, and one whose clock was set back."""
        if self._checked is not None and 0 <= stamp - self._checked < CHECK_S * SECOND:
            return False
        self._checked = stamp
        return True

    def _check(self, edges: EdgesOfPair, stamp: int, mapping: ImageMapping) -> None:
        supports = edges.supports(mapping)
        self._count(supports, None if supports else edges.away(mapping), stamp)

    def _count(self, supports: bool, away: float | None, stamp: int) -> None:
        self._checks += 1
        if supports:
            self._supported += 1
            self._against, self._away_px = 0, None
        elif away is not None:
            self._against, self._away_px = self._against + 1, away
            if self._against == CONTRADICTIONS:
                sentence = f"the images agree {away:.0f} px from where the calibration says"
                self.events.append(RigEvent(stamp, Finding.CONTRADICTED, sentence, distance_px=away))
        if self._checks == UNSUPPORTED and self._supported == 0:
            sentence = (
                f"none of {self._checks} pairs that were checked supports the calibration: it may be of "
                "another rig, or the images are dark"
            )
            self.events.append(RigEvent(stamp, Finding.UNSUPPORTED, sentence))
