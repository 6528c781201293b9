"""The rig that maps the pairs of a stream, in metres as soon as the distance of its cameras is known."""

from collections import deque
from dataclasses import dataclass
from math import log

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.events import Finding, RigEvent
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.model import GIVEN, RigMapping, RigModel
from distillmatch_ros.rig.scale import (
    DOUBTED,
    MOST,
    ScaleEstimate,
    contradiction,
    left_by_depth_px,
    match_depth,
)

OBSERVE_S, REFINE_S, RECHECK_S = 1.0, 3.0, 10.0
"""Time between pairs that the distance of the cameras is learned from, s: those of one moment are alike;
once it is known, until `MOST` pairs have told it; and between pairs that depth is compared on once it agrees.
One takes up to a tenth of a second."""

_AT = (5, 8, 12, 20, MOST)  # numbers of pairs at which it is estimated
_LATEST = 5  # pairs that tell whether depth leaves less between edges than planes do
_CONTRADICTED = 0.1
"""Least fraction by which depth contradicts a distance that was known before: in synthetic rooms and streets
depth was off by up to 3 % with known lenses, and by 8 % without, of which three deviations are more."""


@dataclass(frozen=True, eq=False)
class SupportedRig:
    """The geometry of a rig, as a pair's own images support it.

    Attributes:
        model: the rig, in metres if the distance of its cameras is known.
        is_new: whether it is another one than that of the pairs before.
        parent: what the thermal camera's frame hangs on in the robot's tree of frames, if it is known.
    """

    model: RigModel
    is_new: bool
    parent: str | None = None


