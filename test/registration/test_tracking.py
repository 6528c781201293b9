from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.edge_scenes import THERMAL, TRUTH, VISIBLE, blocks, thermal_of

from distillmatch_ros import Registration, Status
from distillmatch_ros.geometry.homography import corner_error, transform
from distillmatch_ros.registration.gate import Gate, confirm_on_edges
from distillmatch_ros.registration.tracking import Matches, Track, find_matches, follow

FRAME_S = 1 / 30


def shifted(x: float, y: float = 0.0) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


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
    found = follow(Track.begin(off @ TRUTH, 0.5), visible, thermal_of(visible), FRAME_S)
    assert error(found) < 2
    assert confirm_on_edges(found.alignment, THERMAL, VISIBLE, Gate())
    assert found.homography[2, 2] == 1


def test_frames_that_were_tracked_steady_the_next_one_and_a_knock_is_followed_at_once() -> None:
    visible = blocks(1)
    thermal = thermal_of(visible)
    single = [follow(Track.begin(TRUTH, 0.5), visible, noisy(seed, thermal), FRAME_S) for seed in range(12)]
    track, tracked = Track.begin(TRUTH, 0.5), []
    for seed in range(12):
        track = follow(track, visible, noisy(seed, thermal), FRAME_S)
        tracked.append(track)
    moves = [
        np.mean([error(after, before.homography) for before, after in pairwise(row[2:])])
        for row in (single, tracked)
    ]
    assert moves[1] < moves[0] / 2
    knocked = cv2.warpAffine(thermal, shifted(-12)[:2], THERMAL[::-1], borderMode=cv2.BORDER_REPLICATE)
    track = follow(track, visible, noisy(99, knocked), FRAME_S)
    assert track.jumped
    assert error(track, TRUTH @ shifted(12)) < 2.5


def test_a_pair_after_a_long_time_counts_alone() -> None:
    visible = blocks(2)
    thermal = thermal_of(visible)
    track = follow(Track.begin(TRUTH, 0.5), visible, thermal, FRAME_S)
    alone = follow(Track.begin(track.homography, 0.5), visible, noisy(5, thermal), FRAME_S)
    later = follow(track, visible, noisy(5, thermal), 60.0)
    assert error(later, alone.homography) < 1e-6


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("thermal", [np.zeros(THERMAL, np.uint16), np.full(THERMAL, np.nan, np.float32)])
def test_edges_have_to_support_what_was_tracked(thermal: np.ndarray) -> None:
    visible = blocks(3)
    known = Track.begin(TRUTH, 0.5)
    assert not confirm_on_edges(follow(known, visible, thermal, FRAME_S).alignment, THERMAL, VISIBLE, Gate())
    elsewhere = follow(known, blocks(103), thermal_of(visible), FRAME_S)
    assert not confirm_on_edges(elsewhere.alignment, THERMAL, VISIBLE, Gate())


def test_matches_of_a_pass_are_found_again_where_there_are_edges() -> None:
    visible = blocks(4)
    thermal = thermal_of(visible)
    thermal[:, :160] = 0  # nothing to be found in the left half
    generator = np.random.default_rng(0)
    points = generator.uniform((0, 0), THERMAL[::-1], (200, 2)).astype(np.float32)
    matches = Matches(points, np.full(200, 0.8, np.float32))
    track = follow(Track.begin(TRUTH, 0.5), visible, thermal, FRAME_S)
    tracked = Registration.without_matches(Status.TRACKED, track.homography, {})
    found = find_matches(track, matches, 6.0, VISIBLE, tracked)
    assert found.status is Status.TRACKED
    assert len(found.confidence) > 40
    assert found.thermal_points[:, 0].min() > 140
    assert ((found.confidence > 0) & (found.confidence <= 0.8)).all()
    gaps = found.visible_points - transform(TRUTH, found.thermal_points)
    assert np.median(np.hypot(*gaps.T)) < 3
    assert found.inliers.mean() > 0.8
    nothing = find_matches(Track.begin(TRUTH, 0.5), matches, 6.0, VISIBLE, tracked)
    assert len(nothing.confidence) == 0
