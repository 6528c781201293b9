"""What earlier frames say about this one: smoothing, holding, and a thermal stream that stands still."""

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median
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
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.gain_control import Range, range_of
from distillmatch_ros.registration.gate import Status
from distillmatch_ros.registration.registrar import Registration

FEW, MANY = 0.03, 0.2
"""Fractions of the pixels: up to the one, telemetry and clocks change; from the other on, noise does."""
EVEN = 0.6
"""Fraction of places without curvature, above which a picture of more than 8 bits holds no noise."""
PERIODS, PATIENCE = 5, 2.5
"""Changes of the picture that a camera's period is learned from; periods for which it may stay."""
FIRST_PERIOD = 1.5
"""Seconds for which the first picture may stay, while the period is not known."""
FORGET_AFTER = 5.0
"""Seconds after which earlier frames say nothing about a new one, unless they are to be held for longer."""
LOST_FRACTION = 0.5
"""Of the inliers found without a prior, below which the prior has become doubtful."""
RANGE_SECONDS = 1.0
"""Time constant of the range of thermal values that overlays show."""


class Mode(str, Enum):
    """Where the homography of a pair comes from.

    LIVE: from the pair, or there is none. HOLD: from the pair, or for a while from the last good one.
    FIXED: from a calibration.
    """

    LIVE = "live"
    HOLD = "hold"
    FIXED = "fixed"

    def __str__(self) -> str:
        return self.value


class TemporalSettings(Settings):
    """How homographies are followed over time."""

    mode: Annotated[Mode, Field(strict=False)] = setting(
        Mode.LIVE,
        "Homography of a pair: its own or none (live), its own or for hold_seconds the last good one (hold), "
        "that of calibration_file, while the engine rests (fixed).",
    )
    hold_seconds: float = setting(1.0, "How long mode hold keeps a homography.", unit="s", least=0, most=3600)
    smoothing: float = setting(
        0.0,
        "Time constant of the filter that the homographies go through; 0 for none.",
        unit="s",
        least=0,
        most=60,
    )
    max_jump_px: float = setting(
        40.0,
        "Step of a thermal corner that is taken unconfirmed, for a visible image 640 px wide.",
        unit="px",
        least=1,
        most=640,
    )
    confirmations: int = setting(
        3,
        "Registrations in a row that have to agree on a greater step before it is taken.",
        least=1,
        most=1000,
    )
    verify_every: int = setting(
        10, "One of so many pairs, at least, is registered without a prior; 1 for all.", least=1, most=1000
    )


@dataclass(frozen=True, eq=False)
class _Track:
    """The rig as the filter has it.

    Attributes:
        homography: filtered.
        places: (4, 2) visible pixels, where it puts the thermal corners.
        stamp: of the last pair that agreed with it.
        pairs: that agreed with it.
    """

    homography: Float64
    places: Float64
    stamp: int
    pairs: int = 1


class TemporalFilter:
    """Follows the homography of one rig.

    The filter works on the places of the thermal corners in the visible image, four well-conditioned points,
    and keeps a running mean until its time constant is reached. A greater step than `max_jump_px` is an
    outlier until enough registrations confirm it.

    With a prior the network sees a pair as the prior aligns it, and is inclined to find the prior again:
    that cannot refute it. Therefore a prior is given only while pairs agree, and only for a few of them after
    one that did without.
    """

    def __init__(self, settings: TemporalSettings, thermal: Size, visible: Size) -> None:
        """Start without knowledge.

        Args:
            settings: may be replaced at any time.
            thermal: size of the thermal images.
            visible: size of the visible images.
        """
        self.settings = settings
        self._thermal = thermal
        self._visible = visible
        self.reset()

    def reset(self) -> None:
        """Forget all pairs."""
        self._track: _Track | None = None
        self._newest: int | None = None
        self._unconfirmed: list[Float64] = []
        self._priors_left = 0
        self._verified_inliers = 0

    def prior(self, stamp: int) -> Float64 | None:
        """The homography to give to `Registrar.register` for the pair of this time (ns), if any."""
        self._forget_old(stamp)
        return self._track.homography if self._track is not None and self._priors_left > 0 else None

    def last(self, stamp: int) -> Float64 | None:
        """The last good homography unless it is older than ``hold_seconds`` at this time (ns)."""
        self._forget_old(stamp)
        track = self._track
        if track is None or stamp - track.stamp > self.settings.hold_seconds * SECOND:
            return None
        return track.homography

    def update(self, registration: Registration, stamp: int, *, primed: bool) -> Registration:
        """Take in how a pair was registered, and say what to give out.

        Args:
            registration: from the registrar; OK, or without homography.
            stamp: of the pair, ns.
            primed: it was registered with a prior.

        Returns:
            The registration, OK with the filtered homography, HELD with the last good one, or without any. A
            step that is not confirmed yet is DEGENERATE where nothing is held.
        """
        self._forget_old(stamp)
        self._newest = stamp
        agreed = registration.homography is not None and self._follow(registration.homography, stamp)
        self._budget_priors(registration, agreed, primed)
        live = self.settings.mode is Mode.LIVE
        if live and self.settings.smoothing == 0:
            return registration
        if agreed and self._track is not None:
            return replace(registration, homography=self._track.homography)
        held = None if live else self.last(stamp)
        if held is not None:
            return replace(registration, homography=held, status=Status.HELD)
        found = registration.status in (Status.OK, Status.TRACKED)
        rejected = Status.DEGENERATE if found else registration.status
        return replace(registration, homography=None, status=rejected)

    def _follow(self, homography: Float64, stamp: int) -> bool:
        """Move the track; False if the homography is too far from it and not confirmed."""
        places, track = transform(homography, corners(self._thermal)), self._track
        if track is None:
            self._track = _Track(homography, places, stamp)
        elif self._step(places, track.places) <= self.settings.max_jump_px:
            self._track = self._blend(track, homography, places, stamp)
        else:
            if self._unconfirmed and self._step(places, self._unconfirmed[-1]) > self.settings.max_jump_px:
                self._unconfirmed.clear()
            self._unconfirmed.append(places)
            if len(self._unconfirmed) < self.settings.confirmations:
                return False
            self._track = _Track(homography, places, stamp)
        self._unconfirmed.clear()
        return True

    def _blend(self, track: _Track, homography: Float64, places: Float64, stamp: int) -> _Track:
        if self.settings.smoothing == 0:
            return _Track(homography, places, stamp, track.pairs + 1)
        elapsed = (stamp - track.stamp) / SECOND
        weight = max(1 / (track.pairs + 1), 1 - math.exp(-elapsed / self.settings.smoothing))
        places = track.places + weight * (places - track.places)
        filtered = from_corners(places, self._thermal, self._visible)
        return _Track(filtered, places, stamp, track.pairs + 1)

    def _budget_priors(self, registration: Registration, agreed: bool, primed: bool) -> None:
        inliers = int(registration.inliers.sum())
        if not agreed:
            self._priors_left = 0
        elif not primed:
            self._priors_left = self.settings.verify_every - 1
            self._verified_inliers = inliers
        elif inliers < LOST_FRACTION * self._verified_inliers:
            self._priors_left = 0
        else:
            self._priors_left -= 1

    def _step(self, places: Float64, others: Float64) -> float:
        """Greatest distance between two places of a corner, reference pixels."""
        return float(np.hypot(*(places - others).T).max()) * REFERENCE_WIDTH / self._visible[1]

    def _forget_old(self, stamp: int) -> None:
        """Start anew where time jumped back, or long after the last good pair."""
        if self._newest is not None and stamp < self._newest:
            self.reset()
        memory = max(FORGET_AFTER, self.settings.hold_seconds) * SECOND
        if self._track is not None and stamp - self._track.stamp > memory:
            self.reset()


