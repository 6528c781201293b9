"""What is known about one rig over time, and how its next pair is registered by it."""

from collections.abc import Sequence
from concurrent.futures import Executor
from copy import copy
from dataclasses import replace

from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.passes import LIKELY
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import RigEvent
from distillmatch_ros.rig.fixed import FixedWatch
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.trust import AGREE_PX, FAR_PX
from distillmatch_ros.rig.watching import RigWatch, WatchedRig
from distillmatch_ros.stream.belief import displaced, in_stream, outweighed
from distillmatch_ros.stream.calibration import Accumulator, PairFormat
from distillmatch_ros.stream.followed import Followed
from distillmatch_ros.stream.follower import Follower
from distillmatch_ros.stream.heat_range import RangeFilter
from distillmatch_ros.stream.latency import LatencyWatch
from distillmatch_ros.stream.metric import MetricRig
from distillmatch_ros.stream.regions import RegionTrack
from distillmatch_ros.stream.repetition import RepeatWatch
from distillmatch_ros.stream.rig_follower import RigFollower
from distillmatch_ros.stream.search import Search
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.temporal import Mode, TemporalFilter

LEARN_S = 0.5
"""Greatest time between passes while a rig is learned, s: it is known after about a dozen."""


class RigState:
    """All that earlier pairs of one rig tell: roles, tracking, the learned rig, a calibration, frozen images.

    It begins with the first pair of a rig, and ends when the images' sizes, orientations or lenses change.
    Must be used by one thread at a time.
    """

    def __init__(
        self,
        formats: PairFormat,
        settings: StreamSettings,
        registrar: Registrar,
        watch: RigWatch,
        executor: Executor,
        asynchronous: bool,
    ) -> None:
        """Start without pairs.

        Args:
            formats: formats of the images.
            settings: settings; see `with_settings`.
            registrar: makes the passes, with the settings' gate.
            watch: learns the rig from them in mode rig.
            executor: runs them, one at a time.
            asynchronous: whether passes run while pairs are tracked.
        """
        self.formats = formats
        self.heat_range = RangeFilter()
        self.metric = MetricRig()
        self.regions = RegionTrack()
        self.accumulator = Accumulator(formats, settings.orientations)
        self._settings = settings
        self._executor = executor
        self._asynchronous = asynchronous
        self._repeats = RepeatWatch(settings.frozen_seconds)
        self._said: Registration | None = None
        self._filter = TemporalFilter(settings, formats.thermal.size, formats.visible.size)
        self._watch = watch
        self._fixed = FixedWatch()
        self._latency = LatencyWatch()
        self._follow_with(Search(registrar))

    def with_settings(self, settings: StreamSettings, registrar: Registrar) -> "RigState":
        """The same knowledge under other settings; this object must not be used any more.

        With other thresholds the tracked homography and the result of a running pass are dropped.
        """
        other = copy(self)
        other._settings = settings
        other._fixed = FixedWatch()
        other._said = None
        other._repeats = self._repeats.with_seconds(settings.frozen_seconds)
        other._filter = self._filter.with_settings(settings)
        if settings.gate != self._settings.gate or settings.mode != self._settings.mode:
            self.close()
            other._follow_with(self._search.with_registrar(registrar))
        return other

    def _follow_with(self, search: Search) -> None:
        """Begin to follow pairs by passes of this search."""
        self._search = search.watched_by(self._watch if self._learns else None)
        sizes = self.formats.thermal.size, self.formats.visible.size
        gate = self._settings.gate
        self._follower = Follower(gate, self._search, self._executor, self._asynchronous, *sizes)
        self._rig_follower: RigFollower | None = None

    @property
    def _learns(self) -> bool:
        """Whether a rig is learned: no rotation takes a mirrored image to one that is not."""
        turns = self._settings.orientations
        return self._settings.mode is Mode.RIG and turns.visible.flip == turns.thermal.flip

    @property
    def advice(self) -> str | None:
        """A setting that would help if no homography is found; None if none is known."""
        return self._search.advice

    @property
    def rig_events(self) -> Sequence[RigEvent]:
        """What was found about the rig, oldest first."""
        told = self._watch, self._fixed, self._latency, self.metric, self.regions
        return sorted((event for each in told for event in each.events), key=lambda event: event.stamp)

    @property
    def known_rig(self) -> WatchedRig | None:
        """The rig that passes confirm; None before, after a knock, and in modes that learn none."""
        return self._watch.locked if self._learns else None

    def close(self) -> None:
        """Wait for a running pass; its result is dropped."""
        self._follower.close()
        if self._rig_follower is not None:
            self._rig_follower.close()

    def depth_hangs(self, depth: Frame, visible: Frame) -> bool:
        """Whether the depth of the next pair is old; see `RepeatWatch`."""
        return self._repeats.depth_hangs(depth, visible)

    def register(
        self, visible: Frame, thermal: Frame, pair: PreparedPair, fixed: ImageMapping | LearnedRig | None
    ) -> Followed:
        """Register the next pair.

        Args:
            visible: the visible frame.
            thermal: the thermal frame.
            pair: their images, prepared.
            fixed: mapping or rig of mode fixed; None in other modes.
        """
        stamp = visible.stamp
        known = WatchedRig(fixed, None, 0) if isinstance(fixed, LearnedRig) else self._watch.locked
        old = self._repeats.update(visible, thermal)
        if old is not None and old.is_stale:
            self._follower.request_pass(stamp)
            held = self._held(stamp, known) if fixed is None or isinstance(fixed, LearnedRig) else fixed
            return Followed.resting(old, held)
        if old is Status.REPEATED and self._said is not None:
            return Followed.repeating(self._said)
        followed = self._register(pair, stamp, fixed, known)
        if not followed.rested:  # what is derived of the images is derived already
            self._latency.update(pair, stamp)
        found = followed.registration
        if found.status.is_own and found.mapping is not None:
            self._latency.heed(found.mapping, stamp)
        if found.status.is_own or followed.rested:
            followed = self._in_time(followed, rig_is_known=known is not None)
        self._said = followed.registration
        for passed, registration in followed.passes:
            self.accumulator.add(registration, passed)
        return followed

    def _in_time(self, followed: Followed, *, rig_is_known: bool) -> Followed:
        """A pair's own homography as far as its two images show one moment."""
        if (doubt := self._latency.doubt(rig_is_known=rig_is_known)) is not None:
            return Followed.rejected(doubt)
        found = followed.registration
        if found.probability is None:
            return followed
        probability = displaced(found.probability, self._latency.displacement_px)
        return replace(followed, registration=replace(found, probability=probability))

    def _register(
        self,
        pair: PreparedPair,
        stamp: int,
        fixed: ImageMapping | LearnedRig | None,
        known: WatchedRig | None,
    ) -> Followed:
        """Register a pair whose images are both new, or stand still."""
        if isinstance(fixed, LearnedRig):
            assert known is not None, "made of the rig"
            followed = self._known().process(pair, stamp, known, self._settings.gate, None)
            if not followed.rested:
                self._fixed.heed(followed.registration, stamp)
            return followed
        if fixed is not None:
            away = self._fixed.away(pair, stamp, fixed, self._settings.gate)
            if away is not None:
                return Followed.rejected(Rejection("rig", away, AGREE_PX))
            return Followed.resting(Status.FIXED, fixed)
        return self._follow(pair, stamp)

    def _held(self, stamp: int, known: WatchedRig | None) -> ImageMapping | None:
        """The mapping of the last good pair, for a pair without images of its own."""
        if self._rig_follower is not None and known is not None:
            self._rig_follower.request_pass()
            return self._rig_follower.last(known)
        return self._filter.last(stamp)

    def _follow(self, pair: PreparedPair, stamp: int) -> Followed:
        settings, locked = self._settings, self._watch.locked
        if locked is not None and locked.is_preferred and self._learns:
            self._follower.close()
            return self._known().process(pair, stamp, locked, settings.gate, settings.pass_seconds)
        if self._rig_follower is not None and locked is None:  # a knock
            self._rig_follower.close()
            self._rig_follower = None
            self._filter.reset()
        followed = self._alone(pair, stamp)
        locked = self._watch.locked
        if locked is None or not self._learns:
            return followed
        passed = bool(followed.passes) and followed.passes[-1][0] == stamp
        if locked.is_preferred and passed:  # this pass made it known
            return self._known().begin(pair, stamp, locked, settings.gate)
        return self._guarded(followed, pair, stamp, locked)

    def _alone(self, pair: PreparedPair, stamp: int) -> Followed:
        """Register a pair without a rig."""
        settings = self._settings
        if settings.pass_seconds == 0:
            return self._pass(pair, stamp)
        learns = self._learns and self._watch.is_undecided
        seconds = min(settings.pass_seconds, LEARN_S) if learns else settings.pass_seconds
        followed = self._follower.process(pair, stamp, seconds)
        registration = self._filter.update(followed.registration, stamp, primed=False)
        if followed.registration.mapping is not None and registration.mapping is None:
            self._follower.request_pass(stamp)  # an unconfirmed step
        return replace(followed, registration=registration)

    def _guarded(self, alone: Followed, pair: PreparedPair, stamp: int, locked: WatchedRig) -> Followed:
        """A pair's own answer if it agrees with the known rig; else that of the two that is likelier."""
        settings, found, known = self._settings, alone.registration, self._known()
        if found.mapping is not None and locked.rig.facing_px(found.mapping) <= AGREE_PX:
            if found.status.is_confirmed:
                known.confirm()
            return alone
        said = None if self._search.said is None or not alone.passes else self._search.said.judgement
        if found.mapping is None and said is not None and said.doubts:
            known.suspect()  # of a step, which one pass alone does not prove
        by_rig = known.process(pair, stamp, locked, settings.gate, None)
        looked = by_rig.rested or by_rig.registration.status.is_own  # now, or at an earlier pair just before
        if found.mapping is None or (looked and known.is_as_good_as(found)):
            return replace(by_rig, passes=alone.passes)
        away = locked.rig.gap_px(found.mapping)
        if away <= FAR_PX:
            return alone
        self._follower.request_pass(stamp)  # one of the two is wrong
        undoubted = None if locked.trust is None else locked.trust.undoubted
        probability = outweighed(undoubted, found.probability)  # the pass that found it counts once
        likely = probability is None or probability >= LIKELY
        if by_rig.registration.status is Status.RIG or not likely:
            by_rig = Followed.rejected(Rejection("rig", away, FAR_PX))
        return replace(by_rig, passes=alone.passes)

    def _known(self) -> RigFollower:
        """What follows pairs of a known rig."""
        if self._rig_follower is None:
            self._rig_follower = RigFollower(self._search, self._executor, self._asynchronous)
        return self._rig_follower

    def _pass(self, pair: PreparedPair, stamp: int) -> Followed:
        """A full pass over the pair, with a prior from earlier pairs."""
        prior = self._filter.prior(stamp)
        # A pass started while pairs were tracked may still be running.
        found = self._executor.submit(self._search.register, pair, stamp, prior).result()
        registration = self._filter.update(found, stamp, primed=prior is not None)
        if registration.status.is_confirmed and (own := registration.probability) is not None:
            registration = replace(registration, probability=in_stream(own))
        return Followed(registration, ((stamp, registration),))
