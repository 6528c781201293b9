"""Tracked pairs and passes: when which, and what a pass corrects."""

import threading
from collections import deque
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from support.tracked_rig import SEEN, TrackedRig, error, pair, statuses, truth

from distillmatch_ros import Status
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.stream.belief import in_stream
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.temporal import Mode


def test_a_pass_each_second_by_stamp_and_all_others_are_tracked() -> None:
    rig = TrackedRig(pass_seconds=0.5)
    results = [rig.process(number, shift=0.1 * number) for number in range(33)]
    assert [at for at, status in enumerate(statuses(results)) if status is Status.OK] == [0, 16, 32]
    assert set(statuses(results)) == {Status.OK, Status.TRACKED}
    assert rig.passes == sum(result.passes for result in results) == 3
    assert max(error(result, 0.1 * at) for at, result in enumerate(results)) < 2.5


def test_correspondences_of_a_tracked_pair_are_found_when_they_are_asked_for() -> None:
    rig = TrackedRig()
    first, second = rig.process(0), rig.process(1)
    assert len(second.registration.confidence) == 0
    matched = second.matched()
    assert matched.status is Status.TRACKED
    assert 20 < len(matched.confidence) <= first.registration.inliers.sum()
    assert matched.inliers.mean() > 0.8
    assert matched.confidence.max() <= first.registration.confidence.max()


@pytest.mark.slow
def test_the_same_pairs_give_the_same_bits() -> None:
    def run() -> list[bytes]:
        rig = TrackedRig(pass_seconds=0.2)
        results = [rig.process(number, shift=12.0 * (number > 8)) for number in range(16)]
        return [
            result.registration.homography.tobytes() + result.matched().visible_points.tobytes()
            for result in results
            if result.registration.homography is not None
        ]

    assert run() == run()


def test_zero_is_a_pass_for_each_pair() -> None:
    rig = TrackedRig(pass_seconds=0, verify_every=1)
    assert statuses([rig.process(number) for number in range(4)]) == [Status.OK] * 4
    assert rig.passes == 4


@pytest.mark.parametrize("pass_seconds", [0, 60])
def test_what_a_pass_finds_is_likelier_in_a_stream_than_alone(pass_seconds: float) -> None:
    rig = TrackedRig(pass_seconds=pass_seconds, probability=Mock(return_value=0.5), mode=Mode.LIVE)
    by_pass, next_one = (rig.process(number).registration.probability for number in range(2))
    assert by_pass == pytest.approx(in_stream(0.5)) and 0.8 < next_one <= by_pass


def test_a_knock_is_followed_and_calls_for_a_pass() -> None:
    rig = TrackedRig(pass_seconds=60)
    for number in range(5):
        rig.process(number)
    rig.homography = truth(20)
    results = [rig.process(number, shift=20) for number in range(5, 20)]
    assert rig.passes == 2
    assert error(results[0], 20) < 6
    assert max(error(result, 20) for result in results[3:]) < 2.5


def test_a_pass_that_the_edges_support_less_changes_nothing_and_is_repeated() -> None:
    rig = TrackedRig(pass_seconds=0.1, gate=Gate(min_peak_prominence=0.0))
    rig.process(0)
    rig.homography = truth(60)
    assert max(error(rig.process(number)) for number in range(1, 8)) < 2.5
    assert rig.passes > 3


def test_blank_thermal_frames_are_rejected_and_tracking_goes_on_after_them() -> None:
    rig = TrackedRig(pass_seconds=60)
    rig.process(0)
    rig.blind = True
    blank = [rig.process(number, seen=np.zeros_like(SEEN)) for number in (1, 2)]
    assert [result.registration.homography for result in blank] == [None, None]
    assert [result.passes for result in blank] == [1, 1]  # one for each that could not be tracked
    rig.blind = False
    after = rig.process(3)
    assert after.registration.homography is not None
    assert error(after) < 2.5
    assert after.passes == 1


def test_passes_that_fail_again_and_again_end_the_tracking() -> None:
    rig = TrackedRig(pass_seconds=1 / 64)
    rig.process(0)
    rig.blind = True
    results = [rig.process(number) for number in range(1, 12)]
    assert results[-1].registration.status is Status.FEW_MATCHES
    rig.blind = False
    assert rig.process(12).registration.status is Status.OK


