"""Drives are grouped to rigs by geometry or by name, drift and knocks are found, and good drives get no star.

Shifts are downwards, across the line between the lenses: along it they would look like another depth.
"""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from support.recordings import entry, recording
from support.rig_histories import LEARNED, knock, known, learned

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.fleet.grouping import grouping
from distillmatch_ros.fleet.overview import BagOverview, Fleet, overview
from distillmatch_ros.fleet.rigs import WEEK
from distillmatch_ros.fleet.stored import StoredBag, StoredBags
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.reports.recording import Recording
from distillmatch_ros.rig.history import UNTOLD, RigHistory
from distillmatch_ros.rig.model import RigModel
from test.support.simulated_rig import RIG, THERMAL, VISIBLE

DEPTHS = np.linspace(0.0, 0.08, 30)


def moved_by(down: float) -> RigModel:
    """The rig after its visible camera was turned by so many reference px."""
    matrix = RIG.visible.matrix.copy()
    matrix[1, 2] += down * VISIBLE[1] / 640
    return replace(RIG, visible=replace(RIG.visible, matrix=matrix))


@cache
def homographies(down: float) -> list[Float64]:
    """Of pairs whose scene comes nearer."""
    return [moved_by(down).at(depth).homography for depth in DEPTHS.tolist()]


def drive(name: str, week: float = 0.0, down: float = 0.0, knows: bool = True, **changes: Any) -> Recording:
    """A drive of 30 pairs, 1 s apart, whose scene comes nearer; the rig was moved by so many reference px."""
    begin = round(1e18 + week * WEEK * SECOND)
    sizes = {"visible_size": VISIBLE, "thermal_size": THERMAL, "correspondences": None}
    entries = [
        entry(
            number,
            homography=homography,
            seconds=float(number - 1),
            stamp=begin + number * SECOND,
            **sizes,
        )
        for number, homography in enumerate(homographies(down), 1)
    ]
    told = learned(rig=replace(LEARNED, model=moved_by(down))) if knows else RigHistory("rig")
    return recording(entries, **({"title": name, "rig": told} | changes))


def stored(drive: Recording, **line: str) -> StoredBag:
    return StoredBag(drive, lambda: line)


def fleet(*drives: Recording, by: str = "geometry") -> Fleet:
    return overview(StoredBags({each.title: partial(stored, each) for each in drives}), by)


def by_name(found: Fleet) -> dict[str, BagOverview]:
    return {bag.name: bag for bag in found.bags}


def starred(found: Fleet) -> set[str]:
    return {bag.name for bag in found.bags if bag.needs_look}


def test_copies_of_good_drives_of_four_rigs_get_no_star() -> None:
    downs = {"a": 0.0, "b": 25.0, "c": -30.0, "d": 90.0}
    found = fleet(*(drive(f"{name}{copy}", down=px) for name, px in downs.items() for copy in range(5)))
    assert len(found.rigs) == 4 and starred(found) == set()
    for bag in found.bags:
        assert {other.name[0] for other in found.bags if other.rig == bag.rig} == {bag.name[0]}
        assert bag.shift is not None and bag.shift.px < 0.5


def test_drives_that_knew_no_rig_are_grouped_with_one_that_did_and_depth_is_no_move() -> None:
    found = fleet(drive("knows"), drive("short", 1.0, knows=False))
    bags = by_name(found)
    assert len(found.rigs) == 1 and starred(found) == set()
    alone = by_name(fleet(drive("short", knows=False)))["short"]
    assert alone.verdict.level.value == "moves" and bags["short"].verdict.level.value == "good"


def test_a_drive_of_its_own_near_others_is_starred_with_the_distance() -> None:
    found = fleet(drive("a"), drive("b", 1), drive("c", 2, down=30.0))
    assert starred(found) == {"c"} and "29.4 px" in by_name(found)["c"].reasons[0]
    assert starred(fleet(drive("a"), drive("b", 1), drive("c", 2, down=150.0))) == set()  # another rig