class MetricRig:
    """Keeps one rig in metres while pairs are mapped by it. Must be used by one thread at a time.

    The distance of the cameras is given, known to the rig's file, or found by pairs with depth, and used once
    they agree on it.
    """

    def __init__(self) -> None:
        """Start without a rig."""
        self._sized: tuple[RigModel, float, RigModel] | None = None
        self._told: RigModel | None = None
        self._estimate = ScaleEstimate()
        self._latest = ScaleEstimate(DOUBTED)
        self._is_contradicted = False
        self._scale: Scale | None = None
        self._asked: RigModel | None = None
        self._pairs = self._last = 0
        self._left_px: deque[tuple[float, float]] = deque(maxlen=_LATEST)
        self._doubt: str | None = None
        self._pause_s = OBSERVE_S
        self.events: list[RigEvent] = []
        """What was found about the distance of the cameras, oldest first."""

    @property
    def scale(self) -> Scale | None:
        """The distance of the cameras by depth, as it was last estimated; None with too few pairs."""
        return self._scale

    def mapping(self, registration: Registration, baseline_m: float) -> RigMapping | None:
        """The mapping of a pair, by the rig in metres if that is known; None if no rig maps the pair.

        Args:
            registration: of the pair.
            baseline_m: distance of the cameras; 0 if it is not given.
        """
        mapping = registration.mapping
        if not isinstance(mapping, RigMapping):
            if registration.status.is_own:  # there is no rig, or it moved
                self._forget()
            return None
        metres, origins = baseline_m, GIVEN
        if metres == 0 and not mapping.rig.is_metric and (scale := self._of(mapping.rig)) is not None:
            metres, origins = scale.metres, scale.origins
        if metres == 0:
            return mapping
        if self._sized is None or self._sized[:2] != (mapping.rig, metres):
            self._sized = mapping.rig, metres, mapping.rig.with_baseline(metres, origins)
        return mapping.by(self._sized[2])

    def observe(
        self, pair: PreparedPair, registration: Registration, inverse_depth: Float32, stamp: int
    ) -> str | None:
        """Learn the distance of the cameras from a pair with depth, once a second, if its rig lacks it.

        Args:
            pair: its images.
            registration: of the pair.
            inverse_depth: float32 (H, W), of the visible pixels, 1 / metre.
            stamp: of the pair, ns.

        Returns:
            Why depth does not tell the distance; None if it does, or too few pairs were seen.
        """
        mapping = registration.mapping
        if not isinstance(mapping, RigMapping) or mapping.rig.is_metric:
            return None
        if registration.status.is_own and self._is_wanted(stamp):
            known = None if self._scale is None else self._scale.metres
            is_new = self._add(pair, mapping, inverse_depth, stamp, known)
            if is_new and (self._pairs in _AT or self._pairs % _AT[-1] == 0):
                self._ask(mapping.rig, stamp)
        scale = self._scale
        if scale is None or scale.maps or scale.pairs < DOUBTED:
            return None
        return (
            f"depth: {scale}, which is not believed; check that it is of this robot and in the right unit, "
            "or set baseline_m"
        )

    def compare(
        self,
        pair: PreparedPair,
        registration: Registration,
        mapping: RigMapping,
        inverse_depth: Float32,
        stamp: int,
    ) -> str | None:
        """Compare a distance of the cameras that was known before with depth, on pairs a second apart.

        The distance is kept: an event tells once that depth contradicts it. Once a dozen pairs agree, one in
        ten seconds is compared.

        Returns:
            Why depth must not map pairs: it leaves more between edges than the pairs' planes do, as one of a
            wrong unit does, or of another camera; or the latest dozen pairs put the cameras at another
            distance. None if it may.

        Args:
            pair: its images.
            registration: of the pair.
            mapping: of its plane, by the rig in metres.
            inverse_depth: float32 (H, W), of the visible pixels, 1 / metre.
            stamp: of the pair, ns.
        """
        if registration.status.is_own and self._is_due(stamp, self._pause_s):
            self._add(pair, mapping, inverse_depth, stamp)
            self._doubt, last = (contradiction(some) for some in (self._left_px, list(self._left_px)[-1:]))
            if self._doubt is None and self._pairs >= DOUBTED:
                self._doubt = self._other_distance(mapping, stamp)
            is_settled = self._pairs >= DOUBTED and self._doubt is None and last is None
            self._pause_s = RECHECK_S if is_settled else OBSERVE_S
        return self._doubt

    def _other_distance(self, mapping: RigMapping, stamp: int) -> str | None:
        """In what depth contradicts the distance of the cameras, which an event tells once; None if not."""
        scale = self._latest.scale(mapping.rig)
        if scale is None or not scale.maps:
            return None
        if abs(log(scale.metres)) <= max(_CONTRADICTED, 3 * scale.parallax):
            return None
        known = float(np.linalg.norm(mapping.rig.T_visible_thermal.translation))
        sentence = (
            f"the cameras are {known:.3g} m apart by the rig's file or baseline_m, but "
            f"{scale.metres * known:.3g} m by the depth of {scale.pairs} pairs, which would map near things "
            "to wrong places and is not used; check both, and the unit of depth"
        )
        if not self._is_contradicted:
            self.events.append(RigEvent(stamp, Finding.CONTRADICTED, sentence))
        self._is_contradicted = True
        return f"depth: {sentence}"

    def geometry(
        self, registration: Registration, mapping: RigMapping | None, parent: str | None = None
    ) -> SupportedRig | None:
        """What a pair tells of the rig: nothing unless its own images support it.

        Args:
            registration: of the pair.
            mapping: see `mapping`.
            parent: see `SupportedRig`.
        """
        if mapping is None or not registration.status.is_own:
            return None
        is_new, self._told = mapping.rig is not self._told, mapping.rig
        return SupportedRig(mapping.rig, is_new, parent)

    def _is_wanted(self, stamp: int) -> bool:
        """Whether one more pair is to tell the distance."""
        known = self._scale is not None and self._scale.maps
        if known and self._pairs >= MOST:
            return False
        return self._is_due(stamp, REFINE_S if known else OBSERVE_S)

    def _is_due(self, stamp: int, pause_s: float) -> bool:
        return not 0 <= stamp - self._last < pause_s * SECOND

    def _add(
        self,
        pair: PreparedPair,
        mapping: RigMapping,
        inverse_depth: Float32,
        stamp: int,
        metres: float | None = None,
    ) -> bool:
        """Add a pair to the estimate, see `match_depth`; whether enough of its edges have depth."""
        self._last = stamp
        found = match_depth(pair.visible.grey_8bit, pair.thermal.grey_8bit, mapping, inverse_depth, metres)
        if found is None:
            return False
        (self._latest if mapping.rig.is_metric else self._estimate).add(found)
        self._pairs += 1
        if mapping.rig.is_metric:
            self._left_px.append((left_by_depth_px(mapping.rig, found), found.plane_px))
        return True

    def _of(self, rig: RigModel) -> Scale | None:
        """The scale by depth; None if it is not known."""
        if self._scale is not None and rig is not self._asked:  # the rig was learned better
            self._ask(rig, self._last)
        return self._scale if self._scale is not None and self._scale.maps else None

    def _ask(self, rig: RigModel, stamp: int) -> None:
        before, self._asked = self._scale, rig
        self._scale = scale = self._estimate.scale(rig)
        if scale is not None and scale.maps and (before is None or not before.maps):
            self.events.append(RigEvent(stamp, Finding.SCALE, str(scale)))

    def _forget(self) -> None:
        if self._pairs:
            self._estimate, self._scale, self._pairs = ScaleEstimate(), None, 0
            self._latest, self._is_contradicted = ScaleEstimate(DOUBTED), False
            self._left_px.clear()
            self._doubt, self._pause_s = None, OBSERVE_S
