"""Tracked pairs and full passes: which pair gets which, and how a pass corrects the tracking.

A pass of the network takes longer than a frame. Where passes run beside, the pairs that come in the meantime
are tracked on, and what the pass says of its own pair is brought forward by how the tracked homography has
moved since.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import Float64, Size, corner_error
from distillmatch_ros.images.frames import Frame, to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.registration.gate import Gate, Status, confirm, confirm_on_edges
from distillmatch_ros.registration.passes import STAGES
from distillmatch_ros.registration.registrar import Registration
from distillmatch_ros.registration.tracking import Matches, Track, find_matches, follow
from distillmatch_ros.stream.search import Search
from distillmatch_ros.stream.temporal import FORGET_AFTER

AGREE_PX = 8.0
"""Corner error, reference pixels, up to which a pass confirms a tracked homography: single frames of a real
drive of low resolution differ from their median by up to 4."""
DRIFT_PX = 16.0
"""Distance from the homography that was confirmed last at which a pass is due at once."""
FADED = 0.6
"""Fraction of the peak prominence when it was confirmed below which a pass is due at once."""
GAP_S = 0.5
"""Time between pairs after which a pass is due at once."""
PATIENCE = 5
"""Passes in a row that may fail to confirm a tracked homography until it is given up."""


class Here(Executor):
    """Runs what it is given at once, in the thread that gives it."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it; what it raises is raised by the future's ``result``."""
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _unchanged(registration: Registration) -> Registration:
    return registration


@dataclass(frozen=True, eq=False)
class Followed:
    """A pair as it was registered.

    Attributes:
        registration: TRACKED without correspondences, or what a pass says of this pair.
        passes: passes over this pair and earlier ones that ended since the last pair, with their stamps.
        find_matches: gives the registration, or one with another homography, its correspondences; those of
            a tracked pair are found when it is called.
    """

    registration: Registration
    passes: tuple[tuple[int, Registration], ...] = ()
    find_matches: Callable[[Registration], Registration] = _unchanged

    @classmethod
    def resting(cls, status: Status, homography: Float64 | None) -> "Followed":
        """A pair that was not looked at."""
        latency_ms = dict.fromkeys((*STAGES, "total"), 0.0)
        return cls(Registration.without_matches(status, homography, latency_ms))


@dataclass(frozen=True, eq=False)
class _Pass:
    """A pass over the pair of a stamp, and how that pair was tracked, if it was."""

    stamp: int
    registration: Registration
    tracked: Track | None


