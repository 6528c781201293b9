"""The verdict says what was measured, and the advice names the cause that was built in."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import entry, recording

from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.reports.contents import lines
from distillmatch_ros.reports.movement import movement
from distillmatch_ros.reports.recording import Entry, Recording
from distillmatch_ros.reports.verdict import Level, Verdict, judge

STATUSES = (
    "OK",
    "TRACKED",
    "FEW_MATCHES",
    "FEW_INLIERS",
    "DEGENERATE",
    "HELD",
    "FIXED",
    "STALE_VISIBLE",
    "STALE_THERMAL",
    "REPEATED",
    "ERROR",
)


def verdict(made: Recording) -> Verdict:
    return judge(made, movement(made.entries))


def of(entries: Sequence[Entry]) -> Verdict:
    return verdict(recording(entries))


def topics(found: Verdict) -> set[str]:
    return {advice.topic for advice in found.advice}


def test_a_steady_drive_is_good_and_needs_no_advice() -> None:
    found = of([entry(number, right=0.1 * (number % 2)) for number in range(1, 31)])
    assert found.level is Level.GOOD and not found.advice
    assert "30 of 30 pairs (100%)" in found.reasons[0]


def test_a_mount_that_slips_is_told_from_parallax() -> None:
    slipped = of([entry(number, right=0.0 if number < 20 else 8.0) for number in range(1, 41)])
    assert slipped.level is Level.MOVES and topics(slipped) == {"mounting"}
    assert "displaced by 32.0 px" in slipped.advice[0].seen  # 8 px of 160 are 32 of 640
    swaying = of([entry(number, right=4.0 * (number % 2)) for number in range(1, 41)])
    assert swaying.level is Level.MOVES and topics(swaying) == {"parallax"}


@pytest.mark.parametrize(("pairs", "level"), [(40, Level.PARTLY), (400, Level.GOOD)])
def test_an_accepted_pair_far_from_the_rest_is_said(pairs: int, level: Level) -> None:
    found = of(
        [entry(number, right=8.5 if number == 17 else 0.1 * (number % 2)) for number in range(1, pairs)]
    )
    assert found.level is level and topics(found) == {"outliers"}
    assert any("1 accepted pair is 34 px from the rest" in reason for reason in found.reasons)
    assert "17 (34 px)" in found.advice[0].seen and "1 pair is far from the rest" in found.headline


@given(st.integers(2, 38))
def test_a_step_that_stays_is_no_outlier(at: int) -> None:
    made = [entry(number, right=0.0 if number < at else 12.0) for number in range(1, 41)]
    moved = movement(made)
    assert moved is not None and len(moved.strays) <= 2


def test_pairs_that_contradict_their_rig_have_no_wrong_topic() -> None:
    found = of(
        [entry(number, "CONTRADICTED", rejected_by=Rejection("rig", 40.0, 16.0)) for number in range(1, 9)]
    )
    assert found.level is Level.POOR and topics(found) == {"knock"}


@pytest.mark.parametrize(
    ("status", "topic"),
    [("FEW_MATCHES", "thermal contrast"), ("FEW_INLIERS", "parallax"), ("DEGENERATE", "mounting")],
)
def test_each_kind_of_rejection_has_its_advice(status: str, topic: str) -> None:
    few = of([entry(number, status if number % 5 == 0 else "OK") for number in range(1, 31)])
    assert few.level is Level.PARTLY and topics(few) == {topic}
    assert "6 of 30 pairs" in few.advice[0].seen and f"6 {status}" in few.reasons[1]
    all_of_them = of([entry(number, status) for number in range(1, 31)])
    assert all_of_them.level is Level.POOR and topics(all_of_them) == {topic, "wrong topic"}


def test_a_stream_that_froze_is_said_and_a_shutter_is_not_held_against_it() -> None:
    closed = of([entry(number, "STALE_THERMAL" if number == 9 else "OK") for number in range(1, 31)])
    assert closed.level is Level.GOOD and not closed.advice
    assert "1 of 30 pairs (3%), STALE_THERMAL" in closed.reasons[-1]
    for last, level in ((25, Level.PARTLY), (10, Level.POOR)):
        for camera in ("thermal", "visible"):
            stale = f"STALE_{camera.upper()}"
            found = of([entry(number, "OK" if number <= last else stale) for number in range(1, 31)])
            assert found.level is level and topics(found) == {"frozen stream"}
            assert f"{30 - last} of 30 pairs have a {camera} image" in found.advice[0].seen
            assert f"{camera} stream is frozen" in found.headline


def test_images_that_change_size_are_no_loose_mount() -> None:
    entries = [
        entry(number, right=0.0 if number < 20 else 8.0, thermal_size=(96, 128) if number < 20 else (80, 128))
        for number in range(1, 41)
    ]
    found = of(entries)
    assert found.level is Level.PARTLY and topics(found) == {"image size"}
    assert "thermal 128x80 in 21 pairs, 128x96 in 19 pairs" in found.advice[0].seen
    assert not topics(of([replace(each, seconds=None) for each in entries])) & {"image size"}  # no drive


def test_clocks_that_differ_are_named_with_the_offset_to_set() -> None:
    found = of([entry(number, skew_ms=40.0) for number in range(1, 31)])
    assert topics(found) == {"clock"} and "thermal_offset to -0.040" in found.advice[0].remedy
    wide = of([entry(number, skew_ms=20.0 + 60 * (number % 2)) for number in range(1, 31)])
    assert topics(wide) == {"clock"} and "Trigger the cameras together" in wide.advice[0].remedy
    lost = verdict(
        recording(
            [entry(1), entry(2)], frames={"visible": 10, "thermal": 10}, dropped={"visible unmatched": 8}
        )
    )
    assert topics(lost) == {"clock"} and "8 of 10 visible images" in lost.advice[0].seen
    slow = recording(
        [entry(1), entry(2)], frames={"visible": 30, "thermal": 9}, dropped={"visible unmatched": 21}
    )
    assert not topics(verdict(slow))  # 30 Hz and 9 Hz: no fault of the clocks


def test_gaps_coverage_and_latency_are_noticed() -> None:
    gap = of([entry(number, "FEW_MATCHES" if 20 <= number < 32 else "OK") for number in range(1, 101)])
    assert "gaps" in topics(gap)
    corner = [entry(number) for number in range(1, 11)]
    for each in corner:
        each.correspondences.thermal[:] = 3
    assert topics(of(corner)) == {"coverage"}
    slow = recording([entry(number, latency_ms=250.0) for number in range(1, 11)], live=True)
    assert topics(verdict(slow)) == {"latency"}
    assert topics(of([entry(number, latency_ms=250.0) for number in range(1, 11)])) == set()


def test_homographies_that_were_given_are_not_judged() -> None:
    fixed = of([entry(number, "FIXED") for number in range(1, 11)])
    assert fixed.level is Level.EMPTY and "10 FIXED" in fixed.reasons[0]
    assert "mode live" in fixed.headline
    assert of([]).level is Level.EMPTY and "no pairs" in of([]).reasons[0]


@given(st.lists(st.sampled_from(STATUSES), max_size=30), st.floats(-50, 50))
def test_any_recording_has_a_verdict(statuses: list[str], right: float) -> None:
    entries = [entry(number, status, right * (number % 4)) for number, status in enumerate(statuses, 1)]
    found = of(entries)
    judged = [each for each in entries if each.judged]
    good = sum(each.registered for each in judged)
    assert (found.level is Level.EMPTY) == (not judged)
    if found.level is Level.GOOD:
        assert good >= 0.9 * len(judged)
    if judged and good < 0.6 * len(judged):
        assert found.level is Level.POOR
    assert found.headline and all(found.reasons)


def test_few_pairs_of_no_common_rig_are_no_rig_that_moves() -> None:
    unrelated = [entry(number, right=60.0 * number) for number in range(1, 5)]
    assert of(unrelated).level is Level.GOOD and topics(of(unrelated)) == set()
    assert of([*unrelated, entry(5, right=-90.0)]).level is Level.MOVES


def test_movement_is_measured_in_a_visible_image_640_px_wide() -> None:
    moved = movement([entry(1), entry(2), entry(3, right=2.0)])
    assert moved is not None
    np.testing.assert_allclose(moved.shifts, [0, 0, 8])
    assert moved.by_number == pytest.approx({1: 0, 2: 0, 3: 8})
    assert movement([entry(1)]) is None
    assert movement([entry(1, visible_size=None), entry(2, visible_size=None)]) is None


def test_the_words_beside_a_status_follow_its_probability() -> None:
    sure, doubtful = (
        lines([entry(1, probability=0.98), entry(2, probability=least)])[0].meaning for least in (0.96, 0.36)
    )
    assert "97%" in sure and "96%" in sure
    assert "67%" in doubtful and "36%" in doubtful
    assert "%" not in lines([entry(1, "FEW_MATCHES", probability=0.1)])[0].meaning
