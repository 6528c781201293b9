"""The scale of a stream's rig: learned from depth once a second, and anew after a knock."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from support.simulated_rig import RIG
from support.tracked_rig import truth

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import Finding, RigEvent
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.scale import DOUBTED, MOST
from distillmatch_ros.stream import metric
from distillmatch_ros.stream.metric import MetricRig
from test.rig.test_scale import METRES, matches

UNSIZED = replace(RIG.with_baseline(1.0), origins={"scale": "assumed"})
DEPTH = np.ones((2, 2), np.float32)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What pairs say, in turn, of the distance of the cameras; the last one for ever."""
    said, count = [METRES], iter(range(1000))

    def match(*_: object) -> object:
        seed = next(count)
        return matches(seed, said[min(seed, len(said) - 1)])

    monkeypatch.setattr(metric, "match_depth", match)
    return said


def drive(rig: MetricRig, seconds: range, model: RigModel = UNSIZED, step: float = 1.0) -> list[str | None]:
    found = Registration.without_matches(Status.TRACKED, model.at(0.02), {})
    doubts = []
    for second in seconds:
        rig.mapping(found, 0.0)
        doubts.append(rig.observe(Mock(), found, DEPTH, round((1 + second * step) * SECOND)))
    return doubts


def metres(rig: MetricRig, model: RigModel = UNSIZED, baseline_m: float = 0.0) -> float | None:
    mapping = rig.mapping(Registration.without_matches(Status.TRACKED, model.at(0.02), {}), baseline_m)
    assert mapping is not None
    known = mapping.rig.is_metric
    return float(np.linalg.norm(mapping.rig.T_visible_thermal.translation)) if known else None


def test_five_pairs_a_second_apart_tell_it(told: list[float]) -> None:
    rig = MetricRig()
    drive(rig, range(20), step=0.2)
    assert metres(rig) is None and not rig.events
    drive(rig, range(4, 6))
    assert metres(rig) == pytest.approx(METRES, rel=0.05)
    assert metres(rig, baseline_m=0.1) == pytest.approx(0.1), "what is given counts more"
    assert len(rig.events) == 1


def test_it_is_refined_more_rarely_and_then_no_more(told: list[float]) -> None:
    rig = MetricRig()
    drive(rig, range(200))
    assert rig.scale is not None and rig.scale.pairs == MOST
    before, told[-1] = rig.scale, 2 * METRES
    drive(rig, range(200, 300))
    assert rig.scale is before
    assert len(rig.events) == 1


def test_a_better_rig_keeps_it(told: list[float]) -> None:
    rig = MetricRig()
    drive(rig, range(6))
    before = metres(rig)
    assert metres(rig, replace(UNSIZED)) == pytest.approx(before, rel=0.01)
    assert len(rig.events) == 1


def test_after_a_knock_it_is_learned_anew(told: list[float]) -> None:
    rig = MetricRig()
    drive(rig, range(6))
    own = HomographyMapping(truth(), RIG.thermal.size, RIG.visible.size)
    assert rig.mapping(Registration.without_matches(Status.OK, own, {}), 0.0) is None
    assert metres(rig) is None


def test_depth_that_tells_no_distance_is_named(told: list[float]) -> None:
    told[:] = [0.02, 0.4, 0.09, 0.2, 0.05, 0.3] * 3
    rig = MetricRig()
    doubts = drive(rig, range(DOUBTED + 1))
    assert doubts[: DOUBTED - 1] == [None] * (DOUBTED - 1)
    assert doubts[-1] is not None and "baseline_m" in doubts[-1]
    assert metres(rig) is None and not rig.events


def test_a_rig_in_metres_needs_no_depth(told: list[float]) -> None:
    rig = MetricRig()
    drive(rig, range(6), RIG.with_baseline(0.2))
    assert not rig.events and metres(rig, RIG.with_baseline(0.2)) == pytest.approx(0.2)


@pytest.mark.parametrize(("known", "contradicted"), [(1.3, True), (0.7, True), (1.15, True), (1.05, False)])
def test_depth_contradicts_a_distance_that_was_known_before_once(
    known: float, contradicted: bool, told: list[float]
) -> None:
    rig, model = MetricRig(), RIG.with_baseline(known * METRES)
    found = Registration.without_matches(Status.TRACKED, model.at(0.02), {})
    mapping = rig.mapping(found, 0.0)
    assert mapping is not None
    for second in range(40):
        doubt = rig.compare(Mock(), found, mapping, DEPTH, round((1 + second / 2) * SECOND))
        assert not rig.events or second >= DOUBTED, "some pairs are needed, a second apart"
    assert (doubt is not None) == contradicted, "such depth maps nothing"
    assert [event.finding for event in rig.events] == [Finding.CONTRADICTED] * contradicted
    assert metres(rig, model) == pytest.approx(known * METRES), "what was known is kept"


def doubted(seconds: range) -> tuple[list[bool], list[RigEvent]]:
    """At which seconds depth may not map pairs of a rig that is known in metres, and what was told."""
    rig, model = MetricRig(), RIG.with_baseline(METRES)
    found = Registration.without_matches(Status.TRACKED, model.at(0.02), {})
    mapping = rig.mapping(found, 0.0)
    assert mapping is not None
    stamps = [round((1 + second) * SECOND) for second in seconds]
    return [rig.compare(Mock(), found, mapping, DEPTH, stamp) is not None for stamp in stamps], rig.events


def test_depth_that_goes_wrong_later_is_noticed_and_trusted_again_once_it_is_right(told: list[float]) -> None:
    told[:] = [METRES] * (DOUBTED + 2) + [METRES / 4] * 6 + [METRES]
    doubts, _ = doubted(range(80))
    changes = [second for second in range(1, 80) if doubts[second] != doubts[second - 1]]
    assert len(changes) == 2 and not doubts[0]
    assert changes[0] <= DOUBTED + 3 * metric.RECHECK_S + 3 and changes[1] <= changes[0] + 7


def test_depth_of_another_scale_maps_pairs_again_once_it_is_right(told: list[float]) -> None:
    told[:] = [1.2 * METRES] * (DOUBTED + 10) + [METRES]
    doubts, events = doubted(range(60))
    begins, ends = doubts.index(True), DOUBTED + 10 + DOUBTED
    assert begins <= DOUBTED and all(doubts[begins : DOUBTED + 10]) and not any(doubts[ends:])
    assert len(events) == 1
