"""Registers pairs of a known rig: its mapping at each pair's own depth, watched by passes of the network."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.registration.tracking import Matches
from distillmatch_ros.rig.following import PairOfEdges, RigAlignment, RigTrack
from distillmatch_ros.rig.model import RigMapping
from distillmatch_ros.rig.trust import FAR_PX
from distillmatch_ros.rig.watching import WatchedPass, WatchedRig
from distillmatch_ros.stream.belief import in_stream
from distillmatch_ros.stream.followed import Followed
from distillmatch_ros.stream.search import Search
from distillmatch_ros.stream.temporal import FORGET_AFTER

SEARCH_S = 1.0
"""Time between searches over all depths while edges support none, s."""
FOLLOW_S = 0.09
"""Time between pairs that are aligned on their edges, s; depth and mount change little in less."""
CALM, CALM_PX, CALM_S = 2.0, 0.5, 0.05
"""The same in `FOLLOW_S` while the last alignment moved corners by less than so many reference pixels and
pairs are at most so many seconds apart: of slower ones each is looked at, and a knock shows in the first."""
SETTLED = 2.0
"""Time between passes of a dense stream whose last pass and edges confirm the rig, in ``pass_seconds``."""
DOUBT_S = 0.2
"""Least time between passes that edges ask for, s."""

_DENSE_S = 0.3  # between pairs; those farther apart may be of other scenes, about which edges said nothing
_BETTER = 0.03  # correlation by which another start has to be better than what a pass's pair was found at


@dataclass(frozen=True, eq=False)
class _Pass:
    """A pass over the pair with a stamp, and what it said."""

    stamp: int
    said: WatchedPass


class RigFollower:
    """Registers pairs while their rig is known. Must be used by one thread at a time."""

    def __init__(self, search: Search, executor: Executor, asynchronous: bool) -> None:
        """Start without knowledge of a pair.

        Args:
            search: makes the passes, in the executor; a watch learns the rig from them.
            executor: runs them, one at a time.
            asynchronous: whether passes run while pairs are followed.
        """
        self._search = search
        self._executor = executor
        self._asynchronous = asynchronous
        self._pending: Future[_Pass] | None = None
        self._found: RigAlignment | None = None
        """The last pair whose own images supported the rig."""
        self._followed = self._passed = self._searched = self._latest = 0
        self._doubted = self._was_supported = self._suspected = self._was_confirmed = self._is_calm = False
        self._matches: Matches | None = None

    def process(
        self, pair: PreparedPair, stamp: int, locked: WatchedRig, gate: Gate, pass_seconds: float | None
    ) -> Followed:
        """Register a pair.

        Args:
            pair: the pair.
            stamp: stamp of its visible image, ns.
            locked: the rig.
            gate: thresholds for edges and inliers.
            pass_seconds: time between passes, s; 0 for one over each pair, which is waited for; None for no
                passes.
        """
        start = perf_counter()
        ended = self._collect()
        if ended is not None:
            self._heed(ended.said)
        due = self._is_due(stamp, pass_seconds)
        is_calm = self._is_calm and 0 <= stamp - self._latest <= CALM_S * SECOND
        self._latest, pause = stamp, FOLLOW_S * (CALM if is_calm else 1.0)
        rests = 0 <= stamp - self._followed < pause * SECOND and not due and ended is None
        known = self._found if self._was_supported and not _is_improbable(locked, gate) else None
        if rests and known is not None:
            answer = _answer(Status.RIG, known.mapping, locked)
            return Followed(_timed(answer, start), (), self._finder(answer, known), rested=True)
        edges = PairOfEdges(locked.rig.model, pair, gate)
        found = self._follow(edges, stamp, locked, ended)
        away = self._away(edges, found, locked)
        self._doubted |= away is not None
        if self._is_due(stamp, pass_seconds):
            self._begin(pair, stamp)
            if not self._asynchronous or pass_seconds == 0:
                ended = self._collect(waits=True)
        self._followed, self._was_supported = stamp, found.is_supported and away is None
        before = None if self._found is None else self._found.mapping
        self._is_calm = before is not None and _apart_px(before, found.mapping) < CALM_PX
        passes = () if ended is None else ((ended.stamp, ended.said.registration),)
        if ended is not None and ended.stamp == stamp:
            answer, found = self._by_pass(ended.said, edges, found, away, locked, gate)
        else:
            answer = self._by_edges(found, away, locked, gate)
        if answer.status.is_own:
            self._found, self._suspected = found, False
        elif answer.status.is_rejection:
            self._suspected = True
        return Followed(_timed(answer, start), passes, self._finder(answer, found))

    def begin(self, pair: PreparedPair, stamp: int, locked: WatchedRig, gate: Gate) -> Followed:
        """Answer for the pair whose pass made the rig known; see `process`."""
        said = self._search.said
        assert said is not None, "a pass made the rig known"
        assert said.own is not None, "a pass that judged the rig"
        edges = PairOfEdges(locked.rig.model, pair, gate)
        found = edges.at(said.own)
        answer, found = self._by_pass(said, edges, found, None, locked, gate)
        self._found, self._followed, self._passed = found, stamp, stamp
        return Followed(answer, ((stamp, said.registration),))

    def request_pass(self) -> None:
        """Request a pass over the next pair, such as after a frozen thermal stream."""
        self._doubted = True

    def confirm(self) -> None:
        """Take note that a pass elsewhere confirms the rig."""
        self._suspected = False

    def suspect(self) -> None:
        """Take note that a pass elsewhere contradicts the rig, which alone is no answer then."""
        self._suspected = True

    def is_as_good_as(self, own: Registration) -> bool:
        """Whether the last pair's mapping by the rig may stand where its own one differs from it."""
        return self._found is not None and self._was_supported and self._found.is_as_good_as(own)

    def last(self, locked: WatchedRig) -> ImageMapping | None:
        """The mapping of the last pair; None before the first one."""
        own = None if self._found is None else self._found.track.own
        return None if own is None else locked.rig.model.on_plane(own[:3], own[3:])

    def close(self) -> None:
        """Wait for a pass that may be running; its result, or its error, is dropped."""
        if self._pending is not None:
            wait([self._pending])

    def _follow(
        self, edges: PairOfEdges, stamp: int, locked: WatchedRig, ended: _Pass | None
    ) -> RigAlignment:
        """Align a pair from the last one, from what a pass found meanwhile, or else by a search."""
        elapsed = (stamp - self._followed) / SECOND
        if not 0 <= elapsed <= FORGET_AFTER:
            self._found = None
        starts = [] if self._found is None else [self._found.track]
        if ended is not None and ended.said.own is not None:
            starts.append(RigTrack.begin(ended.said.own))
        found = [edges.follow(start, max(elapsed, 0.0)) for start in starts]
        best = max(found, key=lambda each: each.alignment.correlation, default=None)
        lost = best is None or not best.is_supported
        if lost and (best is None or self._was_supported or stamp - self._searched >= SEARCH_S * SECOND):
            self._searched = stamp
            shift = np.zeros(2) if self._found is None else self._found.track.own[3:]
            searched = edges.follow(edges.search(locked.rig.inverse_depths, shift), 0.0)
            if best is None or searched.is_supported:
                best = searched
        assert best is not None, "a search always finds a place"
        return best

    def _heed(self, said: WatchedPass) -> None:
        """Take what a pass over an earlier pair says: a contradiction is looked into at once."""
        if said.judgement is None:
            return
        if said.judgement.contradicts:
            self._doubted = self._suspected = True
        elif said.judgement.agrees:
            self._matches, self._suspected = Matches.of(said.registration), False

    def _away(self, edges: PairOfEdges, found: RigAlignment, locked: WatchedRig) -> float | None:
        """How far off the rig the place is at which edges agree, reference pixels; None if nothing says so.

        What a frame adds to the rig moves its mapping a little; a knock moves it further than the rig allows.
        """
        if not found.is_supported:
            return edges.away(found.mapping)
        moved = _apart_px(locked.rig.near(found.track.own), found.mapping)
        return moved if moved > FAR_PX else None  # none for NaN: a corner beyond the lens model

    def _by_edges(
        self, found: RigAlignment, away: float | None, locked: WatchedRig, gate: Gate
    ) -> Registration:
        """The answer for a pair without a pass.

        After a contradiction the rig alone is no answer, until a pair's own images support it again. Nor is
        it while passes make it improbable.
        """
        improbable = _is_improbable(locked, gate)
        if away is None and found.is_supported and not improbable:
            return _answer(Status.TRACKED, found.mapping, locked)
        if away is not None or self._suspected or improbable:
            return _contradicted(Registration.without_matches(Status.RIG, None, {}), away)
        kept = self.last(locked)
        return _answer(Status.RIG, locked.rig.near(found.track.own) if kept is None else kept, locked)

    def _by_pass(
        self,
        said: WatchedPass,
        edges: PairOfEdges,
        found: RigAlignment,
        away: float | None,
        locked: WatchedRig,
        gate: Gate,
    ) -> tuple[Registration, RigAlignment]:
        """The answer for a pair with a pass, and its alignment."""
        own, judgement = said.registration, said.judgement
        if said.locked is None:  # this pass was the last of those that mean a knock
            return own, found
        locked = replace(locked, trust=said.locked.trust)
        if said.own is not None and judgement is not None:
            exact = edges.at(said.own)
            if exact.alignment.correlation > found.alignment.correlation - _BETTER:
                found, away = exact, self._away(edges, exact, locked)
            if judgement.contradicts:
                seen = 0.0 if own.quality is None else own.quality.peak_prominence or 0.0
                if away is not None or not found.is_supported or seen > found.alignment.peak_prominence:
                    self._doubted = True
                    return _contradicted(own, judgement.off_px), found
            elif judgement.agrees:
                self._matches = Matches.of(own)
                probability = max(locked.probability or 0.0, in_stream(own.probability or 0.0))
                inliers = _inliers(own, found.mapping, gate)
                confirmed = replace(
                    own, mapping=found.mapping, status=Status.OK, probability=probability, inliers=inliers
                )
                return confirmed, found
        return replace(self._by_edges(found, away, locked, gate), latency_ms=own.latency_ms), found

    def _is_due(self, stamp: int, pass_seconds: float | None) -> bool:
        if pass_seconds is None:
            return False
        since = (stamp - self._passed) / SECOND
        dense = 0 <= stamp - self._followed <= _DENSE_S * SECOND
        settled = dense and self._was_confirmed and self._was_supported
        usual = pass_seconds * SETTLED if settled else pass_seconds
        due = since >= usual or since < 0 or (self._doubted and since >= min(DOUBT_S, pass_seconds))
        return self._pending is None and due

    def _begin(self, pair: PreparedPair, stamp: int) -> None:
        def register() -> _Pass:
            self._search.register(pair, stamp)
            assert self._search.said is not None, "each pass is watched"
            return _Pass(stamp, self._search.said)

        self._passed, self._doubted = stamp, False
        self._pending = self._executor.submit(register)

    def _collect(self, waits: bool = False) -> _Pass | None:
        if self._pending is None or not (waits or self._pending.done()):
            return None
        future, self._pending = self._pending, None
        ended = future.result()
        judgement = ended.said.judgement
        self._was_confirmed = judgement is not None and judgement.agrees
        self._doubted |= judgement is not None and judgement.doubts
        return ended

    def _finder(self, answer: Registration, found: RigAlignment) -> Callable[[Registration], Registration]:
        if self._matches is None or answer.status not in (Status.TRACKED, Status.RIG):
            return lambda registration: registration
        return partial(found.find_matches, self._matches)