class Follower:
    """Registers the pairs of one rig; one thread at a time may use it.

    A tracked homography has to be supported by the edges of its pair and to stay within ``max_jump_px`` of
    the one that a pass confirmed last; a pair whose is not gets a pass of its own. A pass that disagrees
    with the tracking replaces it where the edges support it better, and else is repeated.
    """

    def __init__(
        self, gate: Gate, search: Search, executor: Executor, beside: bool, thermal: Size, visible: Size
    ) -> None:
        """Start without knowledge.

        Args:
            gate: what a homography must show; see `check`.
            search: makes the passes.
            executor: runs them, one at a time.
            beside: do not wait for a pass while tracking goes on; else all depends on the pairs alone.
            thermal: size of the thermal images.
            visible: size of the visible images.
        """
        self._search = search
        self._executor = executor
        self._beside = beside
        self._sizes = thermal, visible
        self._gate = gate
        self._track: Track | None = None
        self._confirmed: Track | None = None
        self._matches: Matches | None = None
        self._probability: float | None = None
        self._stamp = self._passed = 0
        self._doubted: int | None = None
        self._failures = 0
        self._pending: Future[_Pass] | None = None
        self._ended: list[tuple[int, Registration]] = []

    def process(self, visible: Frame, thermal: Frame, pass_seconds: float, max_jump_px: float) -> Followed:
        """Register a pair.

        Args:
            visible: the visible frame.
            thermal: the thermal frame.
            pass_seconds: a pass is due so long after the last one.
            max_jump_px: greatest distance of a tracked homography from the last confirmed one.
        """
        start = perf_counter()
        if not 0 <= visible.stamp - self._stamp <= FORGET_AFTER * SECOND:
            self._forget()
        self._collect(wait=False)
        tracked = self._followed(visible, thermal, max_jump_px)
        if tracked is None and self._pending is not None:
            before = self._track
            self._collect(wait=True)
            if self._track is not before:
                tracked = self._followed(visible, thermal, max_jump_px)
        if tracked is None:
            said = self._pass_now(visible, thermal, None)
            self._stamp = visible.stamp
            return Followed(said, self._take_ended())
        self._judge(tracked, visible.stamp)
        self._track, self._stamp = tracked, visible.stamp
        if self._pending is None and self._is_due(visible.stamp, pass_seconds):
            if self._beside:
                self._pending = self._begin_pass(visible, thermal, tracked)
            elif (said := self._pass_now(visible, thermal, tracked)).homography is not None:
                return Followed(said, self._take_ended())
        milliseconds = 1e3 * (perf_counter() - start)
        registration = replace(
            Registration.without_matches(
                Status.TRACKED, tracked.homography, {"alignment": milliseconds, "total": milliseconds}
            ),
            probability=self._probability_of(tracked),
        )
        return Followed(registration, self._take_ended(), self._finder(tracked))

    def doubt(self, stamp: int) -> None:
        """Have a pass over the next pair, such as after the thermal stream stood still."""
        self._doubted = stamp

    def check(self, gate: Gate) -> None:
        """Track nothing that was accepted by another gate, nor what a pass finds that runs with it."""
        if gate != self._gate:
            self._gate = gate
            self._forget()

    def _followed(self, visible: Frame, thermal: Frame, max_jump_px: float) -> Track | None:
        """The pair as it is tracked; None where the gate says no."""
        if self._track is None or self._confirmed is None:
            return None
        elapsed = (visible.stamp - self._stamp) / SECOND
        grey = to_grey(visible.image)
        grey = grey if grey.dtype == np.uint8 else to_8bit(grey)
        tracked = follow(self._track, grey, to_grey(thermal.image), elapsed)
        accepted = (
            confirm_on_edges(tracked.alignment, *self._sizes, self._gate)
            and self._gap(tracked.homography, self._confirmed.homography) <= max_jump_px
            and (self._probability_of(tracked) or 1.0) >= self._gate.min_probability
        )
        return tracked if accepted else None

    def _probability_of(self, tracked: Track) -> float | None:
        """That of the last pass, less where the edges agree less than they did then."""
        if self._probability is None or self._confirmed is None:
            return None
        before = max(self._confirmed.alignment.peak_prominence, 1e-9)
        return self._probability * min(1.0, max(0.0, tracked.alignment.peak_prominence / before))

    def _judge(self, tracked: Track, stamp: int) -> None:
        """Whether what was tracked calls for a pass, however soon the next one is due."""
        assert self._confirmed is not None, "tracking begins with a pass"
        if (
            tracked.jumped
            or stamp - self._stamp > GAP_S * SECOND
            or tracked.alignment.peak_prominence < FADED * self._confirmed.alignment.peak_prominence
            or self._gap(tracked.homography, self._confirmed.homography) > DRIFT_PX
        ):
            self._doubted = stamp

    def _is_due(self, stamp: int, pass_seconds: float) -> bool:
        return self._doubted is not None or stamp - self._passed >= pass_seconds * SECOND

    def _begin_pass(self, visible: Frame, thermal: Frame, tracked: Track | None) -> Future[_Pass]:
        def register() -> _Pass:
            return _Pass(visible.stamp, self._search.register(visible, thermal), tracked)

        self._passed = visible.stamp
        return self._executor.submit(register)

    def _pass_now(self, visible: Frame, thermal: Frame, tracked: Track | None) -> Registration:
        """The pair as a pass has it, which is waited for; as it was tracked, if it was."""
        self._pending = self._begin_pass(visible, thermal, tracked)
        registration = self._collect(wait=True)
        assert registration is not None, "the pass was waited for"
        return registration

    def _collect(self, wait: bool) -> Registration | None:
        """Take in the pass that is running, if it has ended or is to be waited for; what it says."""
        if self._pending is None or not (wait or self._pending.done()):
            return None
        future, self._pending = self._pending, None
        ended = future.result()
        registration = self._take(ended)
        self._ended.append((ended.stamp, registration))
        return registration

    def _take(self, ended: _Pass) -> Registration:
        """Correct the tracking by a pass, and say what its pair's homography is, all considered.

        That of a pass is none where the edges support the tracked one better.
        """
        registration, tracked = ended.registration, ended.tracked
        prominence = registration.quality.peak_prominence if registration.quality else None
        if registration.homography is None or prominence is None:
            self._fail(ended.stamp)
            return registration
        confirmed = False
        if tracked is None or self._track is None:
            self._track = Track.begin(registration.homography, prominence)
        elif self._gap(tracked.homography, registration.homography) <= AGREE_PX:
            confirmed = True
        elif prominence > tracked.alignment.peak_prominence:
            moved = self._track.homography @ np.linalg.inv(tracked.homography)
            self._track = Track.begin(moved @ registration.homography, prominence)
        else:
            self._fail(ended.stamp)
            return replace(registration, homography=None, status=Status.DEGENERATE)
        self._confirmed, self._failures = self._track, 0
        if self._doubted is not None and self._doubted <= ended.stamp:
            self._doubted = None
        self._matches = Matches.of(registration)
        self._probability = registration.probability
        return self._steadied(registration, tracked) if confirmed and tracked is not None else registration

    def _steadied(self, registration: Registration, tracked: Track) -> Registration:
        """What a pass says of a pair, with the homography that was tracked and that it confirms."""
        judged = confirm(
            tracked.alignment,
            registration.thermal_points,
            registration.visible_points,
            *self._sizes,
            self._gate,
        )
        if judged.status is not Status.OK:
            return registration
        return replace(
            registration, homography=judged.homography, inliers=judged.inliers, quality=judged.quality
        )

    def _fail(self, stamp: int) -> None:
        self._failures += 1
        self._doubted = stamp
        if self._failures >= PATIENCE:
            self._track = self._confirmed = None

    def _forget(self) -> None:
        """Start anew, without the pass that may be running."""
        if self._pending is not None:
            self._pending.result()
        self._pending = self._track = self._confirmed = self._doubted = None

    def _finder(self, tracked: Track) -> Callable[[Registration], Registration]:
        if self._matches is None:
            return _unchanged
        return partial(find_matches, tracked, self._matches, self._gate.inlier_px, self._sizes[1])

    def _take_ended(self) -> tuple[tuple[int, Registration], ...]:
        ended, self._ended = tuple(self._ended), []
        return ended

    def _gap(self, homography: Float64, other: Float64) -> float:
        return corner_error(homography, other, *self._sizes)
