"""Tracked pairs and passes: when which, and what a pass corrects."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from support.edge_scenes import THERMAL, TRUTH, VISIBLE, blocks, thermal_of
from support.scripted_engine import NETWORK, Answer, ScriptedEngine, points_of

from distillmatch_ros import Registrar, Status
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.engines.protocol import Float32, Matches
from distillmatch_ros.geometry.homography import corner_error, resizing
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.stream.stream import Result, Stream, StreamSettings
from distillmatch_ros.stream.temporal import Mode

FRAME = SECOND // 32
START = 100 * SECOND
SCENE = blocks(7)
SEEN = thermal_of(SCENE)


def truth(shift: float = 0.0) -> np.ndarray:
    """Where the thermal camera looks once its image has moved by so many pixels."""
    return TRUTH @ np.array([[1, 0, shift], [0, 1, 0], [0, 0, 1]])


def pair(number: int, shift: float = 0.0, seen: np.ndarray = SEEN) -> tuple[Frame, Frame]:
    stamp = START + number * FRAME
    moved = cv2.warpAffine(
        seen, np.array([[1.0, 0, -shift], [0, 1, 0]]), THERMAL[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    noise = np.random.default_rng(number).integers(0, 40, THERMAL, np.uint16)
    return (
        Frame(SCENE, "mono8", stamp, "rgb"),
        Frame(moved.astype(np.uint16) * 20 + 7000 + noise, "16UC1", stamp, "thermal"),
    )


def answer(homography: np.ndarray) -> Answer:
    return points_of(resizing(VISIBLE, NETWORK) @ homography @ resizing(NETWORK, THERMAL))


class Rig:
    """A stream with an engine that says where the thermal camera looks, as long as it is told to."""

    def __init__(self, beside: bool = False, probability: Mock | None = None, **settings: object) -> None:
        self.homography = truth()
        self.blind = False
        self.engine = ScriptedEngine(self._match)
        registrar = Registrar(self.engine, passes=1, probability=probability)
        self.stream = Stream(registrar, StreamSettings(**settings), beside=beside)
        self.before: Callable[[], object] = lambda: None

    def _match(self, visible: Float32, thermal: Float32) -> Matches:
        self.before()
        found = answer(self.homography)(visible, thermal)
        return replace(found, confidence=found.confidence * 0) if self.blind else found

    def process(self, number: int, shift: float = 0.0, seen: np.ndarray = SEEN) -> Result:
        return self.stream.process(*pair(number, shift, seen))

    @property
    def passes(self) -> int:
        return len(self.engine.shown)


def error(result: Result, shift: float = 0.0) -> float:
    assert result.registration.homography is not None, result.registration.status
    return corner_error(result.registration.homography, truth(shift), THERMAL, VISIBLE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "orientation", [Orientation(0, True), Orientation(90), Orientation(270, True)], ids=str
)
@pytest.mark.parametrize("side", ["rgb", "thermal"])
def test_mirrored_and_turned_cameras_are_tracked_and_calibrated(side: str, orientation: Orientation) -> None:
    """The engine sees upright images; the homography is in the pixels of the images as they came."""
    settings = {f"{side}_rotation": orientation.rotation, f"{side}_flip": orientation.flip}
    rig = Rig(pass_seconds=0.1, **settings)
    upright = VISIBLE if side == "rgb" else THERMAL
    size = orientation.upright_size(upright)  # of the camera's image
    turn = orientation.to_upright(size)
    right = np.linalg.inv(turn) @ truth() if side == "rgb" else truth() @ turn
    sizes = (THERMAL, size) if side == "rgb" else (size, VISIBLE)
    results = []
    for number in range(40):
        frames = dict(zip(("rgb", "thermal"), pair(number), strict=True))
        image = np.rot90(frames[side].image, orientation.rotation // 90)
        image = image[:, ::-1] if orientation.flip else image
        frames[side] = replace(frames[side], image=np.ascontiguousarray(image))
        results.append(rig.stream.process(frames["rgb"], frames["thermal"]).registration)
    assert [each.status for each in results].count(Status.TRACKED) > 20
    for each in results:
        assert each.homography is not None
        assert corner_error(each.homography, right, *sizes) < 3
    assert corner_error(rig.stream.calibration().homography, right, *sizes) < 3


def statuses(results: list[Result]) -> list[Status]:
    return [result.registration.status for result in results]


def test_a_pass_each_second_by_stamp_and_all_others_are_tracked() -> None:
    rig = Rig(pass_seconds=0.5)
    results = [rig.process(number, shift=0.1 * number) for number in range(33)]
    assert [at for at, status in enumerate(statuses(results)) if status is Status.OK] == [0, 16, 32]
    assert set(statuses(results)) == {Status.OK, Status.TRACKED}
    assert rig.passes == sum(result.passes for result in results) == 3
    assert max(error(result, 0.1 * at) for at, result in enumerate(results)) < 2.5


def test_correspondences_of_a_tracked_pair_are_found_when_they_are_asked_for() -> None:
    rig = Rig()
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
        rig = Rig(pass_seconds=0.2)
        results = [rig.process(number, shift=12.0 * (number > 8)) for number in range(16)]
        return [
            result.registration.homography.tobytes() + result.matched().visible_points.tobytes()
            for result in results
            if result.registration.homography is not None
        ]

    assert run() == run()


def test_zero_is_a_pass_for_each_pair() -> None:
    rig = Rig(pass_seconds=0, verify_every=1)
    assert statuses([rig.process(number) for number in range(4)]) == [Status.OK] * 4
    assert rig.passes == 4


def test_a_knock_is_followed_and_calls_for_a_pass() -> None:
    rig = Rig(pass_seconds=60)
    for number in range(5):
        rig.process(number)
    rig.homography = truth(20)
    results = [rig.process(number, shift=20) for number in range(5, 20)]
    assert rig.passes == 2
    assert error(results[0], 20) < 6
    assert max(error(result, 20) for result in results[3:]) < 2.5


def test_a_pass_that_the_edges_support_less_changes_nothing_and_is_repeated() -> None:
    rig = Rig(pass_seconds=0.1, gate=Gate(min_peak_prominence=0.0))
    rig.process(0)
    rig.homography = truth(60)
    assert max(error(rig.process(number)) for number in range(1, 8)) < 2.5
    assert rig.passes > 3


def test_blank_thermal_frames_are_rejected_and_tracking_goes_on_after_them() -> None:
    rig = Rig(pass_seconds=60)
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
    rig = Rig(pass_seconds=1 / 64)
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
    rig = Rig(pass_seconds=60, probability=probability)
    rig.process(0)
    rig.blind = True
    for number in range(1, 9):
        rig.process(number, seen=np.zeros_like(SEEN))
    rig.blind, rig.homography = False, truth(90)
    probability.return_value = after
    found = rig.process(9, shift=90).registration
    assert found.status is (Status.OK if accepted else Status.DEGENERATE)
    later = [rig.process(number, shift=90).registration.status for number in range(137, 400, 128)]
    assert later[-1] in (Status.OK, Status.TRACKED)  # ten seconds later it is believed


def with_faults(frames: tuple[Frame, Frame], fault: str) -> tuple[Frame, Frame]:
    """A pair whose thermal image is framed, has dead lines, or status bits above its 14-bit readings."""
    visible, thermal = frames
    if fault == "bars":
        image = np.pad(thermal.image, ((10, 10), (40, 40)))
    elif fault == "dead lines":
        image = thermal.image.copy()
        image[100:102], image[:, 200] = 0, 65535
    else:
        image = thermal.image | np.random.default_rng(thermal.stamp).integers(0, 4, THERMAL, np.uint16) << 14
    return visible, replace(thermal, image=image)


@pytest.mark.parametrize("fault", ["bars", "dead lines", "status bits"])
def test_pairs_are_tracked_without_what_the_pass_left_out(fault: str) -> None:
    rig = Rig(pass_seconds=0.25)
    results = [rig.stream.process(*with_faults(pair(number), fault)) for number in range(20)]
    assert statuses(results).count(Status.TRACKED) == 17
    bars = np.array([[1.0, 0, -40], [0, 1, -10], [0, 0, 1]]) if fault == "bars" else np.eye(3)
    for result in results:
        found, size = result.matched(), result.thermal.image.shape
        assert found.homography is not None
        assert corner_error(found.homography, truth() @ bars, size, VISIBLE) < 1
        assert len(found.confidence) > 100
        assert found.inliers.mean() > 0.9


def test_a_thermal_camera_that_sees_more_is_tracked_in_exchanged_roles() -> None:
    rig = Rig(pass_seconds=0.25)
    visible, thermal = (frame.image for frame in pair(0))
    right = np.linalg.inv(truth())
    results = []
    for number in range(20):
        noise = np.random.default_rng(number).integers(0, 3, VISIBLE, np.uint8)
        stamp = START + number * FRAME
        narrow = Frame((thermal // 128).astype(np.uint8), "mono8", stamp, "rgb")
        results.append(rig.stream.process(narrow, Frame(visible // 2 + noise, "mono8", stamp, "thermal")))
    assert statuses(results).count(Status.TRACKED) == 17
    for result in results:
        found = result.matched()
        assert found.homography is not None
        assert corner_error(found.homography, right, VISIBLE, THERMAL) < 2
        assert len(found.confidence) > 50


def test_a_shutter_is_stale_and_followed_by_a_pass() -> None:
    rig = Rig(pass_seconds=60, mode=Mode.HOLD, frozen_seconds=0.1)
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
    rig = Rig(pass_seconds=60)
    for number in (100, 101, 0, 1, 900, 901):
        rig.process(number)
    assert rig.passes == 3


def test_settings_change_from_the_next_pair_on() -> None:
    rig = Rig(pass_seconds=60)
    first = [rig.process(number) for number in range(3)]
    rig.stream.configure(StreamSettings(pass_seconds=0, verify_every=1))
    then = [rig.process(number) for number in range(3, 5)]
    rig.stream.configure(StreamSettings(pass_seconds=60, gate=Gate(max_second_peak_ratio=0.0)))
    rejected = rig.process(5)
    ok, tracked = Status.OK, Status.TRACKED
    assert statuses([*first, *then]) == [ok, tracked, tracked, ok, ok]
    assert rejected.registration.homography is None


def test_pairs_are_tracked_while_a_pass_runs_and_it_is_brought_forward() -> None:
    rig = Rig(beside=True, pass_seconds=0.2)
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
    rig, free = Rig(beside=True, pass_seconds=1 / 60), threading.Event()
    rig.process(0)
    rig.before = free.wait
    assert rig.process(1).registration.status is Status.TRACKED  # while its pass waits
    threading.Timer(0.1, free.set).start()
    rig.stream.configure(StreamSettings(pass_seconds=1 / 60, gate=Gate(min_inliers=10_000)))
    assert statuses([rig.process(number) for number in (2, 3)]) == [Status.FEW_INLIERS] * 2
    rig.stream.close()


def test_closing_waits_for_the_pass_and_no_more() -> None:
    rig = Rig(beside=True, pass_seconds=1 / 60)
    rig.process(0)
    going = threading.Event()
    rig.before = lambda: going.wait(30)
    rig.process(1)
    threading.Timer(0.1, going.set).start()
    rig.stream.close()
    assert rig.passes == 2


def test_what_fails_in_a_pass_is_raised_by_a_later_pair() -> None:
    rig = Rig(beside=True, pass_seconds=1 / 60)
    rig.process(0)

    def fail() -> None:
        raise RuntimeError("the device is lost")

    rig.before = fail
    rig.process(1)
    with pytest.raises(RuntimeError, match="lost"):
        deque((rig.process(number) for number in range(2, 200)), maxlen=0)
    rig.stream.close()
