"""A recorded room has what a drive with a depth camera has."""

from pathlib import Path

import pytest

from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.demo.room_drive import DEPTH, DEPTH_INFO, RGB, RGB_INFO, THERMAL, record_room


@pytest.mark.slow  # renders a room
@pytest.mark.parametrize(("lenses", "info"), [("rgb", RGB_INFO), ("depth", DEPTH_INFO)])
def test_a_room_is_recorded_with_its_depth_and_the_lenses_that_are_asked_for(
    lenses: str, info: str, tmp_path: Path
) -> None:
    path = tmp_path / "room.mcap"
    assert record_room(path, pairs=1, lenses=lenses) == pytest.approx(0.08)
    with open_bag(path) as bag:
        assert set(bag.topics) == {RGB, THERMAL, DEPTH, info}
