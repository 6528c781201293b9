"""Pairs of a known rig: followed at their own depth, kept in the dark, and not answered after a knock."""

from dataclasses import replace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, transform
from distillmatch_ros.geometry.mapping import HomographyMapping, ImageMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.quality import Quality
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.knocks import KNOCKS
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.trust import Trust
from distillmatch_ros.rig.watching import RigWatch, WatchedRig
from distillmatch_ros.stream.executors import InlineExecutor
from distillmatch_ros.stream.followed import Followed
from distillmatch_ros.stream.rig_follower import SETTLED, RigFollower
from distillmatch_ros.stream.search import Search
from test.support.simulated_rig import RIG, THERMAL, VISIBLE, shapes

KNOWN = LearnedRig(RIG, (0.0, 0.08), False)
POINTS = np.array([[20.0, 20], [620, 30], [320, 256], [30, 490], [600, 480]])
FRAME = 33_000_000


class ScriptedRegistrar:
    """Gives out the results of passes."""

    def __init__(self) -> None:
        self.result: Registration | None = None
        self.passes = 0

    def register_prepared(self, *_: Any, **__: Any) -> Registration:
        self.passes += 1
        assert self.result is not None, "no pass was expected"
        return self.result


def passed(mapping: ImageMapping, offset: float = 0.0, prominence: float = 0.3) -> Registration:
    """A pass that finds a mapping, perhaps off by some rows; columns would be explained by another depth."""
    thermal = np.random.default_rng(1).uniform((0, 0), THERMAL[::-1], (128, 2)).astype(np.float32)
    moved = np.array([[1, 0, 0], [0, 1, offset], [0, 0, 1.0]])
    visible = transform(moved, mapping.to_visible(thermal)).astype(np.float32)
    homography = moved @ mapping.homography
    found = Registration.without_matches(Status.OK, HomographyMapping(homography, THERMAL, VISIBLE), {})
    ones = np.ones(128, np.float32)
    quality = judged(prominence)
    return replace(
        found,
        visible_points=visible,
        thermal_points=thermal,
        confidence=ones,
        inliers=ones > 0,
        probability=0.9,
        quality=quality,
        latency_ms={"total": 1.0},
    )


def judged(prominence: float) -> Quality:
    """The one figure of a pass's quality that is read."""
    quality = object.__new__(Quality)
    object.__setattr__(quality, "peak_prominence", prominence)
    return quality


class Drive:
    """Pairs at 30 Hz of a rig that was known and confirmed before."""

    def __init__(self) -> None:
        self.registrar = ScriptedRegistrar()
        self.watch = RigWatch(THERMAL, VISIBLE, KNOWN)
        self.watch.locked = WatchedRig(KNOWN, Trust(0.9, 0.9), 0)
        search = Search(cast(Registrar, self.registrar)).watched_by(self.watch)
        self.follower = RigFollower(search, InlineExecutor(), asynchronous=False)
        self.stamp = 10**18

    def see(self, thermal: np.ndarray, seed: int = 3, pass_seconds: float = 10.0) -> Followed:
        self.stamp += FRAME
        assert self.watch.locked is not None
        pair = PreparedPair.of(shapes(seed), thermal)
        return self.follower.process(pair, self.stamp, self.watch.locked, Gate(), pass_seconds)


def thermal_of(mapping: ImageMapping, seed: int = 3) -> np.ndarray:
    return 255 - mapping.warp_visible(shapes(seed))


def gap(found: Followed, truth: ImageMapping) -> float:
    assert found.registration.mapping is not None
    shown = found.registration.mapping.to_visible(POINTS)
    return float(np.hypot(*(shown - truth.to_visible(POINTS)).T).max())


@pytest.fixture
def drive() -> Drive:
    """After a first pass, which confirms the rig."""
    made, truth = Drive(), RIG.at(0.04)
    made.registrar.result = passed(truth)
    first = made.see(thermal_of(truth))
    assert first.registration.status is Status.OK and gap(first, truth) < 1.5
    assert first.registration.inliers.all() and len(first.passes) == 1
    made.registrar.result = None
    return made


def test_a_changing_depth_is_followed_without_passes(drive: Drive) -> None:
    statuses = []
    for index in range(12):
        truth = RIG.at(0.04 + 0.001 * index)
        found = drive.see(thermal_of(truth))
        statuses.append(found.registration.status)
        assert gap(found, truth) < 3.0
        assert drive.watch.locked is not None
        assert found.registration.probability == drive.watch.locked.probability
    assert set(statuses) == {Status.TRACKED, Status.RIG}
    assert statuses.count(Status.TRACKED) == 4  # ten times a second
    assert drive.registrar.passes == 1
    matched = found.find_matches(found.registration)
    assert len(matched.visible_points) > 50
    off = np.hypot(*(matched.visible_points - truth.to_visible(matched.thermal_points)).T)
    assert np.median(off) < 3.0


