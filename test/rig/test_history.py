"""What a drive told of its rig is the same after it was written and read."""

import json
from dataclasses import replace

import numpy as np
import pytest

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.rig.events import DOUBTS, Finding, RigEvent
from distillmatch_ros.rig.history import UNTOLD, DriveEvent, RigHistory, rig_figures
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.obstacles import Obstacle
from distillmatch_ros.rig.trust import Trust
from distillmatch_ros.rig.watching import WatchedRig
from test.support.simulated_rig import RIG

KNOWN = WatchedRig(LearnedRig(RIG, (0.0, 0.08), False), Trust(0.9, 0.9), 12)
BEGIN = 1_700_000_000 * SECOND
EVENTS = [
    RigEvent(BEGIN + 30 * SECOND, Finding.MOVED, "a knock", distance_px=25.0, turned_degrees=-1.5),
    RigEvent(BEGIN + 41 * SECOND, Finding.KNOWN, "known again", 11, 3.0),
    RigEvent(BEGIN + 10 * SECOND, Finding.KNOWN, "known", 11, 4.0),
    RigEvent(BEGIN + 5 * SECOND, Finding.NO_RIG, "none yet", 6, obstacle=Obstacle.TIME),
]


def test_a_history_survives_its_record() -> None:
    told = RigHistory.of("rig", None, KNOWN, EVENTS, BEGIN)
    read = RigHistory.of_record(json.loads(json.dumps(told.record())))
    assert read.rig is not None
    assert [event.seconds for event in read.events] == [5, 10, 30, 41]
    assert (read.events, read.use, read.passes) == (told.events, "maps", 12)
    assert read.known is not None and read.known.seconds == 41
    assert read.events[0].obstacle == Obstacle.TIME and read.obstacle is None
    assert [(knock.distance_px, knock.turned_degrees) for knock in read.knocks] == [(25.0, -1.5)]
    points = np.array([[10.0, 20], [600, 500]])
    np.testing.assert_allclose(read.rig.model.at(0.05).to_visible(points), RIG.at(0.05).to_visible(points))


def test_a_use_that_changes_later_has_its_time() -> None:
    changed = RigEvent(BEGIN + 55 * SECOND, Finding.USE, "it maps all pairs")
    told = RigHistory.of("rig", None, KNOWN, [*EVENTS, changed], BEGIN)
    assert told.changed_use is not None and told.changed_use.seconds == 55
    assert told.known is not None and told.known.seconds == 41
    assert RigHistory.of("rig", None, KNOWN, EVENTS, BEGIN).changed_use is None


def test_a_rig_that_was_lost_again_is_not_known() -> None:
    told = RigHistory.of("rig", "rig.yaml", None, EVENTS[2:] + EVENTS[:1], BEGIN)
    assert told.obstacle is not None and told.obstacle.seconds == 5
    assert told.known is None and told.use is None and len(told.knocks) == 1


def test_diagnostics_of_a_node_tell_the_same_events() -> None:
    """Once a second, each time the last one; some are told many times."""
    told = [
        (
            (event.stamp - BEGIN) / SECOND + late,
            dict(rig_figures(event, None if event is EVENTS[0] else "maps")),
        )
        for event in sorted(EVENTS, key=lambda event: event.stamp)
        for late in (0.5, 1.5)
    ]
    read = RigHistory.of_figures([(0.5, dict(rig_figures(None, None))), *told])
    assert read.use == "maps" and read.rig is None
    seconds = {event.seconds: event.passes for event in read.events}
    assert seconds == {5.5: 6, 10.5: 11, 30.5: None, 41.5: 11}
    assert [event.obstacle for event in read.events] == [Obstacle.TIME, None, None, None]
    assert read.known is not None and read.known.seconds == 41.5
    assert [(knock.distance_px, knock.turned_degrees) for knock in read.knocks] == [(25.0, -1.5)]
    assert (
        RigHistory.of_figures([(1.0, {"rig finding": "known", "rig": "x", "rig passes": "many"})]) is UNTOLD
    )


@pytest.mark.parametrize(
    "record", [None, {}, {"mode": "rig"}, 7, [], {"rig": {"version": 99}, "mode": "rig"}]
)
def test_what_is_no_record_is_no_history(record: object) -> None:
    assert RigHistory.of_record(record) is UNTOLD  # type: ignore[arg-type]


def test_a_history_answers_what_is_asked_of_it() -> None:
    told = RigHistory.of("rig", None, KNOWN, EVENTS, BEGIN)
    assert told.is_told and told.mapping_rig is told.rig is not None and not told.is_doubted
    assert replace(told, use="guards").mapping_rig is None
    assert not UNTOLD.is_told and UNTOLD.mapping_rig is None and UNTOLD.record() is None
    doubted = [DriveEvent(0.0, finding.value, "") for finding in DOUBTS]
    assert all(RigHistory("fixed", events=[event]).is_doubted for event in doubted)
