"""Pairs whose images show different moments are told by how both pictures move."""

import cv2
import numpy as np
import pytest
from support.scripted_engine import ScriptedEngine, points_of

from distillmatch_ros import Registrar
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.rig.motion import TimeOffset
from distillmatch_ros.rig.swing import Swing
from distillmatch_ros.rig.trust import MOST
from distillmatch_ros.stream.latency import PATIENCE_S, SWING_PX, LatencyWatch
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.temporal import Mode

HZ, START = 10, 1000 * SECOND
_CELLS = np.random.default_rng(0).integers(0, 256, (24, 60)).astype(np.uint8)
SCENE = cv2.resize(_CELLS, (1200, 480), interpolation=cv2.INTER_CUBIC)


def turned_to(seconds: float, turning: bool) -> float:
    """Where in the scene the view begins, visible pixels."""
    return 300.0 + turning * 150 * float(np.sin(1.7 * seconds) + 0.4 * np.sin(4.1 * seconds))


def seen(seconds: float, turning: bool, seed: int) -> np.ndarray:
    """What a camera sees that turns to and fro."""
    x = turned_to(seconds, turning)
    view = cv2.warpAffine(SCENE, np.array([[1, 0, -x], [0, 1, 0.0]]), (480, 360))
    noise = np.random.default_rng(seed).integers(0, 3, view.shape).astype(np.uint8)
    return cv2.subtract(view, noise)


def images(number: int, late: float, turning: bool = True) -> tuple[np.ndarray, np.ndarray]:
    seconds = number / HZ
    thermal = cv2.resize(
        seen(seconds - late, turning, number + 10_000), (240, 180), interpolation=cv2.INTER_AREA
    )
    return seen(seconds, turning, number), 255 - thermal


