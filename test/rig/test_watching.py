"""A rig is learned from passes, judged by later ones, and given up when they agree on a knock."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from distillmatch_ros.geometry.homography import Float64, transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.following import PairOfEdges, RigTrack
from distillmatch_ros.rig.knocks import KNOCKS
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigMapping
from distillmatch_ros.rig.obstacles import Obstacle
from distillmatch_ros.rig.parallax import plane_inverse_depth
from distillmatch_ros.rig.trust import Trust
from distillmatch_ros.rig.watching import _COMPARED, JUDGES, RigWatch, WatchedRig
from test.support.simulated_rig import RIG, THERMAL, VISIBLE, shapes

FIRST_FIT = 6
DEPTHS = (0.0, 0.08)


def seen(mapping: RigMapping, seed: int) -> PreparedPair:
    """A pair of images that a rig sees of a plane with rectangles."""
    visible = shapes(seed)
    return PreparedPair.of(visible, 255 - mapping.warp_visible(visible))


def passed(mapping: RigMapping, rng: np.random.Generator, knock: Float64 | None = None) -> Registration:
    """What a network finds, perhaps after a knock: matches of 2 px, and the closest homography."""
    thermal = rng.uniform((0, 0), THERMAL[::-1], (256, 2))
    visible = mapping.to_visible(thermal) + rng.normal(0, 2, (256, 2))
    homography = mapping.homography
    if knock is not None:
        visible, homography = visible + knock[:2, 2], knock @ homography
    found = Registration.without_matches(Status.OK, HomographyMapping(homography, THERMAL, VISIBLE), {})
    points = visible.astype(np.float32), thermal.astype(np.float32)
    ones = np.ones(256, np.float32)
    return replace(
        found,
        visible_points=points[0],
        thermal_points=points[1],
        confidence=ones,
        inliers=ones > 0,
        probability=0.9,
    )


def shift(x: float, y: float) -> Float64:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


@pytest.fixture(scope="module")
def drive() -> list[tuple[PreparedPair, RigMapping]]:
    rng = np.random.default_rng(4)
    mappings = [RIG.at(rng.uniform(*DEPTHS)) for _ in range(FIRST_FIT + JUDGES + 2 * KNOCKS)]
    return [(seen(mapping, seed), mapping) for seed, mapping in enumerate(mappings)]


@pytest.mark.slow
def test_a_rig_is_locked_by_passes_it_was_not_learned_from_and_given_up_after_a_knock(
    drive: list[tuple[PreparedPair, RigMapping]],
) -> None:
    rng, learned = np.random.default_rng(5), []
    watch = RigWatch(THERMAL, VISIBLE, on_learned=lambda rig, passes: learned.append((rig, passes)))
    locked_after = None
    for index, (pair, mapping) in enumerate(drive[: FIRST_FIT + JUDGES]):
        found = watch.take(pair, passed(mapping, rng), index)
        if found.locked is not None and locked_after is None:
            locked_after = index + 1
    assert locked_after == FIRST_FIT + JUDGES <= 12
    assert found.locked is not None and found.own is not None
    points = np.array([[20.0, 20], [320, 256], [600, 480]])
    own = found.locked.rig.model.on_plane(found.own[:3], found.own[3:])
    assert np.abs(own.to_visible(points) - mapping.to_visible(points)).max() < 3
    assert [passes for _, passes in learned] == [locked_after - 1]  # the last pass judged it
    for index, (pair, mapping) in enumerate(drive[-KNOCKS:]):
        assert watch.locked is not None
        found = watch.take(pair, passed(mapping, rng, shift(60, 0)), 100 + index)
        assert found.judgement is not None and found.judgement.contradicts
    assert watch.locked is None
    known, moved = watch.events
    assert (known.finding, known.passes) == (Finding.KNOWN, FIRST_FIT + JUDGES)
    assert (moved.finding, moved.stamp) == (Finding.MOVED, 100 + KNOCKS - 1)
    assert moved.distance_px == pytest.approx(60 * 640 / VISIBLE[1], abs=6)
    assert moved.turned_degrees == pytest.approx(0, abs=1)


@pytest.mark.slow
def test_known_lenses_are_used_unless_no_rig_holds_with_them(
    drive: list[tuple[PreparedPair, RigMapping]],
) -> None:
    rng, wrong = np.random.default_rng(10), replace(RIG.visible, matrix=RIG.visible.matrix * [[2], [1], [1]])
    right = RigWatch(THERMAL, VISIBLE, lenses=lambda: (RIG.thermal, RIG.visible))
    misled = RigWatch(THERMAL, VISIBLE, lenses=lambda: (RIG.thermal, wrong))
    for index, (pair, mapping) in enumerate(drive):
        if index < FIRST_FIT + JUDGES:
            for watch in (right, misled):
                watch.take(pair, passed(mapping, rng), index)
    assert right.locked is not None and misled.locked is not None
    assert misled.locked.passes == right.locked.passes  # the first fit tells that they are wrong
    assert right.locked.rig.model.visible.same_as(RIG.visible)
    assert right.locked.rig.model.origins["visible focal length"] == "given"
    assert not misled.locked.rig.model.visible.same_as(wrong)
    assert [event.finding for event in misled.events] == [Finding.KNOWN]


@pytest.mark.slow  # fits a rig twice
def test_passes_with_depth_tell_rig_and_scale_together(drive: list[tuple[PreparedPair, RigMapping]]) -> None:
    rng, sized, learned = np.random.default_rng(11), RIG.with_baseline(0.1), []
    lenses = RIG.thermal, RIG.visible
    watch = RigWatch(THERMAL, VISIBLE, on_learned=lambda rig, _: learned.append(rig), lenses=lambda: lenses)
    for index, (pair, mapping) in enumerate(drive[: FIRST_FIT + JUDGES]):
        depth = plane_inverse_depth(sized, mapping.by(sized).plane)
        said = watch.take(pair.measured(depth), passed(mapping, rng), index)
    assert watch.locked is not None and said.judgement is not None and said.judgement.agrees
    rig = watch.locked.rig
    assert rig.model.is_metric and rig.model.tells_lengths and learned == [rig]
    assert np.linalg.norm(rig.model.T_visible_thermal.translation) == pytest.approx(0.1, rel=0.06)
    assert [event.finding for event in watch.events] == [Finding.SCALE, Finding.KNOWN]
    assert f"{FIRST_FIT} pairs" in watch.events[0].sentence


@pytest.mark.slow
def test_passes_that_share_no_geometry_stay_pairs(drive: list[tuple[PreparedPair, RigMapping]]) -> None:
    """Cameras that are not triggered together, on a robot that turns: each pair is off in its own way."""
    rng, watch = np.random.default_rng(6), RigWatch(THERMAL, VISIBLE)
    for index, (pair, mapping) in enumerate(drive[: FIRST_FIT + JUDGES]):
        watch.take(pair, passed(mapping, rng, shift(*rng.uniform(-40, 40, 2))), index)
    assert watch.locked is None and {event.finding for event in watch.events} == {Finding.NO_RIG}


@pytest.mark.slow
def test_a_zoom_stays_pairs_and_is_named(drive: list[tuple[PreparedPair, RigMapping]]) -> None:
    """A rig of cameras one before the other would explain it."""
    rng, watch = np.random.default_rng(13), RigWatch(THERMAL, VISIBLE)
    for index, (pair, mapping) in enumerate(drive):
        factor, (height, width) = 0.8 + 0.03 * index, VISIBLE
        zoom = np.array(
            [[factor, 0, (1 - factor) * width / 2], [0, factor, (1 - factor) * height / 2], [0, 0, 1]]
        )
        visible = cv2.warpPerspective(pair.visible.image, zoom, (width, height))
        found = passed(mapping, rng)
        assert found.mapping is not None
        points = transform(zoom, found.visible_points).astype(np.float32)
        zoomed = HomographyMapping(zoom @ found.mapping.homography, THERMAL, VISIBLE)
        found = replace(found, mapping=zoomed, visible_points=points)
        watch.take(PreparedPair.of(visible, pair.thermal.image), found, index)
    assert watch.locked is None
    assert {event.finding for event in watch.events} == {Finding.NO_RIG}
    assert watch.events[0].obstacle is Obstacle.ZOOM and watch.events[0].distance_px is None


@pytest.mark.parametrize("better", [True, False])
def test_a_rig_whose_use_changes_says_so(drive: list[tuple[PreparedPair, RigMapping]], better: bool) -> None:
    rng, watch = np.random.default_rng(11), RigWatch(THERMAL, VISIBLE)
    watch.locked = WatchedRig(LearnedRig(RIG, DEPTHS, False), Trust(0.9, 0.9), 11, is_preferred=not better)
    watch._candidate, watch._fits_better = watch.locked.rig, [better] * _COMPARED
    watch.take(drive[0][0], passed(drive[0][1], rng), 7)
    assert watch.locked.is_preferred == better
    assert [(event.finding, event.stamp) for event in watch.events] == [(Finding.USE, 7)]


def test_a_known_rig_is_believed_once_passes_confirm_it(
    drive: list[tuple[PreparedPair, RigMapping]],
) -> None:
    rng, watch = np.random.default_rng(7), RigWatch(THERMAL, VISIBLE, LearnedRig(RIG, DEPTHS, False))
    locked = [
        watch.take(pair, passed(mapping, rng), index).locked is not None
        for index, (pair, mapping) in enumerate(drive[:4])
    ]
    assert locked == [True] * 4


def test_a_known_rig_of_other_images_or_of_another_mount_is_not_believed(
    drive: list[tuple[PreparedPair, RigMapping]],
) -> None:
    rng, known = np.random.default_rng(8), LearnedRig(RIG, DEPTHS, False)
    assert RigWatch((100, 100), VISIBLE, known).events[0].finding is Finding.UNUSABLE
    watch = RigWatch(THERMAL, VISIBLE, known)
    for index, (pair, mapping) in enumerate(drive[:4]):
        assert watch.take(pair, passed(mapping, rng, shift(50, 20)), index).locked is None
    assert watch.events


@pytest.mark.slow
def test_after_a_knock_the_rig_of_a_file_is_learned_anew(
    drive: list[tuple[PreparedPair, RigMapping]],
) -> None:
    rng, watch = np.random.default_rng(9), RigWatch(THERMAL, VISIBLE, LearnedRig(RIG, DEPTHS, False))
    watch.take(drive[0][0], passed(drive[0][1], rng), 0)
    assert watch.locked is not None
    for index, (pair, mapping) in enumerate(drive[:KNOCKS], start=1):
        watch.take(pair, passed(mapping, rng, shift(0, 60)), index)
    assert watch.locked is None
    passes = 0
    while watch.locked is None and passes < 15:  # the images belong to the rig as it is after the knock
        pair, mapping = drive[passes]
        watch.take(pair, passed(mapping, rng), 10 + passes)
        passes += 1
    assert watch.locked is not None and watch.locked.passes > 0


@pytest.mark.parametrize("start", [(0, 0, 0.036, 0, 0), (0.004, -0.002, 0.042, 0.003, 0)])
def test_edges_find_what_a_frame_adds(start: tuple[float, ...]) -> None:
    truth = RIG.on_plane(np.array([0.002, 0.0, 0.04]), np.array([0.002, -0.001]))
    edges = PairOfEdges(RIG, seen(truth, 3), Gate())
    track = RigTrack.begin(np.array(start))
    for _ in range(3):
        found = edges.follow(track, 0.03)
        track = found.track
    points = np.array([[40.0, 40], [320, 256], [600, 470], [60, 450]])
    gaps = np.hypot(*(found.mapping.to_visible(points) - truth.to_visible(points)).T)
    assert found.is_supported and gaps.max() < 1.0
    assert edges.away(found.mapping) is None


def test_edges_that_agree_elsewhere_are_found_after_a_knock() -> None:
    truth = RIG.at(0.04)
    pair = seen(truth, 3)
    moved = cv2.warpAffine(pair.thermal.image, np.float64([[1, 0, 25], [0, 1, 0]]), THERMAL[::-1])
    edges = PairOfEdges(RIG, PreparedPair.of(pair.visible.image, moved), Gate())
    away = edges.away(truth)
    assert away is not None
    assert away == pytest.approx(25 * 800 / 700 * 640 / 960, abs=6)


def test_in_fog_edges_that_agree_rather_elsewhere_are_found_after_a_knock() -> None:
    """They would support no mapping."""
    rng, truth = np.random.default_rng(12), RIG.at(0.04)
    pair = seen(truth, 3)
    fog = cv2.GaussianBlur(rng.normal(0, 1, VISIBLE), (0, 0), 5)
    foggy = np.clip(60 + 0.4 * shapes(3) + 70 / fog.std() * fog, 0, 255).astype(np.uint8)
    moved = cv2.warpAffine(pair.thermal.image, np.float64([[1, 0, 25], [0, 1, 0]]), THERMAL[::-1])
    for thermal, is_away in ((pair.thermal.image, False), (moved, True)):
        edges = PairOfEdges(RIG, PreparedPair.of(foggy, thermal), Gate())
        assert (edges.away(truth) is not None) == is_away


def test_blank_images_neither_support_nor_contradict() -> None:
    blank = PreparedPair.of(shapes(1), np.full(THERMAL, 128, np.uint8))
    edges = PairOfEdges(RIG, blank, Gate())
    assert not edges.at(np.array([0, 0, 0.04, 0, 0])).is_supported
    assert edges.away(RIG.at(0.04)) is None
