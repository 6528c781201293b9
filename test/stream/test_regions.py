"""Regions over a stream: found anew when a pair was looked at, and from those of the pair before."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.simulated_rig import RIG, grid, shapes

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.rig.regions import Regions, find_regions
from distillmatch_ros.stream import regions as over_time
from distillmatch_ros.stream.regions import AGAIN_S, JUDGES, RegionTrack


def pair(depth: float) -> PreparedPair:
    visible = shapes(3)
    return PreparedPair.of(visible, 255 - RIG.at(depth).warp_visible(visible))


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> list[Regions | None]:
    """What each search was given of the pair before it."""
    given: list[Regions | None] = []

    def counted(*arguments: Any) -> Regions:
        given.append(arguments[-1])
        return find_regions(*arguments)

    monkeypatch.setattr(over_time, "find_regions", counted)
    return given


def test_a_pair_that_rests_keeps_the_regions_of_the_one_before(before: list[Regions | None]) -> None:
    track, plane = RegionTrack(), RIG.at(0.02)
    first = track.mapping(plane, pair(0.02), 1)
    assert track.mapping(plane, pair(0.021), 2) is first
    assert before == [None]


def test_the_next_search_starts_from_the_last_one_of_the_same_rig(before: list[Regions | None]) -> None:
    track = RegionTrack()
    first = track.mapping(RIG.at(0.02), pair(0.02), 1)
    track.mapping(RIG.at(0.021), pair(0.021), 2)
    track.mapping(RIG.with_baseline(0.1).at(0.2), pair(0.02), 3)
    last = before[1]
    assert last is not None
    assert last.mapping is first
    assert before[0] is None
    assert before[2] is None, "another rig has other depths"


def passed(depth: float) -> Registration:
    """A pass whose matches lie on a plane."""
    found = Registration.without_matches(Status.OK, RIG.at(depth), {})
    visible = RIG.at(depth).to_visible(grid())
    seen = np.isfinite(visible).all(axis=1)
    points = {"visible_points": visible[seen], "thermal_points": grid()[seen]}
    return replace(found, **points, confidence=np.ones(seen.sum()), inliers=np.ones(seen.sum(), np.bool_))


@pytest.fixture
def everything_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regions that say that all is nearer than the plane."""

    def nearer(rig: Any, visible: Any, thermal: Any, plane: Any, shift: Any, before: Any) -> Regions:
        depth = np.full(visible.shape, 0.05, np.float32)
        return Regions(DepthMapping(rig, depth, plane, shift, hides=False), depth)

    monkeypatch.setattr(over_time, "find_regions", nearer)


@pytest.mark.usefixtures("everything_near")
@pytest.mark.parametrize(("matches", "pays"), [(0.02, False), (0.05, True)])
def test_regions_that_matches_of_passes_speak_against_give_way_to_the_plane(
    matches: float, pays: bool
) -> None:
    track, images, found = RegionTrack(), pair(0.02), passed(matches)
    for second in range(JUDGES):
        stamp = second * SECOND
        assert isinstance(track.mapping(RIG.at(0.02), images, stamp), DepthMapping)
        late = [(stamp - SECOND, found)] if second else []  # a pass ends after its pair
        track.judge([*late, (stamp + 5, found)], stamp)
        assert not track.events
    track.judge([(stamp, found)], stamp)
    plane = RIG.at(0.02)
    assert (track.mapping(plane, images, stamp + 1) is plane) is not pays
    assert [event.finding for event in track.events] == ([] if pays else [Finding.REGIONS])
    again = stamp + round(AGAIN_S * SECOND)
    assert isinstance(track.mapping(plane, images, again), DepthMapping), "they are tried again"
