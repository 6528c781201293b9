"""Temporal filter: smooths and holds homographies."""

import math
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated

import numpy as np
from pydantic import Field

from distillmatch_ros.base.settings import Settings, setting
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import (
    REFERENCE_WIDTH,
    Float64,
    Size,
    corners,
    from_corners,
    transform,
)
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status

FORGET_AFTER = 5.0
"""Time after which earlier frames are ignored, unless they are held for longer, s."""
LOST_FRACTION = 0.5
"""Fraction of the inliers found without a prior below which the prior is doubtful."""

_CONTRADICTIONS = ("max_jump_px", "earlier_pairs")  # reasons for which earlier pairs may be wrong as well


class Mode(str, Enum):
    """Origin of a pair's mapping.

    RIG: the rig once it is known, with the pair's own depth; until then as LIVE. LIVE: the pair, or none.
    HOLD: the pair, or for a limited time the last good one. FIXED: a calibration.
    """

    RIG = "rig"
    LIVE = "live"
    HOLD = "hold"
    FIXED = "fixed"

    def __str__(self) -> str:
        return self.value


class TemporalSettings(Settings):
    """Settings of the temporal filter."""

    mode: Annotated[Mode, Field(strict=False)] = setting(
        Mode.RIG,
        "Mapping of a pair: once the rig is known from earlier pairs, that of the rig at the pair's own "
        "depth (rig); the pair's own or none (live); its own or, for hold_seconds, the last good one (hold); "
        "that of calibration_file, without running the network (fixed).",
    )
    hold_seconds: float = setting(
        1.0, "Time that mode hold keeps a homography.", unit="s", least=0, most=3600
    )
    smoothing: float = setting(
        0.0,
        "Time constant of the filter on the homographies; 0 disables it.",
        unit="s",
        least=0,
        most=60,
    )
    max_jump_px: float = setting(
        40.0,
        "Greatest step of a thermal corner without confirmation, for a visible image 640 px wide; in each "
        "mode, except for pairs of a known rig.",
        unit="px",
        least=1,
        most=640,
    )
    confirmations: int = setting(
        3,
        "Consecutive passes that must agree on a greater step before it is accepted.",
        least=1,
        most=1000,
    )
    verify_every: int = setting(
        10, "At least one in so many pairs is registered without a prior; 1 for all.", least=1, most=1000
    )


@dataclass(frozen=True, eq=False)
class _Accepted:
    """What the last pairs agreed on.

    Attributes:
        homography: filtered homography.
        places: (4, 2) visible pixels of the thermal corners.
        stamp: stamp of the last pair that agreed with it, ns.
        pairs: number of pairs that agreed with it.
    """

    homography: Float64
    places: Float64
    stamp: int
    pairs: int = 1


