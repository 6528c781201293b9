"""Combines tracked pairs and full passes: decides which pair gets a pass, and corrects the tracking by it.

A pass of the network takes longer than a frame. With passes in parallel, the pairs that arrive meanwhile are
tracked, and the homography from the pass is updated by the motion of the tracked homography since its pair.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import Float64, Size, corner_error
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.likeness import Look
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.gate import Gate, confirm, contradicted_by_edges
from distillmatch_ros.registration.passes import LIKELY
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.registration.tracking import Matches, Track, find_matches, follow
from distillmatch_ros.stream.belief import Belief, in_stream
from distillmatch_ros.stream.followed import Followed, unchanged
from distillmatch_ros.stream.search import Search
from distillmatch_ros.stream.temporal import FORGET_AFTER

AGREE_PX = 8.0
"""Corner error, reference pixels, up to which a pass confirms a tracked homography: on a recorded drive at
low resolution single frames differ from their median by up to 4."""
DRIFT_PX = 16.0
"""Corner error against the last confirmed homography, reference pixels, above which a pass is due at once."""
LOST_PX = 40.0
"""The same, above which a pair is not tracked, but gets its pass at once."""
FADED = 0.6
"""Fraction of the confirmed homography's peak prominence below which a pass is due at once."""
GAP_S = 0.5
"""Time between pairs above which a pass is due at once, s."""
BELIEF_S = 10.0
"""Time after its confirmation for which a homography is believed rather than a doubtful pass, s."""
DISCARD_AFTER = 5
"""Number of consecutive passes without confirmation after which a tracked homography is discarded."""


@dataclass(frozen=True, eq=False)
class _Pass:
    """A pass over the pair with a stamp, what it shows, and the tracking state of that pair, if any."""

    stamp: int
    view: Look
    registration: Registration
    tracked: Track | None


