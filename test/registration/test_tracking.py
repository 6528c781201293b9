from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.edge_scenes import THERMAL, TRUTH, VISIBLE, blocks, thermal_of

from distillmatch_ros import Registration, Status
from distillmatch_ros.geometry.homography import corner_error, inverse, transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.crop import Crop
from distillmatch_ros.images.frames import SUPPORTED_DTYPES
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.crops import CropPair, Wider
from distillmatch_ros.registration.gate import Gate, contradicted_by_edges
from distillmatch_ros.registration.tracking import Matches, Track, find_matches, follow

FRAME_S = 1 / 30
CROPS = CropPair(Crop.whole(VISIBLE), Crop.whole(THERMAL))


def shifted(x: float, y: float = 0.0) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def mapping(homography: np.ndarray) -> HomographyMapping:
    return HomographyMapping(homography, THERMAL, VISIBLE)


def error(track: Track, truth: np.ndarray = TRUTH) -> float:
    return corner_error(track.homography, truth, THERMAL, VISIBLE)


def noisy(seed: int, thermal: np.ndarray) -> np.ndarray:
    """Raw 16-bit values, with noise of their own."""
    noise = np.random.default_rng(seed).normal(0, 80, thermal.shape)
    return (thermal * 20.0 + 7000 + noise).astype(np.uint16)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0, 2 * np.pi), st.floats(0, 30), st.floats(-0.02, 0.02))
def test_a_knock_is_mended_within_one_pair(seed: int, angle: float, px: float, turn: float) -> None:
    visible = blocks(seed)
    off = np.array([[1, -turn, px * np.cos(angle)], [turn, 1, px * np.sin(angle)], [0, 0, 1]])
    found = follow(
        Track.begin(off @ TRUTH, 0.5, CROPS), PreparedPair.of(visible, thermal_of(visible)), FRAME_S
    )
    assert error(found) < 2
    assert contradicted_by_edges(found.alignment, THERMAL, VISIBLE, Gate()) is None
    assert found.homography[2, 2] == 1


def test_frames_that_were_tracked_steady_the_next_one_and_a_knock_is_followed_at_once() -> None:
    visible = blocks(1)
    thermal = thermal_of(visible)
    single = [
        follow(Track.begin(TRUTH, 0.5, CROPS), PreparedPair.of(visible, noisy(seed, thermal)), FRAME_S)
        for seed in range(12)
    ]
    track, tracked = Track.begin(TRUTH, 0.5, CROPS), []
    for seed in range(12):
        track = follow(track, PreparedPair.of(visible, noisy(seed, thermal)), FRAME_S)
        tracked.append(track)
    moves = [
        np.mean([error(after, before.homography) for before, after in pairwise(row[2:])])
        for row in (single, tracked)
    ]
    assert moves[1] < moves[0] / 2
    knocked = cv2.warpAffine(thermal, shifted(-12)[:2], THERMAL[::-1], borderMode=cv2.BORDER_REPLICATE)
    track = follow(track, PreparedPair.of(visible, noisy(99, knocked)), FRAME_S)
    assert track.jumped
    assert error(track, TRUTH @ shifted(12)) < 2.5


def test_a_pair_after_a_long_time_counts_alone() -> None:
    visible = blocks(2)
    thermal = thermal_of(visible)
    track = follow(Track.begin(TRUTH, 0.5, CROPS), PreparedPair.of(visible, thermal), FRAME_S)
    alone = follow(
        Track.begin(track.homography, 0.5, CROPS), PreparedPair.of(visible, noisy(5, thermal)), FRAME_S
    )
    later = follow(track, PreparedPair.of(visible, noisy(5, thermal)), 60.0)
    assert error(later, alone.homography) < 1e-6


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("thermal", [np.zeros(THERMAL, np.uint16), np.full(THERMAL, np.nan, np.float32)])
def test_edges_have_to_support_what_was_tracked(thermal: np.ndarray) -> None:
    visible = blocks(3)
    known = Track.begin(TRUTH, 0.5, CROPS)
    found = follow(known, PreparedPair.of(visible, thermal), FRAME_S)
    assert contradicted_by_edges(found.alignment, THERMAL, VISIBLE, Gate()) is not None
    elsewhere = follow(known, PreparedPair.of(blocks(103), thermal_of(visible)), FRAME_S)
    assert contradicted_by_edges(elsewhere.alignment, THERMAL, VISIBLE, Gate()) is not None


