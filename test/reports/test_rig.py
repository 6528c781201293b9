"""A report tells which rig was used, since when, and what happened to it; depth is no loose mount."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from support.recordings import entry, homography, recording
from support.rig_histories import LEARNED, knock, known, learned

from distillmatch_ros.reports.movement import movement
from distillmatch_ros.reports.page import Report
from distillmatch_ros.reports.recording import Entry
from distillmatch_ros.reports.rig import rig_figures, rig_sentences
from distillmatch_ros.reports.verdict import Level, Verdict, judge
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.history import UNTOLD, DriveEvent, RigHistory
from distillmatch_ros.rig.obstacles import Obstacle
from test.support.simulated_rig import RIG, THERMAL, VISIBLE


def pairs(depths: Sequence[float], shift: float = 0.0) -> list[Entry]:
    """A pair a second, each of one depth; in the second half off the rig by so many reference px."""
    entries = []
    for index, depth in enumerate(depths):
        matrix = RIG.at(depth).homography
        if index >= len(depths) / 2:
            matrix = np.array([[1.0, 0, 0], [0, 1, shift * VISIBLE[1] / 640], [0, 0, 1]]) @ matrix
        sizes = {"visible_size": VISIBLE, "thermal_size": THERMAL}
        found = entry(index + 1, homography=matrix, seconds=float(index), correspondences=None, **sizes)
        entries.append(found)
    return entries


def verdict(entries: Sequence[Entry], told: RigHistory) -> Verdict:
    return judge(recording(entries, rig=told), movement(entries, told))


NEARER = [0.002 * index for index in range(40)]


def test_a_scene_that_comes_nearer_is_no_mount_that_slips() -> None:
    entries = pairs(NEARER)
    alone = verdict(entries, UNTOLD)
    assert alone.level is Level.MOVES
    told = verdict(entries, learned())
    assert told.level is Level.GOOD and not told.advice


def test_a_mount_that_gives_is_found_beside_depth() -> None:
    entries = pairs(NEARER, shift=12.0)
    found = movement(entries, learned())
    assert found is not None and found.by_rig and found.numbers[0] == 11  # since the rig is known
    assert found.slip == pytest.approx(12, abs=2.5)
    judged = verdict(entries, learned())
    assert judged.level is Level.MOVES and [advice.topic for advice in judged.advice] == ["mounting"]


def test_pairs_of_other_images_than_the_rigs_are_compared_among_themselves() -> None:
    found = movement([entry(number) for number in range(1, 21)], learned())
    assert found is not None and not found.by_rig


@pytest.mark.parametrize(
    ("told", "facts"),
    [
        (learned(), ["learned in this drive", "after 11 passes, 10.0 s", "maps every pair"]),
        (learned(use="guards"), ["11 passes", "guards the others"]),
        (learned(file="a/rig.yaml", passes=0), ["rig.yaml was confirmed", "10.0 s"]),
        (learned(events=[known(), knock(), known(36.0)]), ["After 25.0 s", "42 px", "-1.5 deg", "36.0 s"]),
        (learned(events=[known(), knock()], rig=None, use=None), ["42 px", "known again"]),
        (RigHistory("rig"), ["No rig was known", "11 passes"]),
        (RigHistory("rig", events=[DriveEvent(10, Finding.NO_RIG.value, "", 11, 14.2)]), ["14 px"]),
        (RigHistory("rig", events=[DriveEvent(0, Finding.UNUSABLE.value, "of 8x8 images")]), ["8x8"]),
        (learned(mode="fixed", file="rig.yaml", events=[]), ["The rig of rig.yaml", "own depth"]),
        (RigHistory("fixed", "one.yaml"), ["One homography of one.yaml"]),
        (RigHistory("live"), ["Mode live", "no rig is learned"]),
    ],
)
def test_words_say_which_rig_was_used_and_since_when(told: RigHistory, facts: list[str]) -> None:
    text = " ".join(rig_sentences(told))
    assert [fact for fact in facts if fact not in text] == []
    assert set(rig_sentences(told)) <= set(verdict([entry(1)], told).reasons)


def test_a_knock_is_the_headline_and_has_its_advice() -> None:
    entries = pairs(NEARER)
    found = verdict(entries, learned(events=[known(), knock(), known(36.0)]))
    assert found.level is Level.MOVES and "after 25.0 s" in found.headline
    assert [advice.topic for advice in found.advice] == ["mounting"]


@pytest.mark.parametrize("mode", ["live", "rig"])
def test_a_zoom_is_no_mount_to_be_tightened(mode: str) -> None:
    """Every eight pairs the other of two; about the corner of the image, so that it shifts pictures too."""
    entries = [
        entry(number, homography=homography() @ np.diag([*[1.3 if number // 8 % 2 else 1.0] * 2, 1]))
        for number in range(1, 41)
    ]
    tried = DriveEvent(10, Finding.NO_RIG.value, "no rig holds yet", 11, obstacle=Obstacle.ZOOM.value)
    found = verdict(entries, RigHistory(mode, events=[tried] if mode == "rig" else []))
    assert found.level is Level.MOVES and [advice.topic for advice in found.advice] == ["zoom"]


@pytest.mark.parametrize(
    ("obstacle", "topic"),
    [
        (Obstacle.ZOOM, "zoom"),
        (Obstacle.SEVERAL, "several rigs"),
        (Obstacle.MOUNT, "mounting"),
        (Obstacle.TIME, "clock"),
    ],
)
def test_advice_follows_what_no_rig_was_found_for(obstacle: Obstacle, topic: str) -> None:
    entries = [entry(number, right=6.0 * (number % 2)) for number in range(1, 41)]
    tried = DriveEvent(10, Finding.NO_RIG.value, f"{obstacle}: tried", 11, obstacle=obstacle.value)
    found = verdict(entries, RigHistory("rig", events=[tried]))
    assert [advice.topic for advice in found.advice] == [topic] and "10.0 s" in found.advice[0].seen
    later = verdict(entries[:1], learned(events=[tried, known(20.0)]))
    assert not later.advice  # a rig was found after all


def test_a_known_rig_that_ends_with_a_zoom_was_not_knocked() -> None:
    zoomed = replace(knock(), obstacle=Obstacle.ZOOM.value)
    found = verdict(pairs(NEARER), learned(events=[known(), zoomed, known(36.0)]))
    assert found.level is Level.MOVES and [advice.topic for advice in found.advice] == ["zoom"]
    assert "zoomed" in found.headline and "degrees" not in " ".join([found.headline, *found.reasons])


def test_what_was_found_about_a_given_calibration_is_told() -> None:
    fixed = [entry(number, "FIXED") for number in range(1, 11)]
    assert "none contradicts" in verdict(fixed, RigHistory("fixed", "one.yaml")).headline
    unsupported = DriveEvent(9.0, Finding.UNSUPPORTED.value, "none supports it")
    found = verdict(fixed, RigHistory("fixed", "one.yaml", events=[unsupported]))
    assert "not supported" in found.headline and found.advice[0].topic == "calibration"


def test_figures_and_events_are_on_the_page() -> None:
    found = rig_figures(learned())
    assert found is not None and dict(found.rows)["visible focal length"].startswith("800 px")
    assert ("10.0 s", "the rig is known") in found.events
    assert "12.5 distances" in dict(found.rows)["nearest pair"]
    metric = rig_figures(learned(rig=LEARNED.with_baseline(0.1)))
    assert metric is not None and dict(metric.rows)["nearest pair"].startswith("1.25 m")
    page = Report(recording([entry(1), entry(2)], rig=learned())).to_html()
    assert "800 px" in page and "known after 11 passes" in page and 'href="#rig"' in page
