"""A mount that has turned a little is followed; passes that are wrong each in its way move nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, corners
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.drift import DRIFT_PX, PASSES, Drift
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigMapping, RigModel
from distillmatch_ros.rig.watching import RigWatch
from test.support.simulated_rig import RIG, THERMAL, VISIBLE, shapes

DEPTHS = (0.0, 0.08)


def turned(degrees: float) -> RigModel:
    """The rig before its cameras turned about the axis."""
    pose = RIG.T_visible_thermal
    about_axis = np.asarray(cv2.Rodrigues(np.array([0, 0, np.radians(degrees)]))[0])
    return replace(RIG, T_visible_thermal=Pose(about_axis @ pose.rotation, pose.translation))


def passed(mapping: RigMapping, seed: int, off_px: float = 0.0) -> Registration:
    """What a network finds: matches of 2 px, a tenth of them wrong, perhaps off in its own direction."""
    rng = np.random.default_rng(seed)
    thermal = rng.uniform((0, 0), THERMAL[::-1], (256, 2))
    angle = rng.uniform(0, 2 * np.pi)
    visible = mapping.to_visible(thermal) + rng.normal(0, 2, (256, 2))
    visible += off_px * np.array([np.cos(angle), np.sin(angle)])
    visible[:25] += rng.uniform(-60, 60, (25, 2))
    found = Registration.without_matches(
        Status.OK, HomographyMapping(mapping.homography, THERMAL, VISIBLE), {}
    )
    points = {"visible_points": visible.astype(np.float32), "thermal_points": thermal.astype(np.float32)}
    ones = np.ones(256, np.float32)
    return replace(found, **points, confidence=ones, inliers=ones > 0, probability=0.9)


def drifted(degrees: float, off_px: float = 0.0, passes: int = PASSES, turned_from: int = 0) -> float | None:
    drift, rng = Drift(), np.random.default_rng(3)
    for number in range(passes):
        depth = rng.uniform(*DEPTHS)
        before = turned(degrees if number >= turned_from else 0.0)
        drift.add(before.at(depth), passed(RIG.at(depth), number, off_px))
    return drift._offset_px()


@pytest.mark.parametrize("degrees", [1.0, -1.0])
def test_passes_that_lie_off_alike_tell_by_how_much(degrees: float) -> None:
    ends = corners(THERMAL)
    gaps = turned(degrees).at(0.04).to_visible(ends) - RIG.at(0.04).to_visible(ends)
    truth = np.hypot(*gaps.T).mean() * REFERENCE_WIDTH / VISIBLE[1]
    assert drifted(degrees) == pytest.approx(truth, rel=0.2) and truth > DRIFT_PX


@pytest.mark.parametrize(
    "what",
    [
        {"degrees": 0.0},
        {"degrees": 0.0, "off_px": 12.0},
        {"degrees": 1.0, "passes": PASSES - 1},
        {"degrees": 1.0, "turned_from": PASSES // 2},
    ],
    ids=["a right rig", "each pass off in its way", "too few", "half of them"],
)
def test_no_others_do(what: dict[str, float]) -> None:
    assert drifted(**what) is None  # type: ignore[arg-type]


def test_a_pass_without_inliers_says_nothing() -> None:
    drift, nothing = Drift(), Registration.without_matches(Status.OK, RIG.at(0.04), {})
    for _ in range(PASSES):
        drift.add(RIG.at(0.04), nothing)
    assert drift._offset_px() is None


@pytest.mark.slow  # fits a pose
def test_a_rig_of_a_file_takes_the_pose_that_passes_have_and_keeps_its_lenses_and_scale() -> None:
    rng, learned = np.random.default_rng(4), []
    known = LearnedRig(turned(-0.7).with_baseline(0.1), tuple(10 * np.array(DEPTHS)), False)
    watch = RigWatch(THERMAL, VISIBLE, known, lambda rig, passes: learned.append((rig, passes)))
    for number in range(PASSES):
        mapping = RIG.at(rng.uniform(*DEPTHS))
        visible = shapes(number)
        pair = PreparedPair.of(visible, 255 - mapping.warp_visible(visible))
        watch.take(pair, passed(mapping, number), number)
    assert [event.finding for event in watch.events] == [Finding.KNOWN, Finding.DRIFTED]
    ((rig, passes),) = learned
    assert watch.locked is not None and rig is watch.locked.rig and passes == PASSES
    assert rig.model.visible is known.model.visible and rig.model.origins == known.model.origins
    assert np.linalg.norm(rig.model.T_visible_thermal.translation) == pytest.approx(0.1)
    ends = corners(THERMAL)
    for depth in DEPTHS:
        gaps = rig.model.at(10 * depth).to_visible(ends) - RIG.at(depth).to_visible(ends)
        assert np.hypot(*gaps.T).mean() * REFERENCE_WIDTH / VISIBLE[1] < 2


@pytest.mark.slow  # fits a pose
def test_a_mount_that_turns_slowly_never_gets_far_from_its_rig() -> None:
    """By 0.16 px a pass at the corners: 6 px in the end, from where the rig was."""
    rng, ends, off = np.random.default_rng(4), corners(THERMAL), []
    watch = RigWatch(THERMAL, VISIBLE, LearnedRig(RIG, DEPTHS, False))
    for number in range(36):
        mapping = turned(0.03 * number).at(rng.uniform(*DEPTHS))
        visible = shapes(number)
        pair = PreparedPair.of(visible, 255 - mapping.warp_visible(visible))
        said = watch.take(pair, passed(mapping, number), number)
        assert said.locked is not None and said.own is not None
        found = said.locked.rig.model.on_plane(said.own[:3], said.own[3:])
        gaps = np.hypot(*(found.to_visible(ends) - mapping.to_visible(ends)).T)
        off.append(gaps.mean() * REFERENCE_WIDTH / VISIBLE[1])
    assert [event.finding for event in watch.events] == [Finding.KNOWN, Finding.DRIFTED]
    assert max(off) < 3.6 and max(off[-4:]) < 2.5