class Follower:
    """Registers the pairs of one rig; must be used by one thread at a time.

    A tracked homography must be supported by the edges of its pair and stay within `LOST_PX` of the last one
    confirmed by a pass; otherwise the pair gets its own pass. A pass that disagrees with the
    tracking replaces it if the edges support it better, and is repeated if not. Where a pair could not be
    tracked, a doubtful pass does not replace a better homography that was confirmed shortly before.
    """

    def __init__(
        self,
        gate: Gate,
        search: Search,
        executor: Executor,
        asynchronous: bool,
        thermal: Size,
        visible: Size,
    ) -> None:
        """Start without a homography.

        Args:
            gate: thresholds for the homography.
            search: makes the passes.
            executor: runs them, one at a time.
            asynchronous: whether passes run in parallel to tracking; if not, results depend on the pairs
                alone.
            thermal: size of the thermal images.
            visible: size of the visible images.
        """
        self._search = search
        self._executor = executor
        self._asynchronous = asynchronous
        self._sizes = thermal, visible
        self._gate = gate
        self._track: Track | None = None
        self._confirmed: Track | None = None
        self._matches: Matches | None = None
        self._probability: float | None = None
        self._belief: Belief | None = None
        self._stamp = self._passed = self._confirmed_at = 0
        self._doubted: int | None = None
        self._failures = 0
        self._pending: Future[_Pass] | None = None
        self._ended: list[tuple[int, Registration]] = []

    def process(self, pair: PreparedPair, stamp: int, pass_seconds: float) -> Followed:
        """Register a pair.

        Args:
            pair: the pair.
            stamp: stamp of its visible image, ns.
            pass_seconds: time between passes, s.
        """
        start = perf_counter()
        if not 0 <= stamp - self._stamp <= FORGET_AFTER * SECOND:
            self._forget()
        self._collect(wait=False)
        tracked = self._followed(pair, stamp)
        if tracked is None and self._pending is not None:
            before = self._track
            self._collect(wait=True)
            if self._track is not before:
                tracked = self._followed(pair, stamp)
        if tracked is None:
            said = self._pass_now(pair, stamp, None)
            self._stamp = stamp
            return Followed(said, self._take_ended())
        self._judge(tracked, stamp)
        self._track, self._stamp = tracked, stamp
        if self._pending is None and self._is_due(stamp, pass_seconds):
            if self._asynchronous:
                self._pending = self._begin_pass(pair, stamp, tracked)
            elif (said := self._pass_now(pair, stamp, tracked)).mapping is not None:
                return Followed(said, self._take_ended())
        milliseconds = 1e3 * (perf_counter() - start)
        registration = replace(
            Registration.without_matches(
                Status.TRACKED, self._mapping(tracked), {"alignment": milliseconds, "total": milliseconds}
            ),
            probability=None if self._belief is None else self._belief.faded(self._support_of(tracked)),
        )
        return Followed(registration, self._take_ended(), self._finder(tracked))

    def request_pass(self, stamp: int) -> None:
        """Request a pass over the next pair, such as after a frozen thermal stream."""
        self._doubted = stamp

    def close(self) -> None:
        """Wait for a pass that may be running; its result, or its error, is dropped."""
        self._forget()

    def _followed(self, pair: PreparedPair, stamp: int) -> Track | None:
        """Track to this pair; None if the gate rejects the result."""
        if self._track is None or self._confirmed is None:
            return None
        elapsed = (stamp - self._stamp) / SECOND
        tracked = follow(self._track, pair, elapsed)
        accepted = (
            contradicted_by_edges(tracked.alignment, *tracked.crops.sizes, self._gate) is None
            and self._gap(tracked.homography, self._confirmed.homography) <= LOST_PX
            and (self._probability is None or self._is_probable(self._probability, tracked))
        )
        return tracked if accepted else None

    def _is_probable(self, probability: float, tracked: Track) -> bool:
        """Whether the probability of the last pass suffices, reduced in proportion to the edges' support."""
        return probability * min(1.0, max(0.0, self._support_of(tracked))) >= self._gate.min_probability

    def _support_of(self, tracked: Track) -> float:
        """Peak prominence of the edges in that of the homography that was confirmed last."""
        assert self._confirmed is not None, "tracking begins with a pass"
        return tracked.alignment.peak_prominence / max(self._confirmed.alignment.peak_prominence, 1e-9)

    def _judge(self, tracked: Track, stamp: int) -> None:
        """Request a pass if the tracked homography has moved far or lost support."""
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

    def _begin_pass(self, pair: PreparedPair, stamp: int, tracked: Track | None) -> Future[_Pass]:
        def register() -> _Pass:
            found = self._search.register(pair, stamp)
            return _Pass(stamp, Look(pair.visible.picture), found, tracked)

        self._passed = stamp
        return self._executor.submit(register)

    def _pass_now(self, pair: PreparedPair, stamp: int, tracked: Track | None) -> Registration:
        """Wait for a pass over the pair; its result, or the tracked one if the pass is rejected for it."""
        self._pending = self._begin_pass(pair, stamp, tracked)
        registration = self._collect(wait=True)
        assert registration is not None, "the pass was waited for"
        return registration

    def _collect(self, wait: bool) -> Registration | None:
        """Collect the running pass if it has ended or ``wait`` is true; its result, or None."""
        if self._pending is None or not (wait or self._pending.done()):
            return None
        future, self._pending = self._pending, None
        ended = future.result()
        registration = self._take(ended)
        self._ended.append((ended.stamp, registration))
        return registration

    def _take(self, ended: _Pass) -> Registration:
        """Correct the tracking by a pass, and decide on the homography of its pair.

        The homography of the pass is dropped if the edges support the tracked one better.
        """
        registration, tracked, crops = ended.registration, ended.tracked, ended.registration.crops
        prominence = registration.quality.peak_prominence if registration.quality else None
        if registration.homography is None or prominence is None or crops is None:
            self._fail(ended.stamp)
            return registration
        confirmed = False
        if tracked is None or self._track is None:
            if self._contradicts(registration, registration.homography, ended.stamp):
                return self._reject(ended)
            self._track = Track.begin(registration.homography, prominence, crops)
        elif self._gap(tracked.homography, registration.homography) <= AGREE_PX:
            confirmed = True
            self._track = self._track.recropped(crops)
        elif prominence > tracked.alignment.peak_prominence:
            moved = self._track.homography @ np.linalg.inv(tracked.homography)
            self._track = Track.begin(moved @ registration.homography, prominence, crops)
        else:
            return self._reject(ended)
        self._confirmed, self._confirmed_at, self._failures = self._track, ended.stamp, 0
        if self._doubted is not None and self._doubted <= ended.stamp:
            self._doubted = None
        self._matches = Matches.of(registration)
        self._believe(registration, ended.view, confirmed)
        if confirmed and tracked is not None:
            registration = self._steadied(registration, tracked)
        return replace(registration, probability=None if self._belief is None else self._belief.probability)

    def _believe(self, registration: Registration, view: Look, confirmed: bool) -> None:
        """Take the probability of a pass, which confirms the homography of those before it or replaces it."""
        self._probability = registration.probability
        if self._probability is None:
            self._belief = None
            return
        own = in_stream(self._probability)
        known = self._belief if confirmed else None
        self._belief = Belief(own, view) if known is None else known.confirmed(own, view)

    def _contradicts(self, registration: Registration, homography: Float64, stamp: int) -> bool:
        """Whether a doubtful pass disagrees with a better one shortly before.

        Images in which tracking fails are often such that passes go wrong too, and rigs seldom move.
        """
        if self._confirmed is None or registration.probability is None or self._probability is None:
            return False
        return (
            registration.probability < min(LIKELY, self._probability)
            and stamp - self._confirmed_at <= BELIEF_S * SECOND
            and self._gap(homography, self._confirmed.homography) > DRIFT_PX
        )

    def _reject(self, ended: _Pass) -> Registration:
        self._fail(ended.stamp)
        self._search.count_failure()
        reason = Rejection("earlier_pairs")
        return ended.registration.rejected(reason)

    def _steadied(self, registration: Registration, tracked: Track) -> Registration:
        """The result of a pass with the tracked homography, which it confirms."""
        crops = tracked.crops
        points = crops.from_cameras(registration.visible_points, registration.thermal_points)
        judged = confirm(tracked.alignment, *points, *crops.sizes, self._gate)
        if judged.homography is None:
            return registration
        return replace(
            registration, mapping=self._mapping(tracked), inliers=judged.inliers, quality=judged.quality
        )

    def _fail(self, stamp: int) -> None:
        self._failures += 1
        self._doubted = stamp
        if self._failures >= DISCARD_AFTER:
            self._track = None

    def _forget(self) -> None:
        """Reset the state, and discard the result of a pass that may be running, or its error."""
        running, self._pending = self._pending, None
        self._track = self._confirmed = self._doubted = None
        if running is not None:
            wait([running])

    def _finder(self, tracked: Track) -> Callable[[Registration], Registration]:
        if self._matches is None:
            return unchanged
        return partial(find_matches, tracked, self._matches, self._gate.inlier_px)

    def _take_ended(self) -> tuple[tuple[int, Registration], ...]:
        ended, self._ended = tuple(self._ended), []
        return ended

    def _mapping(self, tracked: Track) -> HomographyMapping:
        return HomographyMapping(tracked.homography, *self._sizes)

    def _gap(self, homography: Float64, other: Float64) -> float:
        return corner_error(homography, other, *self._sizes)
