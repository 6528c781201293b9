"""Learns a rig from the passes of a drive, decides when it can be relied on, and when it no longer can.

Evidence is taken on pairs that the rig was not learned from: it is fitted to some passes and judged by those
that follow. It is locked when it explains them about as well as their own homographies do. From then on
passes watch it: several that agree with each other, and not with it, mean a knock of the cameras.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.drift import Drift
from distillmatch_ros.rig.events import Finding, RigEvent
from distillmatch_ros.rig.judging import explains, holds, judge_by, mapped_by, why_not
from distillmatch_ros.rig.knocks import Off, Offs, at_other_depths
from distillmatch_ros.rig.learning import LearnedRig, Observation, learn
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.obstacles import Obstacle, differences, moved
from distillmatch_ros.rig.trust import Judgement, Trust

JUDGES, FILE_JUDGES = 5, 3
"""Passes after the fit that judge a rig; most that judge one from a file, which the first one may confirm."""
MAX_KEPT = 16
"""Most passes that are kept, which bounds memory; with 12 of them a rig is known to about a pixel."""

OnLearned = Callable[[LearnedRig, int], None]
"""Takes a rig, and the number of passes that it was learned from."""
Lenses = tuple[Camera | Size, Camera | Size]
"""The thermal and the visible camera, or the size of its images where it is not calibrated."""

_FITS = (6, 12, 24, 48, 96)  # numbers of passes at which a rig is fitted
_EVENTS = 100  # latest ones that are kept
_SEEN = 24  # latest passes, before a knock and after it, that tell what is against a rig
_COMPARED, _BETTER = 12, 0.6  # passes whose edges are compared; fraction in which the rig has to fit better


def ignore(_rig: LearnedRig, _passes: int) -> None:
    """Do nothing with a rig."""


@dataclass(frozen=True, eq=False)
class WatchedRig:
    """A locked rig, as it is known after a pass.

    Attributes:
        rig: the rig.
        trust: what the latest passes say of it; None without passes.
        passes: number of passes that it was learned from; 0 if it comes from a file.
        is_preferred: whether it fits edges better than the pairs' own homographies, and maps all pairs;
            otherwise it maps those that fail alone, and guards the others.
    """

    rig: LearnedRig
    trust: Trust | None
    passes: int
    is_preferred: bool = True

    @property
    def probability(self) -> float | None:
        """That the rig's mapping of a pair is within 10 reference pixels; None without passes."""
        return None if self.trust is None else self.trust.probability


@dataclass(frozen=True, eq=False)
class WatchedPass:
    """A pass, and what it says about the rig.

    Attributes:
        registration: the pass's result.
        own: (5,), what the pair adds to the rig, see `RigModel.on_plane`; None without a rig or a mapping.
        judgement: None likewise.
        locked: the rig after this pass; None if none can be relied on.
    """

    registration: Registration
    own: Float64 | None
    judgement: Judgement | None
    locked: WatchedRig | None