def test_matches_of_a_pass_are_found_again_where_there_are_edges() -> None:
    visible = blocks(4)
    thermal = thermal_of(visible)
    thermal[:, :160] = 0  # nothing to be found in the left half
    generator = np.random.default_rng(0)
    points = generator.uniform((0, 0), THERMAL[::-1], (200, 2)).astype(np.float32)
    matches = Matches(transform(TRUTH, points).astype(np.float32), points, np.full(200, 0.8, np.float32))
    track = follow(Track.begin(TRUTH, 0.5, CROPS), PreparedPair.of(visible, thermal), FRAME_S)
    tracked = Registration.without_matches(Status.TRACKED, mapping(track.homography), {})
    found = find_matches(track, matches, 6.0, tracked)
    assert found.status is Status.TRACKED
    assert len(found.confidence) > 40
    assert found.thermal_points[:, 0].min() > 140
    assert ((found.confidence > 0) & (found.confidence <= 0.8)).all()
    gaps = found.visible_points - transform(TRUTH, found.thermal_points)
    assert np.median(np.hypot(*gaps.T)) < 3
    assert found.inliers.mean() > 0.8
    nothing = find_matches(Track.begin(TRUTH, 0.5, CROPS), matches, 6.0, tracked)
    assert len(nothing.confidence) == 0


def test_bars_do_not_hold_the_tracking_back() -> None:
    """Their edges stay where they are while the scene between them moves."""
    visible = blocks(11)
    thermal = np.pad(np.maximum(thermal_of(visible), 1), ((30, 30), (160, 160)))
    truth = TRUTH @ shifted(-160, -30)
    inner = Crop(thermal.shape, (30, 30 + THERMAL[0]), (160, 160 + THERMAL[1]))
    crops = CropPair(Crop.whole(VISIBLE), inner)
    track = Track.begin(truth @ shifted(6, 4), 0.5, crops)
    found = follow(track, PreparedPair.of(visible, thermal), FRAME_S)
    assert corner_error(found.homography, truth, thermal.shape, VISIBLE) < 1  # 6 with the bars' edges
    points = np.random.default_rng(0).uniform((170, 40), (470, 276), (100, 2)).astype(np.float32)
    matches = Matches(transform(truth, points).astype(np.float32), points, np.full(100, 0.8, np.float32))
    tracked = Registration.without_matches(Status.TRACKED, mapping(found.homography), {})
    again = find_matches(found, matches, 6.0, tracked)
    assert len(again.confidence) > 50 and again.inliers.mean() > 0.8


def test_a_thermal_camera_that_sees_more_is_tracked_in_exchanged_roles() -> None:
    thermal = blocks(6)
    visible, truth = thermal_of(thermal), inverse(TRUTH)
    crops = CropPair(Crop.whole(THERMAL), Crop.whole(VISIBLE), Wider.THERMAL)
    found = follow(Track.begin(truth @ shifted(6, 4), 0.5, crops), PreparedPair.of(visible, thermal), FRAME_S)
    assert corner_error(found.homography, truth, VISIBLE, THERMAL) < 2
    assert found.homography[2, 2] == 1
    points = np.random.default_rng(0).uniform((0, 0), THERMAL[::-1], (100, 2)).astype(np.float32)
    matches = Matches(points, transform(TRUTH, points).astype(np.float32), np.full(100, 0.8, np.float32))
    tracked = Registration.without_matches(Status.TRACKED, mapping(found.homography), {})
    again = find_matches(found, matches, 6.0, tracked)
    assert len(again.confidence) > 50 and again.inliers.mean() > 0.8
    gaps = again.thermal_points - transform(TRUTH, again.visible_points)
    assert np.median(np.hypot(*gaps.T)) < 3


def test_what_is_known_survives_other_pixels_without_data_and_no_other_change() -> None:
    visible = blocks(7)
    track = follow(Track.begin(TRUTH, 0.5, CROPS), PreparedPair.of(visible, thermal_of(visible)), FRAME_S)
    missing = np.zeros(THERMAL, np.bool_)
    missing[5, 7] = True
    masked = Crop(THERMAL, (0, THERMAL[0]), (0, THERMAL[1]), missing)
    cut = Crop(THERMAL, (0, THERMAL[0]), (3, THERMAL[1]))
    same = track.recropped(CropPair(CROPS.visible, masked))
    assert same.information is track.information and same.crops.thermal is masked
    other = track.recropped(CropPair(CROPS.visible, cut))
    assert not other.information.any()
    for each in (same, other):
        np.testing.assert_allclose(each.homography, track.homography, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", SUPPORTED_DTYPES)
def test_images_of_every_type_are_tracked(kind: str) -> None:
    visible = blocks(8)
    thermal = (thermal_of(visible) // 4).astype(kind)
    found = follow(Track.begin(TRUTH @ shifted(4), 0.5, CROPS), PreparedPair.of(visible, thermal), FRAME_S)
    assert error(found) < 2