def watched(late: float, turning: bool = True) -> LatencyWatch:
    watch = LatencyWatch()
    for number in range(90):
        watch.update(PreparedPair.of(*images(number, late, turning)), START + number * SECOND // HZ)
    return watch


@pytest.mark.slow
@pytest.mark.parametrize("late", [0.3, -0.2])
def test_latency_is_estimated_and_said_once(late: float) -> None:
    watch = watched(late)
    assert watch.offset is not None and watch.offset.seconds == pytest.approx(-late, abs=0.04)
    (event,) = watch.events
    assert ("thermal" if late > 0 else "visible") in event.sentence.split()[0]
    assert "thermal_offset" in event.sentence


@pytest.mark.slow
@pytest.mark.parametrize(("late", "turning"), [(0.0, True), (0.02, True), (0.3, False)])
def test_images_in_time_and_cameras_at_rest_are_in_order(late: float, turning: bool) -> None:
    watch = watched(late, turning)
    assert watch.offset is None and not watch.events and watch.swing_px == 0


@pytest.mark.slow
def test_late_pairs_are_not_believed_while_the_cameras_turn() -> None:
    gate = Gate(min_peak_prominence=0.0, max_second_peak_ratio=1.0, min_probability=0.0)
    settings = StreamSettings(mode=Mode.RIG, pass_seconds=0, verify_every=1, gate=gate, max_jump_px=640)
    engine = ScriptedEngine(points_of(np.eye(3)))
    stream, seen = Stream(Registrar(engine, passes=1, probability=lambda _: 0.9), settings), []
    for number in range(90):
        visible, thermal = images(number, 0.1)
        stamp = START + number * SECOND // HZ
        found = stream.process(
            Frame(visible, "mono8", stamp, "rgb"), Frame(thermal, "mono8", stamp, "thermal")
        )
        seen.append(found.registration)
    reasons = [each.rejected_by for each in seen if each.rejected_by is not None]
    swings = [each.value for each in reasons if each.threshold == "latency"]
    assert swings and all(swing is not None and swing > SWING_PX for swing in swings)
    believed = [each.probability for each in seen if each.probability is not None and each.status.is_own]
    assert max(believed) == pytest.approx(MOST)  # before anything is known, and at rest
    assert min(believed) < 0.8 * MOST
    assert any("thermal_offset" in event.sentence for event in stream.rig_events)


def heed(watch: LatencyWatch, number: int, pair: tuple[np.ndarray, np.ndarray], moved: float = 0.0) -> None:
    """Show a pair, and its homography, which may be moved."""
    stamp = START + number * SECOND // HZ
    watch.update(PreparedPair.of(*pair), stamp)
    homography = np.array([[2.0, 0, moved], [0, 2, 0], [0, 0, 1]])
    watch.heed(HomographyMapping(homography, (180, 240), (360, 480)), stamp)


@pytest.mark.parametrize("late", [0.3, 0.0])
def test_a_homography_that_swings_with_the_motion_is_doubted_within_a_second(late: float) -> None:
    watch, swings = LatencyWatch(), []
    for number in range(20):
        seconds = number / HZ
        heed(watch, number, images(number, late), turned_to(seconds - late, True) - turned_to(seconds, True))
        swings.append(watch.swing_px)
    assert (max(swings[:10]) > SWING_PX) == (late > 0)
    assert [f"{late:.1f}" in event.sentence for event in watch.events] == [True] * (late > 0)


def evenly(number: int, rests: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of cameras that rest for some pairs, and then turn at 200 px/s."""
    x = 100 + 20.0 * max(0, number - rests)
    view = cv2.warpAffine(SCENE, np.array([[1, 0, -x], [0, 1, 0.0]]), (480, 360))
    return view, 255 - cv2.resize(view, (240, 180), interpolation=cv2.INTER_AREA)


def test_an_even_turn_at_the_beginning_is_feared_to_hide_a_latency_for_a_while() -> None:
    watch, doubts = LatencyWatch(), []
    for number in range(20):
        heed(watch, number, evenly(number, 0))
        assert watch.doubt(rig_is_known=True) is None
        doubts.append(watch.doubt(rig_is_known=False))
    feared = [number for number, doubt in enumerate(doubts) if doubt is not None]
    assert feared == list(range(1, round(PATIENCE_S * HZ)))
    assert {doubt.threshold for doubt in doubts if doubt is not None} == {"unknown_latency"}


def test_cameras_that_start_to_turn_are_believed_at_once() -> None:
    watch = LatencyWatch()
    for number in range(20):
        heed(watch, number, evenly(number, 5))
        assert watch.doubt(rig_is_known=False) is None


def test_pictures_that_change_altogether_turn_at_no_speed() -> None:
    watch, rng = LatencyWatch(), np.random.default_rng(1)
    for number in range(12):
        view = cv2.resize(rng.integers(0, 256, (12, 16)).astype(np.uint8), (480, 360))
        heed(watch, number, (view, 255 - cv2.resize(view, (240, 180))))
        assert watch.doubt(rig_is_known=False) is None


@pytest.mark.parametrize(("deviation", "known"), [(0.03, -0.1), (0.003, None)])
def test_of_both_estimates_the_surer_one_counts(
    deviation: float, known: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where clocks drift: the motion of 15 s tells an average that might be none."""
    monkeypatch.setattr(Swing, "offset", lambda *_: TimeOffset(-0.1, 0.0125, 1.0))
    found = TimeOffset(-0.02, deviation, 1.0)
    monkeypatch.setattr("distillmatch_ros.stream.latency.time_offset", lambda *_: found)
    watch = LatencyWatch()
    for number in range(3):
        heed(watch, number, images(number, 0.1))
    assert watch.offset is None if known is None else watch.offset.seconds == known


def test_a_weaker_estimate_that_does_not_contradict_it_leaves_a_known_latency(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """0.1 s beyond doubt, then 0.075 s that might be none: the latter says nothing new."""
    watch = LatencyWatch()
    estimates = ((-0.1, 0.03, -0.1), (-0.075, 0.025, -0.1), (-0.3, 0.03, -0.3))
    for number, (seconds, deviation, known) in enumerate(estimates):
        found = TimeOffset(seconds, deviation, 1.0)
        monkeypatch.setattr(Swing, "offset", lambda *_, found=found: found)
        heed(watch, number, images(number, 0.1))
        assert watch.offset is not None and watch.offset.seconds == known