class FrozenDetector:
    """Tells when the thermal camera sends one picture again and again, as it does behind its shutter.

    Sensor noise makes any two pictures differ in most places; telemetry rows and burnt-in clocks change in
    few. A slow camera that is published faster repeats itself too, for as long as its own period, which is
    learned. Where there is no noise, as in a simulator, a picture that stays tells nothing.
    """

    def __init__(self, frozen_seconds: float) -> None:
        """Set the time for which a picture may stay the same; 0 for ever. It may be replaced at any time."""
        self.frozen_seconds = frozen_seconds
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._first: Frame | None = None
        self._periods: deque[float] = deque(maxlen=PERIODS)
        self._noise_free = False

    def update(self, thermal: Frame) -> bool:
        """Take in a frame; True if the picture has been the same for longer than the camera's own pace."""
        first = self._first
        if first is None or thermal.stamp < first.stamp or thermal.image.shape != first.image.shape:
            self.reset()
            self._first, self._noise_free = thermal, _is_noise_free(thermal)
            return False
        stayed = (thermal.stamp - first.stamp) / SECOND
        changed = _changed(thermal, first)
        if changed > FEW:
            self._noise_free |= changed < MANY and thermal.image.dtype.itemsize > 1
            self._periods.append(stayed)
            self._first = thermal
            return False
        if self.frozen_seconds == 0 or self._noise_free:
            return False
        own = PATIENCE * median(self._periods) if self._periods else FIRST_PERIOD
        return stayed >= max(self.frozen_seconds, own)


def _changed(one: Frame, other: Frame) -> float:
    """Fraction of the pixels that differ, of every second row and column; NaN equals itself."""
    if one.image.dtype != other.image.dtype:
        return 1.0
    first, second = one.image[::2, ::2], other.image[::2, ::2]
    differing = first != second
    if first.dtype.kind == "f":
        differing &= ~(np.isnan(first) & np.isnan(second))
    return float(differing.mean())


def _is_noise_free(frame: Frame) -> bool:
    """Whether neighbours go on in even steps almost everywhere, as only what is rendered does."""
    rows = frame.image[::4].astype(np.float32)
    if rows.shape[1] < 3 or frame.image.dtype.itemsize == 1:  # gain control makes 8 bits even too
        return False
    with np.errstate(invalid="ignore"):  # infinity less infinity
        curved = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2] != 0
    return float(curved.mean()) < 1 - EVEN


class RangeFilter:
    """Smooths the range of thermal values that is shown, so that overlays do not flicker."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._shown: Range | None = None
        self._stamp = 0

    def update(self, thermal: Frame) -> Range:
        """Take in a frame; the range to show it with."""
        own, shown = range_of(thermal.image), self._shown
        elapsed, self._stamp = (thermal.stamp - self._stamp) / SECOND, thermal.stamp
        # Nothing in common: the camera recalibrated, or the scene is another.
        if shown is None or elapsed < 0 or own[0] > shown[2] or own[2] < shown[0]:
            self._shown = own
        else:
            weight = 1 - math.exp(-elapsed / RANGE_SECONDS)
            low, middle, high = (old + weight * (new - old) for old, new in zip(shown, own, strict=True))
            self._shown = low, middle, high
        return self._shown