def _apart_px(one: RigMapping, other: RigMapping) -> float:
    """Mean distance of where two mappings take the thermal image's corners, reference pixels."""
    gaps = np.hypot(*(other.corners - one.corners).T)
    return float(gaps.mean()) * REFERENCE_WIDTH / one.visible_size[1]


def _timed(registration: Registration, start: float) -> Registration:
    """With the time since a start, unless a pass was timed."""
    milliseconds = 1e3 * (perf_counter() - start)
    return replace(
        registration,
        latency_ms=registration.latency_ms or {"alignment": milliseconds, "total": milliseconds},
    )


def _is_improbable(locked: WatchedRig, gate: Gate) -> bool:
    return locked.probability is not None and locked.probability < gate.min_probability


def _answer(status: Status, mapping: ImageMapping, locked: WatchedRig) -> Registration:
    return replace(Registration.without_matches(status, mapping, {}), probability=locked.probability)


def _contradicted(registration: Registration, distance_px: float | None) -> Registration:
    return registration.rejected(Rejection("rig", distance_px, FAR_PX))


def _inliers(found: Registration, mapping: ImageMapping, gate: Gate) -> NDArray[np.bool_]:
    gaps = np.hypot(*(found.visible_points - mapping.to_visible(found.thermal_points)).T)
    inliers = gaps * REFERENCE_WIDTH / mapping.visible_size[1] <= gate.inlier_px  # false for NaN
    return np.asarray(inliers, np.bool_)