def test_edges_are_looked_at_less_while_nothing_changes(drive: Drive) -> None:
    """At 30 Hz: in every third pair while depth changes, and in every sixth while it does not."""
    still = thermal_of(RIG.at(0.04))
    looked_at = [not drive.see(still).rested for _ in range(36)]
    assert sum(looked_at[12:]) == 4
    changing = [not drive.see(thermal_of(RIG.at(0.04 + 0.0008 * step))).rested for step in range(36)]
    assert sum(changing[12:]) == 8


def test_the_rig_answers_in_the_dark(drive: Drive) -> None:
    for _ in range(4):
        found = drive.see(np.full(THERMAL, 120, np.uint8))
    assert found.registration.status is Status.RIG and gap(found, RIG.at(0.04)) < 1.5


def test_a_knock_is_not_answered_and_passes_that_agree_on_it_end_the_rig(drive: Drive) -> None:
    truth = RIG.at(0.04)
    knocked = cv2.warpAffine(thermal_of(truth), np.array([[1, 0, 0], [0, 1, -40.0]]), THERMAL[::-1])
    drive.registrar.result = passed(truth, offset=46.0)
    answers: list[Followed] = []
    while drive.watch.locked is not None and len(answers) < 30:
        answers.append(drive.see(knocked))
    assert drive.watch.locked is None
    seen = [answer.registration for answer in answers]
    wrong = [each for each in seen if each.mapping is not None and gap(Followed(each), truth) < 20]
    assert len(wrong) <= 3  # pairs that were not asked, before the first that was
    rejected = [each for each in seen if each.status is Status.CONTRADICTED]
    assert rejected and all(each.rejected_by is not None for each in rejected)
    assert sum(len(answer.passes) for answer in answers) == KNOCKS
    assert seen[-1].status is Status.OK  # the last pass of them is believed


def test_a_single_wrong_pass_does_not_outweigh_edges(drive: Drive) -> None:
    truth = RIG.at(0.04)
    drive.registrar.result = passed(truth, offset=60.0, prominence=0.05)
    found = drive.see(thermal_of(truth), pass_seconds=0.0)
    assert found.registration.status is Status.TRACKED and gap(found, truth) < 1.5
    assert drive.watch.locked is not None


@pytest.mark.slow
def test_a_pass_is_made_at_its_interval(drive: Drive) -> None:
    truth = RIG.at(0.04)
    drive.registrar.result = passed(truth)
    for _ in range(33):
        drive.see(thermal_of(truth), pass_seconds=0.5 / SETTLED)
    assert drive.registrar.passes == 1 + 2
    drive.registrar.result = replace(passed(truth), status=Status.DEGENERATE, mapping=None)
    for _ in range(33):
        drive.see(thermal_of(truth), pass_seconds=0.25)
    assert drive.registrar.passes == 3 + 3  # what passes do not confirm is looked at more often


def test_a_fixed_rig_needs_no_pass(drive: Drive) -> None:
    fixed = WatchedRig(KNOWN, None, 0)
    for index in range(6):
        drive.stamp += 10**9
        pair = PreparedPair.of(shapes(3), thermal_of(RIG.at(0.04 + 0.004 * index)))
        found = drive.follower.process(pair, drive.stamp, fixed, Gate(), None)
        assert found.registration.status is Status.TRACKED and gap(found, RIG.at(0.04 + 0.004 * index)) < 1.5
    assert drive.registrar.passes == 1


def test_a_slow_drift_of_the_mount_is_followed(drive: Drive) -> None:
    truth = RIG.at(0.04)
    for second in range(1, 31):
        drift = 0.1 * second  # thermal pixels: 0.1 a second
        matrix = np.array([[1, 0, 0], [0, 1, -drift]])
        thermal = cv2.warpAffine(thermal_of(truth), matrix, THERMAL[::-1], borderMode=cv2.BORDER_REFLECT)
        drive.stamp += 10**9 - FRAME
        found = drive.see(thermal, pass_seconds=100.0)
        assert found.registration.status is Status.TRACKED
    assert found.registration.mapping is not None
    shown = found.registration.mapping.to_visible(POINTS)
    assert np.hypot(*(shown - truth.to_visible(POINTS + np.array([0, drift]))).T).max() < 1.5


@pytest.mark.slow
def test_passes_that_are_off_come_soon_and_leave_the_rig_no_answer(drive: Drive) -> None:
    """A little off, as after a knock of three degrees: too little to contradict the rig at once."""
    truth, seen = RIG.at(0.04), []
    off = 13 * VISIBLE[1] / REFERENCE_WIDTH
    drive.registrar.result = passed(truth, offset=off)
    drive.stamp += 2 * SECOND
    while drive.watch.locked is not None and len(seen) < 30:
        found = drive.see(thermal_of(truth), pass_seconds=1.0)
        seen.append((drive.stamp, found))
    passes = [stamp for stamp, found in seen if found.passes]
    assert len(passes) >= 3 and passes[2] - passes[0] < 0.6 * SECOND
    answered = [found.registration.probability for stamp, found in seen if passes[0] < stamp < passes[1]]
    assert answered and all(each is not None and 0.35 < each < 0.9 for each in answered)
    after = [found.registration.status for stamp, found in seen if passes[1] < stamp < passes[2]]
    assert after and set(after) == {Status.CONTRADICTED}