@pytest.mark.parametrize(
    ("before", "after", "accepted"), [(0.9, 0.5, False), (0.9, 0.7, True), (0.4, 0.5, True)]
)
def test_after_a_loss_the_rig_has_moved_only_if_that_is_likely(
    before: float, after: float, accepted: bool
) -> None:
    probability = Mock(return_value=before)
    rig = TrackedRig(pass_seconds=60, probability=probability, mode=Mode.LIVE)
    rig.process(0)
    rig.blind = True
    for number in range(1, 9):
        rig.process(number, seen=np.zeros_like(SEEN))
    rig.blind, rig.homography = False, truth(90)
    probability.return_value = after
    found = rig.process(9, shift=90).registration
    reason = "max_jump_px" if accepted else "earlier_pairs"
    assert found.rejected_by is not None and found.rejected_by.threshold == reason
    confirmed = [rig.process(number, shift=90).registration.status for number in (10, 11)][-1]
    assert confirmed is (Status.OK if accepted else Status.DEGENERATE)
    later = [rig.process(number, shift=90).registration.status for number in range(137, 400, 128)]
    assert later[-1] in (Status.OK, Status.TRACKED)  # ten seconds later it is believed


def test_a_shutter_is_stale_and_followed_by_a_pass() -> None:
    rig = TrackedRig(pass_seconds=60, mode=Mode.HOLD, frozen_seconds=0.1)
    rig.process(0)
    picture = pair(1)[1]
    frozen = []
    for number in range(1, 6):
        visible, thermal = pair(number)
        frozen.append(rig.stream.process(visible, replace(thermal, image=picture.image)))
    assert frozen[-1].registration.status is Status.STALE_THERMAL
    assert rig.passes == 1
    assert rig.process(6).registration.status is Status.OK
    assert rig.process(7).registration.status is Status.TRACKED


def test_a_clock_that_jumps_begins_anew() -> None:
    rig = TrackedRig(pass_seconds=60)
    for number in (100, 101, 0, 1, 900, 901):
        rig.process(number)
    assert rig.passes == 3


def test_settings_change_from_the_next_pair_on() -> None:
    rig = TrackedRig(pass_seconds=60)
    first = [rig.process(number) for number in range(3)]
    rig.stream.configure(StreamSettings(pass_seconds=0, verify_every=1))
    then = [rig.process(number) for number in range(3, 5)]
    rig.stream.configure(StreamSettings(pass_seconds=60, gate=Gate(max_second_peak_ratio=0.0)))
    rejected = rig.process(5)
    ok, tracked = Status.OK, Status.TRACKED
    assert statuses([*first, *then]) == [ok, tracked, tracked, ok, ok]
    assert rejected.registration.homography is None


def test_pairs_are_tracked_while_a_pass_runs_and_it_is_brought_forward() -> None:
    rig = TrackedRig(asynchronous=True, pass_seconds=0.2)
    rig.process(0)
    going, began = threading.Event(), threading.Event()
    rig.before = lambda: (began.set(), going.wait(30))
    results = [rig.process(number) for number in range(1, 8)]
    assert began.wait(30)
    results += [rig.process(number, shift=0.5 * (number - 7)) for number in range(8, 20)]
    assert set(statuses(results)) == {Status.TRACKED}
    assert sum(result.passes for result in results) == 0
    going.set()
    rig.before = lambda: None
    rig.stream._executor.submit(lambda: None).result(30)  # the pass has ended
    after = rig.process(20, shift=6.5)
    assert after.passes == 1
    assert error(after, 6.5) < 2.5
    rig.stream.close()


def test_a_pass_that_another_gate_accepted_begins_no_tracking() -> None:
    rig, free = TrackedRig(asynchronous=True, pass_seconds=1 / 60), threading.Event()
    rig.process(0)
    rig.before = free.wait
    assert rig.process(1).registration.status is Status.TRACKED  # while its pass waits
    threading.Timer(0.1, free.set).start()
    rig.stream.configure(StreamSettings(pass_seconds=1 / 60, gate=Gate(min_inliers=10_000)))
    assert statuses([rig.process(number) for number in (2, 3)]) == [Status.FEW_INLIERS] * 2
    rig.stream.close()


def test_closing_waits_for_the_pass_and_no_more() -> None:
    rig = TrackedRig(asynchronous=True, pass_seconds=1 / 60)
    rig.process(0)
    going = threading.Event()
    rig.before = lambda: going.wait(30)
    rig.process(1)
    threading.Timer(0.1, going.set).start()
    rig.stream.close()
    assert rig.passes == 2


def test_what_fails_in_a_pass_is_raised_by_a_later_pair() -> None:
    rig = TrackedRig(asynchronous=True, pass_seconds=1 / 60)
    rig.process(0)

    def fail() -> None:
        raise RuntimeError("the device is lost")

    rig.before = fail
    rig.process(1)
    with pytest.raises(RuntimeError, match="lost"):
        deque((rig.process(number) for number in range(2, 200)), maxlen=0)
    rig.stream.close()
