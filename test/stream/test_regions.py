"""Regions over a stream: found anew when a pair was looked at, and from those of the pair before."""

from typing import Any

import pytest
from support.simulated_rig import RIG, shapes

from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.rig.regions import Regions, find_regions
from distillmatch_ros.stream import regions as over_time
from distillmatch_ros.stream.regions import RegionTrack


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
    first = track.mapping(plane, pair(0.02))
    assert track.mapping(plane, pair(0.021)) is first
    assert before == [None]


def test_the_next_search_starts_from_the_last_one_of_the_same_rig(before: list[Regions | None]) -> None:
    track = RegionTrack()
    first = track.mapping(RIG.at(0.02), pair(0.02))
    track.mapping(RIG.at(0.021), pair(0.021))
    track.mapping(RIG.with_baseline(0.1).at(0.2), pair(0.02))
    last = before[1]
    assert last is not None
    assert last.mapping is first
    assert before[0] is None
    assert before[2] is None, "another rig has other depths"