def test_a_rig_that_drifts_stays_one_and_its_speed_is_told() -> None:
    found = fleet(*(drive(f"w{week}", week, down=2.0 * week) for week in range(8)))
    (rig,) = found.rigs
    assert rig.drift is not None
    assert rig.drift.px_per_week == pytest.approx(2.0, abs=0.1) and rig.drift.weeks == pytest.approx(7)
    assert starred(found) == {"w7"} and "13.7 px" in by_name(found)["w7"].reasons[0]
    steady = fleet(*(drive(f"w{week}", week, down=0.3 * (week % 2)) for week in range(8)))
    assert steady.rigs[0].drift is None and starred(steady) == set()


def test_cameras_that_were_mounted_anew_are_starred_once_in_a_named_group() -> None:
    drives = [drive(f"w{week}", week, down=0.0 if week < 4 else 20.0) for week in range(7)]
    for each in drives:
        object.__setattr__(each, "provenance", {"bag": f"robots/seven/{each.title}.mcap"})
    found = fleet(*drives, by="path")
    (rig,) = found.rigs
    assert rig.name == "seven" and len(rig.mounts) == 2 and rig.drift is None
    assert starred(found) == {"w4"}
    (reason,) = by_name(found)["w4"].reasons
    assert "19.6 px" in reason and "4 of the 7 drives of seven" in reason and "3 drives" in reason
    assert len(fleet(*drives).rigs) == 2 and starred(fleet(*drives)) == set()


def test_a_knock_within_a_drive_ends_one_geometry_and_begins_another() -> None:
    after = moved_by(20.0)
    knocked = drive("knocked", 1)
    for each in knocked.entries[20:]:
        object.__setattr__(each, "homography", after.at(0.04).homography)
    told = learned(events=[known(), knock(20.0)], rig=None, use=None)
    found = fleet(drive("a"), replace(knocked, rig=told), drive("b", 2, down=20.0))
    assert len(found.rigs) == 1 and starred(found) == {"knocked"}
    bag = by_name(found)["knocked"]
    assert bag.verdict.level.value == "moves" and "42 px" in bag.reasons[0] and "20.0 s" in bag.reasons[0]
    assert by_name(found)["b"].shift is not None and by_name(found)["b"].shift.px == pytest.approx(20, abs=1)


def test_a_bag_that_could_not_be_read_in_full_is_starred_with_the_problem() -> None:
    found = fleet(drive("a"), drive("b", problems=["3 chunks are damaged"]))
    assert starred(found) == {"b"} and "3 chunks" in by_name(found)["b"].reasons[0]


def test_a_given_homography_that_nothing_contradicts_is_no_reason() -> None:
    entries = [entry(number, "FIXED") for number in range(1, 11)]
    fixed = recording(entries, title="fixed", rig=RigHistory("fixed", "one.yaml"))
    assert starred(fleet(fixed)) == set()
    assert starred(fleet(replace(fixed, rig=UNTOLD))) == {"fixed"}


@pytest.mark.parametrize(
    ("by", "path", "name"),
    [
        ("path", "drives/seven/mon.mcap", "seven"),
        ("path:1", "drives/seven/mon.mcap", "drives"),
        ("path:-1", "/a/b/mon.mcap", "mon.mcap"),
        ("path:2", "s3://fleet/seven/mon.mcap", "seven"),
        ("path:-2", "x/rgb.mcap + x/thermal.mcap", "x"),
        ("thermal", "x", "/rear/thermal"),
        ("rig", "x", "seven"),
    ],
)
def test_groups_by_path_or_field(by: str, path: str, name: str) -> None:
    provenance = {"bag": path, "rig": {"mode": "rig"}, "topics": {"thermal": "/rear/thermal"}}
    bag = stored(recording([], title="mon", provenance=provenance), rig="seven")
    assert grouping(by)(bag) == name


@pytest.mark.parametrize("by", ["path", "path:7", "robot"])
def test_a_bag_without_that_part_or_field_is_named(by: str) -> None:
    with pytest.raises(DistillMatchError, match=r"mon(\.mcap)? has"):
        grouping(by)(stored(recording([], title="mon", provenance={"bag": "mon.mcap"})))


@pytest.mark.parametrize("by", ["", "path:0", "path:x"])
def test_a_key_that_names_nothing_is_rejected(by: str) -> None:
    with pytest.raises(DistillMatchError, match="--group-by"):
        grouping(by)
