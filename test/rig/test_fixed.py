"""A calibration that is used without the network is watched on edges."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.fixed import CONTRADICTIONS, UNSUPPORTED, FixedWatch
from test.support.simulated_rig import RIG, THERMAL, VISIBLE, shapes

TRUTH = RIG.at(0.04)


def pair(seed: int, moved: float = 0.0) -> PreparedPair:
    thermal = 255 - TRUTH.warp_visible(shapes(seed))
    shifted = cv2.warpAffine(thermal, np.array([[1, 0, moved], [0, 1, 0]]), THERMAL[::-1])
    return PreparedPair.of(shapes(seed), shifted)


def test_pairs_that_agree_are_answered_and_a_moved_camera_is_not() -> None:
    watch = FixedWatch()
    for index in range(4):
        assert watch.away(pair(index), index * SECOND, TRUTH, Gate()) is None
    found = [
        watch.away(pair(index, 30.0), index * SECOND, TRUTH, Gate()) for index in range(4, 5 + CONTRADICTIONS)
    ]
    assert found[0] is None  # one pair may be misleading
    assert found[-1] == pytest.approx(30 * 800 / 700 * 640 / 960, abs=6)
    assert watch.events
    assert watch.away(pair(9), 20 * SECOND, TRUTH, Gate()) is None  # it fits again


def test_a_calibration_that_no_pair_supports_is_named() -> None:
    watch = FixedWatch()
    for index in range(UNSUPPORTED):
        dark = PreparedPair.of(shapes(index), np.full(THERMAL, 90, np.uint8))
        assert watch.away(dark, index * SECOND, TRUTH, Gate()) is None
    assert len(watch.events) == 1


def test_a_rig_that_no_pair_supports_or_some_contradict_is_named() -> None:
    lost = Registration.without_matches(Status.RIG, TRUTH, {})
    against = replace(lost, mapping=None, rejected_by=Rejection("rig", 40.0, 16.0))
    for found, checks, finding in (
        (lost, UNSUPPORTED, Finding.UNSUPPORTED),
        (against, CONTRADICTIONS, Finding.CONTRADICTED),
    ):
        watch = FixedWatch()
        for index in range(checks):
            assert not watch.events
            watch.heed(found, index * SECOND)
        assert [event.finding for event in watch.events] == [finding]
    watch = FixedWatch()
    watch.heed(replace(lost, status=Status.TRACKED), 0)
    for index in range(1, 2 * UNSUPPORTED):
        watch.heed(lost, index * SECOND)  # it became dark
    assert not watch.events


def test_a_pair_a_second_is_checked() -> None:
    watch, heeding = FixedWatch(), FixedWatch()
    blank = PreparedPair.of(np.zeros(VISIBLE, np.uint8), np.zeros(THERMAL, np.uint8))
    lost = Registration.without_matches(Status.RIG, TRUTH, {})
    for index in range(UNSUPPORTED * 30):
        watch.away(blank, index * SECOND // 60, TRUTH, Gate())
        heeding.heed(lost, index * SECOND // 60)
    assert not watch.events and not heeding.events
