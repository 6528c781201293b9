"""Pairs that a known rig guards: answered by their own homography, by the rig, or by neither."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from distillmatch_ros.geometry.homography import REFERENCE_WIDTH
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.trust import Judgement, Trust
from distillmatch_ros.rig.watching import RigWatch, WatchedPass, WatchedRig
from distillmatch_ros.stream.belief import displaced
from distillmatch_ros.stream.calibration import ImageFormat, PairFormat
from distillmatch_ros.stream.executors import InlineExecutor
from distillmatch_ros.stream.followed import Followed
from distillmatch_ros.stream.latency import SWING_PX, LatencyWatch
from distillmatch_ros.stream.rig_follower import RigFollower
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.state import RigState
from distillmatch_ros.stream.temporal import Mode
from test.support.scripted_engine import ScriptedEngine, plain, points_of
from test.support.simulated_rig import RIG, THERMAL, VISIBLE, shapes

DEPTH = 0.04
GUARD = WatchedRig(LearnedRig(RIG, (0.0, 0.08), False), Trust(0.9, 0.9), 11, is_preferred=False)
SECOND = 10**9


class Guarded:
    """A stream whose rig guards pairs, a scene a second."""

    def __init__(self) -> None:
        engine = ScriptedEngine(points_of(plain(np.eye(3))))
        watch = RigWatch(THERMAL, VISIBLE)
        watch.locked = GUARD
        self.state = RigState(
            PairFormat(ImageFormat(VISIBLE), ImageFormat(THERMAL)),
            StreamSettings(mode=Mode.RIG),
            Registrar(engine),
            watch,
            InlineExecutor(),
            asynchronous=False,
        )
        self.stamp, self.rig = 10**18, GUARD

    def see(self, thermal: np.ndarray, own: Registration, passed: bool = False) -> Registration:
        self.stamp += SECOND
        pair, passes = PreparedPair.of(shapes(3), thermal), ((self.stamp, own),) if passed else ()
        return self.state._guarded(Followed(own, passes), pair, self.stamp, self.rig).registration


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


def seen(down: float = 0.0) -> np.ndarray:
    """The thermal image of a mount that moved by so many of its rows."""
    image = 255 - RIG.at(DEPTH).warp_visible(shapes(3))
    return cv2.warpAffine(image, np.array([[1.0, 0, 0], [0, 1, -down]]), THERMAL[::-1])


def own(off_px: float, probability: float = 0.98) -> Registration:
    """A pair's own homography, off the rig by so many reference pixels across epipolar lines."""
    moved = np.eye(3)
    moved[1, 2] = off_px * VISIBLE[1] / REFERENCE_WIDTH
    mapping = HomographyMapping(moved @ RIG.at(DEPTH).homography, THERMAL, VISIBLE)
    return replace(Registration.without_matches(Status.OK, mapping, {}), probability=probability)


@pytest.mark.parametrize(("off_px", "status"), [(5, Status.OK), (13, Status.TRACKED), (40, Status.TRACKED)])
def test_where_edges_are_sure_of_the_rig_no_homography_that_differs_stands(
    off_px: float, status: Status, guarded: Guarded
) -> None:
    assert guarded.see(seen(), own(off_px)).status is status


@pytest.mark.parametrize(("off_px", "status"), [(13, Status.OK), (40, Status.CONTRADICTED)])
def test_without_edges_for_the_rig_a_homography_stands_unless_it_is_far_off(
    off_px: float, status: Status, guarded: Guarded
) -> None:
    assert guarded.see(np.full(THERMAL, 120, np.uint8), own(off_px)).status is status


@pytest.mark.parametrize(("probability", "status"), [(0.85, Status.TRACKED), (0.98, Status.CONTRADICTED)])
def test_a_pass_against_the_rig_counts_once(
    probability: float, status: Status, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edges support the rig, without being sure of it; the pass is among those that made it doubtful."""
    monkeypatch.setattr(RigFollower, "is_as_good_as", lambda *_: False)
    guarded.rig = replace(GUARD, trust=Trust(0.85, 0.98))
    assert guarded.see(seen(), own(40, probability)).status is status


def test_the_first_pair_after_a_step_is_not_answered_by_the_rig_of_before(guarded: Guarded) -> None:
    """Its pass contradicts the rig, and is not believed alone either."""
    dark, found = np.full(THERMAL, 120, np.uint8), own(60)
    step = found.rejected(Rejection("earlier_pairs"))
    off = Judgement(60.0, 60.0, DEPTH, 20.0, likely=True, fits_better=None)
    guarded.state._search.said = WatchedPass(found, None, off, GUARD)
    assert guarded.see(dark, step, passed=True).status is Status.CONTRADICTED


def test_after_a_knock_the_rig_answers_nothing(guarded: Guarded) -> None:
    for _ in range(3):
        assert guarded.see(seen(down=40), own(40)).status is Status.CONTRADICTED


def test_a_contradiction_is_forgotten_once_a_pass_confirms_the_rig(guarded: Guarded) -> None:
    dark = np.full(THERMAL, 120, np.uint8)
    nothing = own(0).rejected(Rejection.of("min_peak_prominence", 0.05, 0.09))
    guarded.see(seen(down=40), own(40))
    assert guarded.see(dark, nothing).status is Status.CONTRADICTED
    guarded.see(seen(), own(3))
    assert guarded.see(dark, nothing).status is Status.RIG


@pytest.mark.parametrize("swing_px", [0.0, 5.0, 12.0])
def test_a_pair_that_rests_on_the_last_one_looked_at_is_as_late_as_it(
    swing_px: float, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests = Followed(replace(own(0), status=Status.RIG), rested=True)
    monkeypatch.setattr(guarded.state, "_register", lambda *_: rests)
    for told in ("swing_px", "displacement_px"):
        monkeypatch.setattr(LatencyWatch, told, swing_px)
    visible, thermal = shapes(3), seen()
    frames = Frame(visible, "mono8", 10**18, "rgb"), Frame(thermal, "mono8", 10**18, "thermal")
    said = guarded.state.register(*frames, PreparedPair.of(visible, thermal), None).registration
    if swing_px > SWING_PX:
        assert said.rejected_by == Rejection("latency", swing_px, SWING_PX) and said.mapping is None
    else:
        assert said.status is Status.RIG and said.probability == displaced(0.98, swing_px)