class TemporalFilter:
    """Filters the homography of one rig over time.

    The filter works on the positions of the thermal corners in the visible image, four well-conditioned
    points, and is a running mean until its time constant is reached. A step greater than `max_jump_px` is an
    outlier until enough passes confirm it, and what was found before it is not held: one of the two is wrong.

    With a prior the network gets the pair aligned by it, and tends to confirm the prior even if it is wrong.
    Therefore a prior is given only while pairs agree, and only for a few pairs after one without a prior.
    """

    def __init__(self, settings: TemporalSettings, thermal: Size, visible: Size) -> None:
        """Start without a homography.

        Args:
            settings: settings.
            thermal: size of the thermal images.
            visible: size of the visible images.
        """
        self._settings = settings
        self._thermal = thermal
        self._visible = visible
        self.reset()

    def with_settings(self, settings: TemporalSettings) -> "TemporalFilter":
        """A filter with the same state and other settings; this one must not be used any more."""
        other = copy(self)
        other._settings = settings
        return other

    def reset(self) -> None:
        """Discard the state of all pairs."""
        self._accepted: _Accepted | None = None
        self._newest: int | None = None
        self._unconfirmed: list[Float64] = []
        self._jump = 0.0
        self._is_contradicted = False
        self._priors_left = 0
        self._verified_inliers = 0

    def prior(self, stamp: int) -> Float64 | None:
        """Prior homography for `Registrar.register` for the pair with this stamp (ns), or None."""
        self._forget_old(stamp)
        return self._accepted.homography if self._accepted is not None and self._priors_left > 0 else None

    def last(self, stamp: int) -> HomographyMapping | None:
        """The mapping of the last good pair unless it is older than ``hold_seconds`` at this stamp (ns).

        None too if a pair has contradicted it since.
        """
        self._forget_old(stamp)
        accepted = self._accepted
        if accepted is None or self._is_contradicted:
            return None
        if stamp - accepted.stamp > self._settings.hold_seconds * SECOND:
            return None
        return self._mapping(accepted)

    def update(self, registration: Registration, stamp: int, *, primed: bool) -> Registration:
        """Update the filter by the registration of a pair, and return the one to publish.

        Args:
            registration: from the registrar; OK, or without homography.
            stamp: stamp of the pair, ns.
            primed: whether it was registered with a prior.

        Returns:
            The registration with the filtered homography, HELD with the last good one, or without one. An
            unconfirmed step is DEGENERATE.
        """
        self._forget_old(stamp)
        self._newest = stamp
        agreed = registration.homography is not None and self._follow(
            registration.homography, stamp, registration.status.is_confirmed
        )
        self._budget_priors(registration, agreed, primed)
        if agreed and self._accepted is not None:
            self._is_contradicted = False
            smooths = self._settings.smoothing > 0
            return replace(registration, mapping=self._mapping(self._accepted)) if smooths else registration
        reason = registration.rejected_by
        if registration.status.is_own:
            reason = Rejection.of("max_jump_px", self._jump, self._settings.max_jump_px)
        self._is_contradicted |= reason is not None and reason.threshold in _CONTRADICTIONS
        held = self.last(stamp) if self._settings.mode is Mode.HOLD else None
        status = registration.status if reason is None else reason.status
        return replace(
            registration, mapping=held, status=status if held is None else Status.HELD, rejected_by=reason
        )

    def _follow(self, homography: Float64, stamp: int, is_pass: bool) -> bool:
        """Update the state; False if the homography is an unconfirmed step.

        Only passes confirm a step: pairs that are tracked after one follow it, right or wrong.
        """
        places, accepted = transform(homography, corners(self._thermal)), self._accepted
        if accepted is None:
            self._accepted = _Accepted(homography, places, stamp)
        elif (jump := self._step(places, accepted.places)) <= self._settings.max_jump_px:
            self._accepted = self._blend(accepted, homography, places, stamp)
        else:
            self._jump = jump
            if self._unconfirmed and self._step(places, self._unconfirmed[-1]) > self._settings.max_jump_px:
                self._unconfirmed.clear()
            if is_pass:
                self._unconfirmed.append(places)
            if len(self._unconfirmed) < self._settings.confirmations:
                return False
            self._accepted = _Accepted(homography, places, stamp)
        self._unconfirmed.clear()
        return True

    def _blend(self, accepted: _Accepted, homography: Float64, places: Float64, stamp: int) -> _Accepted:
        if self._settings.smoothing == 0:
            return _Accepted(homography, places, stamp, accepted.pairs + 1)
        elapsed = (stamp - accepted.stamp) / SECOND
        weight = max(1 / (accepted.pairs + 1), 1 - math.exp(-elapsed / self._settings.smoothing))
        places = accepted.places + weight * (places - accepted.places)
        filtered = from_corners(places, self._thermal, self._visible)
        return _Accepted(filtered, places, stamp, accepted.pairs + 1)

    def _budget_priors(self, registration: Registration, agreed: bool, primed: bool) -> None:
        inliers = int(registration.inliers.sum())
        if not agreed:
            self._priors_left = 0
        elif not primed:
            self._priors_left = self._settings.verify_every - 1
            self._verified_inliers = inliers
        elif inliers < LOST_FRACTION * self._verified_inliers:
            self._priors_left = 0
        else:
            self._priors_left -= 1

    def _mapping(self, accepted: _Accepted) -> HomographyMapping:
        return HomographyMapping(accepted.homography, self._thermal, self._visible)

    def _step(self, places: Float64, others: Float64) -> float:
        """Greatest distance between the two positions of a corner, reference pixels."""
        return float(np.hypot(*(places - others).T).max()) * REFERENCE_WIDTH / self._visible[1]

    def _forget_old(self, stamp: int) -> None:
        """Reset after a step back in time, or long after the last good pair."""
        if self._newest is not None and stamp < self._newest:
            self.reset()
        memory = max(FORGET_AFTER, self._settings.hold_seconds) * SECOND
        if self._accepted is not None and stamp - self._accepted.stamp > memory:
            self.reset()