class RigWatch:
    """What passes say about one rig. Must be used by one thread at a time; `locked` may be read by any."""

    def __init__(
        self,
        thermal: Size,
        visible: Size,
        known: LearnedRig | None = None,
        on_learned: OnLearned = ignore,
        lenses: Callable[[], Lenses] | None = None,
    ) -> None:
        """Start without passes.

        Args:
            thermal: size of the thermal images.
            visible: size of the visible images.
            known: a rig that was learned earlier; it is relied on once passes confirm it.
            on_learned: called with each rig that is locked or improved, and the number of its passes.
            lenses: asked before each fit for the cameras; they may become known late. None if they are not
                known. Each fit decides anew whether a rig holds with them; else they are estimated.
        """
        self._sizes = thermal, visible
        self._on_learned = on_learned
        self._lenses = (lambda: self._sizes) if lenses is None else lenses
        self._seen: deque[ImageMapping] = deque(maxlen=_SEEN)
        self.events: deque[RigEvent] = deque(maxlen=_EVENTS)
        """What was found about the rig, oldest first."""
        self._stamp = 0
        self._begin(self._usable(known))

    def _begin(self, known: LearnedRig | None) -> None:
        """Start without passes; perhaps with a rig that was learned earlier."""
        self._candidate = known
        self._from_file = known is not None
        self._passes = 0
        self._kept: list[Observation] = []
        self._judged: list[Judgement] = []
        self._trust = Trust()
        self._fits_better: list[bool] = []
        self._offs, self._drift = Offs(), Drift()
        self.locked: WatchedRig | None = None
        self.is_undecided = True
        """Whether passes have not yet decided for or against a rig."""

    @property
    def _compares(self) -> bool:
        """Whether passes tell if the rig fits better than their own mappings; a file's maps all pairs."""
        return not self._from_file and len(self._fits_better) < _COMPARED

    def _usable(self, known: LearnedRig | None) -> LearnedRig | None:
        try:
            if known is not None:
                known.check(*self._sizes)
        except DistillMatchError as error:
            self._tell(Finding.UNUSABLE, str(error))
            return None
        return known

    def take(self, pair: PreparedPair, found: Registration, stamp: int) -> WatchedPass:
        """Learn from a pass, and judge the rig by it.

        Args:
            pair: the pair.
            found: the pass's own registration.
            stamp: the pair's stamp, ns.
        """
        self._stamp = stamp
        if found.mapping is None or not found.status.is_confirmed:
            return WatchedPass(found, None, None, self.locked)
        self._seen.append(found.mapping)
        observed = Observation.of(pair, found)
        own, judgement = None, None
        if self._candidate is not None:
            careful = self.locked is None or self._compares
            own = (self._candidate.own if careful else self._candidate.by_matches)(observed)
            mapping = mapped_by(self._candidate, observed, own)
            judgement = judge_by(self._candidate, observed, own, mapping, found.probability, self._compares)
            if judgement.likely:
                self._drift.add(mapping, found)
            self._decide(judgement, observed, own)
        self._keep(observed)
        self._follow_mount()
        return WatchedPass(found, own, judgement, self.locked)

    def _decide(self, judgement: Judgement, observed: Observation, own: Float64) -> None:
        assert self._candidate is not None, "judged only with a rig"
        self._trust = self._trust.after(judgement)
        if judgement.fits_better is not None:
            self._fits_better.append(judgement.fits_better)
        if self.locked is not None:
            self._watch(judgement, observed, own)
            return
        self._judged.append(judgement)
        least, most = (1, FILE_JUDGES) if self._from_file else (JUDGES, JUDGES)
        if len(self._judged) < least:
            return
        gap = float(np.median([each.gap_px for each in self._judged]))
        differ = differences(self._seen)
        if holds(self._judged) and not differ.no_rig_does:
            use = _use(self._lock().is_preferred)
            count, passes = len(self._judged), self._passes + 1
            after = f"{passes} pass{'es' * (passes > 1)}"
            self._tell(
                Finding.KNOWN,
                f"the rig is known after {after}, {gap:.1f} px from those that judged it ({count}): {use}",
                passes,
                gap,
            )
            return
        if len(self._judged) < most:
            return
        lenses = (
            " with the lenses of camera_info" if "given" in self._candidate.model.origins.values() else ""
        )
        what = "the rig of the file does not fit" if self._from_file else f"no rig holds yet{lenses}"
        reason = why_not(self._judged) if differ.obstacle is None else str(differ)
        self._tell(
            Finding.NO_RIG,
            f"{what}, and pairs are registered one by one: {reason}",
            self._passes + 1,
            gap if differ.obstacle is None else None,
            obstacle=differ.obstacle,
        )
        self._candidate, self._from_file, self.is_undecided = None, False, False
        self._judged.clear()

    def _watch(self, judgement: Judgement, observed: Observation, own: Float64) -> None:
        """Discard the locked rig after passes that agree on another place, unless it is another depth."""
        assert observed.mapping is not None, "judged by a pass with a mapping"
        assert self._candidate is not None, "judged only with a rig"
        assert self.locked is not None, "only a locked rig is watched"
        if judgement.agrees:
            self._offs.clear()
            self._lock()
        if not judgement.doubts:
            return
        self.locked = replace(self.locked, trust=self._trust)
        agreeing = self._offs.add(Off(observed, judgement), self._candidate)
        if not agreeing:
            return
        if (other := at_other_depths(self._candidate, agreeing)) is not None:
            self._candidate = other
            for each in agreeing:  # what they say now that the depth is a likely one
                self._trust = self._trust.after(replace(each.judgement, off_px=each.judgement.gap_px))
            self._offs.clear()
            self._lock()
            return
        change = moved(self._candidate.near(own), observed.mapping)
        self._tell(
            Finding.MOVED,
            f"{change.sentence(judgement.off_px)}; the rig is learned anew",
            distance_px=judgement.off_px,
            turned_degrees=change.degrees,
            obstacle=Obstacle.ZOOM if change.is_zoom else None,
        )
        if not change.is_zoom:  # else passes before it go on to tell of it
            self._seen.clear()
        self._begin(None)
        for each in agreeing[:-1]:  # the last one is kept as any pass is
            self._keep(each.observed)

    def _follow_mount(self) -> None:
        """Take the pose that the latest passes have, if they lie off the known rig alike."""
        if self.locked is None or (found := self._drift.follow(self.locked.rig, self._kept)) is None:
            return
        self._candidate, offset = found
        turned = f"the cameras have turned against each other by {offset:.1f} px since the rig was learned"
        self._tell(Finding.DRIFTED, f"{turned}; its pose is learned anew", distance_px=offset)
        if self._lock().is_preferred:
            self._on_learned(self._candidate, self._passes)

    def _keep(self, observed: Observation) -> None:
        """Keep a pass, and fit a rig when there are enough new ones."""
        self._passes += 1
        self._kept.append(observed)
        if self._passes in _FITS and not self._from_file:
            self._fit()
        if len(self._kept) > MAX_KEPT:  # the spread over time stays: every second one of the older half
            del self._kept[(self._passes // 2) % (MAX_KEPT // 2)]

    def _fit(self) -> None:
        try:
            rig = learn(self._kept, *self._lenses(), shifted=False)
            if "given" in rig.model.origins.values() and not explains(rig, self._kept):
                rig = learn(self._kept, *self._sizes, shifted=False)
        except DistillMatchError:
            return
        if self._candidate is not None and self._candidate.model.is_metric and not rig.model.is_metric:
            return  # depth goes on to map pixels
        self._candidate = rig
        if self.locked is not None and self._lock().is_preferred:
            self._on_learned(rig, self._passes)

    def _lock(self) -> WatchedRig:
        assert self._candidate is not None, "only a rig is locked"
        is_new, self.is_undecided = self.locked is None, False
        preferred = self._from_file or float(np.mean(self._fits_better)) >= _BETTER
        passes = 0 if self._from_file else self._passes
        if self.locked is not None and preferred != self.locked.is_preferred:
            self._tell(Finding.USE, f"by {len(self._fits_better)} passes now: {_use(preferred)}")
        was_metric = self.locked is not None and self.locked.rig.model.is_metric
        if self._candidate.model.is_metric and not was_metric and not self._from_file:
            self._tell(Finding.SCALE, str(Scale.of(self._candidate.model, self._candidate.measured)))
        self.locked = locked = WatchedRig(self._candidate, self._trust, passes, preferred)
        if is_new and preferred and not self._from_file:
            self._on_learned(self._candidate, self._passes)
        return locked

    def _tell(
        self,
        finding: Finding,
        sentence: str,
        passes: int | None = None,
        distance_px: float | None = None,
        turned_degrees: float | None = None,
        obstacle: Obstacle | None = None,
    ) -> None:
        event = RigEvent(self._stamp, finding, sentence, passes, distance_px, turned_degrees, obstacle)
        self.events.append(event)


def _use(preferred: bool) -> str:
    return "it maps all pairs" if preferred else "pairs fit edges better, and it guards them"
