"""Search where a pair has no homography, and the check of one that is doubtful."""

import cv2
import numpy as np
import pytest
from support.scripted_engine import (
    ALIGNED_PX,
    THERMAL,
    TRUTH,
    VISIBLE,
    ScriptedEngine,
    aligned,
    corner_error,
    noise_pair,
    plain,
    points_of,
    scene_pair,
)

from distillmatch_ros import Registrar, Status
from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.images.orientation import ORIENTATIONS, UPRIGHT, Orientation
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.crops import Wider
from distillmatch_ros.registration.passes import SCALES, TURNS, starts
from distillmatch_ros.registration.probability import FEATURES, ProbabilityModel
from distillmatch_ros.registration.rejection import Rejection

NOTHING = points_of(np.eye(3), wrong=200)
STARTS = len(SCALES) * len(TURNS)


def test_starts_lie_in_the_middle_at_their_scale_and_rotation() -> None:
    for thermal, visible in ((THERMAL, VISIBLE), (VISIBLE, THERMAL), ((100, 100), (300, 200))):
        height, width = visible
        for number, start in enumerate(starts(thermal, visible)):
            scale, turn = SCALES[number // len(TURNS)], TURNS[number % len(TURNS)]
            mapped = transform(start, corners(thermal))
            np.testing.assert_allclose(mapped.mean(axis=0), ((width - 1) / 2, (height - 1) / 2), atol=1e-6)
            along = mapped[1] - mapped[0]
            assert np.degrees(np.arctan2(-along[1], along[0])) == pytest.approx(turn, abs=1e-6)
            fitting = min(height / thermal[0], width / thermal[1])
            assert np.hypot(*along) == pytest.approx(scale * fitting * thermal[1])


def test_a_start_near_the_truth_finds_it() -> None:
    every = list(starts(THERMAL, VISIBLE))
    answers = [
        points_of(aligned(TRUTH, by=start)) if number == 5 else NOTHING for number, start in enumerate(every)
    ]
    engine = ScriptedEngine(NOTHING, NOTHING, *answers)  # the unchanged pair in both roles comes first
    result = Registrar(engine, passes=1).register(*scene_pair(), search=True)
    assert result.status is Status.OK and corner_error(result, TRUTH) < ALIGNED_PX
    assert len(engine.shown) == 2 + STARTS and result.wider is Wider.VISIBLE


def test_exchanged_images_are_rejected_by_their_roles_unless_the_thermal_camera_sees_more() -> None:
    pair = PreparedPair.of(*scene_pair())
    exchanged = points_of(np.linalg.inv(plain(TRUTH)))
    alone = Registrar(ScriptedEngine(exchanged), passes=1).register_prepared(pair, wider=(Wider.THERMAL,))
    assert alone.homography is None and alone.status is Status.DEGENERATE
    assert alone.rejected_by == Rejection("roles")
    engine = ScriptedEngine(NOTHING, exchanged)
    both = Registrar(engine, passes=1).register_prepared(pair)
    assert both.homography is None and both.rejected_by != Rejection("roles") and len(engine.shown) == 2


def test_of_several_the_one_that_edges_support_best_is_taken() -> None:
    every = list(starts(THERMAL, VISIBLE))
    off = np.array([[1.0, 0, 40], [0, 1, 0], [0, 0, 1]]) @ TRUTH
    for first, second in ((TRUTH, off), (off, TRUTH)):
        answers = [points_of(aligned(first, by=every[0])), points_of(aligned(second, by=every[1])), NOTHING]
        engine = ScriptedEngine(NOTHING, NOTHING, *answers)
        result = Registrar(engine, passes=1).register(*scene_pair(), search=True)
        assert corner_error(result, TRUTH) < ALIGNED_PX


def test_a_pair_with_a_homography_is_not_searched() -> None:
    engine = ScriptedEngine(points_of(plain(TRUTH)))
    plainly = Registrar(engine).register(*scene_pair())
    searched = Registrar(engine).register(*scene_pair(), search=True)
    np.testing.assert_array_equal(searched.homography, plainly.homography)
    assert len(engine.shown) == 2


def test_without_support_the_rejection_stays_that_of_the_unchanged_pair() -> None:
    engine = ScriptedEngine(points_of(plain(TRUTH), count=5), NOTHING)
    result = Registrar(engine).register(*noise_pair(), search=True)
    assert result.status is Status.FEW_MATCHES and len(result.visible_points) == 5
    assert len(engine.shown) == 2 + STARTS


def test_what_is_found_must_be_more_probable_than_not() -> None:
    start = next(iter(starts(THERMAL, VISIBLE)))
    for intercept, status in ((0.5, Status.OK), (0.3, Status.FEW_INLIERS)):  # 0.62 and 0.57
        model = ProbabilityModel("", intercept, dict.fromkeys(FEATURES, 0.0), 100, 0.01)
        engine = ScriptedEngine(NOTHING, NOTHING, points_of(aligned(TRUTH, by=start)), NOTHING)
        registrar = Registrar(engine, passes=1, probability=model)
        assert registrar.register(*scene_pair(), search=True).status is status


def test_matches_on_which_several_starts_agree_give_one_more() -> None:
    """Each pass alone has too few right matches for a homography."""
    few = [
        points_of(aligned(TRUTH, by=start), count=40, wrong=30, seed=seed)
        for seed, start in enumerate(starts(THERMAL, VISIBLE))
    ]
    once_more = points_of(aligned(TRUTH, by=TRUTH))
    for intercept, status in ((0.1, Status.OK), (-0.1, Status.FEW_INLIERS)):  # 0.52 and 0.48
        model = ProbabilityModel("", intercept, dict.fromkeys(FEATURES, 0.0), 100, 0.01)
        engine = ScriptedEngine(NOTHING, NOTHING, *few, once_more)
        result = Registrar(engine, passes=1, probability=model).register(*scene_pair(), search=True)
        assert len(engine.shown) == 2 + STARTS + 1
        assert result.status is status
        if status is Status.OK:
            assert corner_error(result, TRUTH) < ALIGNED_PX
    engine = ScriptedEngine(NOTHING, NOTHING, few[0], NOTHING)
    assert Registrar(engine, passes=1).register(*scene_pair(), search=True).status is Status.FEW_INLIERS


def test_what_is_found_is_checked_against_other_orientations_however_probable() -> None:
    start = next(iter(starts(THERMAL, VISIBLE)))
    model = ProbabilityModel("", 3.0, dict.fromkeys(FEATURES, 0.0), 100, 0.01)
    others = len(ORIENTATIONS) - 1
    for verify in (True, False):
        found = [NOTHING] * (STARTS - 1)
        engine = ScriptedEngine(NOTHING, NOTHING, points_of(aligned(TRUTH, by=start)), *found, NOTHING)
        registrar = Registrar(engine, passes=1, probability=model)
        assert registrar.register(*scene_pair(), search=True, verify=verify).status is Status.OK
        assert len(engine.shown) == 2 + STARTS + verify * others


@pytest.mark.parametrize("mirrored", [True, False])
def test_a_doubtful_homography_gives_way_to_a_better_orientation(mirrored: bool) -> None:
    """A scene that resembles its mirror image, as a street does: edges support both."""
    scale = (VISIBLE[1] - 200) / THERMAL[1]
    shift = [(length - 1 - scale * (other - 1)) / 2 for length, other in zip(VISIBLE, THERMAL, strict=True)]
    middle = np.array([[scale, 0, shift[1]], [0, scale, shift[0]], [0, 0, 1]])
    scene = scene_pair()[0].astype(np.float32)
    visible = cv2.addWeighted(scene, 0.7, scene[:, ::-1], 0.3, 0).astype(np.uint8)
    thermal = 255 - cv2.warpPerspective(
        visible, middle, THERMAL[::-1], flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    )
    others = [each for each in ORIENTATIONS if each != UPRIGHT]
    right = points_of(plain(middle))
    answers = [right if mirrored and each == Orientation(0, True) else NOTHING for each in others]
    doubtful, certain = 1.3, 1.5  # 0.79 and 0.82
    for intercept, verify, passes in (
        (doubtful, True, 1 + len(others)),
        (doubtful, False, 1),
        (certain, True, 1),
    ):
        model = ProbabilityModel("", intercept, dict.fromkeys(FEATURES, 0.0), 100, 0.01)
        engine = ScriptedEngine(right, *answers)
        registrar = Registrar(engine, passes=1, probability=model)
        shown = thermal[:, ::-1].copy() if mirrored else thermal
        pair = PreparedPair.of(visible, shown)
        found = registrar.register_prepared(pair, None, (Wider.VISIBLE,), verify=verify)
        assert len(engine.shown) == passes
        assert found.status is (Status.DEGENERATE if mirrored and passes > 1 else Status.OK)
        reason = None if found.rejected_by is None else found.rejected_by.threshold
        assert reason == ("orientation" if mirrored and passes > 1 else None)
