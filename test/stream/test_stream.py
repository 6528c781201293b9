"""Pairs through the whole stream, with scripted engines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.rig_frames import frames
from support.scripted_engine import (
    ALIGNED_PX,
    THERMAL,
    TRUTH,
    VISIBLE,
    ScriptedEngine,
    aligned,
    corner_error,
    plain,
    points_of,
)

from distillmatch_ros import Registrar, Status
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.passes import STAGES
from distillmatch_ros.stream.calibration import Calibration
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.temporal import Mode

LENS = Camera(VISIBLE, np.array([[700.0, 0, 480], [0, 700, 270], [0, 0, 1]]), np.array([-0.3, 0.1, 0, 0, 0]))
NO_PRIOR = StreamSettings(verify_every=1, pass_seconds=0)
"""Each pair on its own, which one scripted answer serves."""


def open_stream(settings: StreamSettings = NO_PRIOR, calibration: Calibration | None = None) -> Stream:
    """One pass that always finds the truth, at whatever costs."""
    return Stream(Registrar(ScriptedEngine(points_of(plain(TRUTH))), passes=1), settings, calibration)


def shown(stream: Stream) -> int:
    """How often the engine looked."""
    return len(stream._registrar.engine.shown)


def test_outputs_are_of_the_visible_camera_and_keep_the_thermal_values() -> None:
    visible, thermal = frames(0)
    result = open_stream().process(visible, thermal)
    assert result.registration.status is Status.OK
    assert corner_error(result.registration, TRUTH) < ALIGNED_PX
    registered, overlay = result.registered_thermal(), result.overlay()
    assert registered is not None
    for output in (registered, overlay):
        assert (output.stamp, output.frame_id) == (visible.stamp, "rgb")
        assert output.image.shape[:2] == VISIBLE
    assert (registered.encoding, registered.image.dtype) == ("16UC1", np.uint16)
    assert np.isin(registered.image, np.append(thermal.image, 0)).all()
    assert (registered.image > 0).mean() > 0.5
    assert (overlay.encoding, overlay.image.dtype, overlay.image.ndim) == ("bgr8", np.uint8, 3)


def test_a_rig_is_learned_with_the_lenses_of_the_images_that_are_registered() -> None:
    stream, other = open_stream(), (540, 480)
    assert stream._lenses(THERMAL, VISIBLE) == (THERMAL, VISIBLE)
    stream.robot.set_camera(Sensor.VISIBLE, LENS)
    assert stream._lenses(THERMAL, VISIBLE) == (THERMAL, LENS)
    assert stream._lenses(THERMAL, other) == (THERMAL, other)  # the CameraInfo is that of other images
    stream.undistort(Sensor.VISIBLE, LENS)
    _, straight = stream._lenses(THERMAL, VISIBLE)
    assert isinstance(straight, Camera) and straight.same_as(Camera(VISIBLE, LENS.matrix))


def test_thermal_values_in_degrees() -> None:
    visible, thermal = frames(0)
    result = open_stream(NO_PRIOR.replace(temperature="a65")).process(visible, thermal)
    registered = result.registered_thermal()
    assert registered is not None and registered.encoding == "32FC1" and registered.image.dtype == np.float32
    known = registered.image[np.isfinite(registered.image)]
    assert known.size > registered.image.size / 2
    assert np.isin(np.rint((known + 273.15) / 0.04), thermal.image).all()


def test_a_wrong_temperature_rejects_the_pair_with_the_reason() -> None:
    stream = open_stream(NO_PRIOR.replace(temperature="boson"))
    with pytest.raises(DistillMatchError, match="correct the scale"):
        stream.process(*frames(0))
    stream.configure(NO_PRIOR.replace(temperature="0.04,-273.15"))
    assert stream.process(*frames(0)).registration.status is Status.OK


def test_latency_has_every_stage() -> None:
    latency = open_stream().process(*frames(0)).latency_ms
    assert set(latency) == {*STAGES, "undistort", "total"}
    assert latency["total"] >= sum(latency[stage] for stage in STAGES)


def test_without_homography_there_is_no_registered_thermal() -> None:
    visible, thermal = frames(0)
    result = open_stream().process(replace(visible, image=np.zeros_like(visible.image)), thermal)
    assert result.registration.status is Status.FEW_MATCHES
    assert result.registered_thermal() is None
    assert result.overlay().image.shape == (*VISIBLE, 3)


@pytest.mark.slow
def test_prior_halves_the_looks_and_is_verified() -> None:
    first, near = points_of(plain(TRUTH)), points_of(aligned(TRUTH, by=TRUTH))
    engine = ScriptedEngine(*[first, near, near, near] * 2)
    stream = Stream(
        Registrar(engine), StreamSettings(pass_seconds=0, verify_every=3, gate=Gate(sure_peak_prominence=1.0))
    )
    shown = [0]
    for number in range(6):
        result = stream.process(*frames(number))
        assert corner_error(result.registration, TRUTH) < ALIGNED_PX
        shown.append(len(engine.shown))
    assert np.diff(shown).tolist() == [2, 1, 1, 2, 1, 1]


def test_held_and_smoothed_by_the_settings() -> None:
    stream = open_stream(StreamSettings(mode=Mode.HOLD, hold_seconds=0.1, verify_every=1, pass_seconds=0))
    statuses = []
    for number in range(6):
        visible, thermal = frames(number)
        if number:
            visible = replace(visible, image=np.zeros_like(visible.image))
        statuses.append(stream.process(visible, thermal).registration.status)
    assert statuses == [Status.OK] + [Status.HELD] * 3 + [Status.FEW_MATCHES] * 2


@pytest.mark.slow
def test_frozen_thermal_is_stale_and_rests_the_engine() -> None:
    stream = open_stream(
        StreamSettings(hold_seconds=0.5, frozen_seconds=0.19, verify_every=1, pass_seconds=0)
    )
    results = [stream.process(*frames(number, same_thermal=number > 0)) for number in range(25)]
    statuses = [result.registration.status for result in results]
    assert statuses == [Status.OK] * 7 + [Status.STALE_THERMAL] * 18
    assert shown(stream) == 7
    held = [result.registration.homography is not None for result in results]
    assert held == [True] * 22 + [False] * 3  # half a second after the last pair that was looked at
    assert stream.process(*frames(25)).registration.status is Status.OK


def panned(frame: Frame, pixels: int) -> Frame:
    return replace(frame, image=np.roll(frame.image, pixels, axis=1))


def test_an_old_image_beside_one_that_moves_is_not_registered_anew() -> None:
    stream = open_stream()
    visible, thermal = frames(0)
    new = stream.process(visible, thermal).registration
    for number in (1, 2):
        later, again = frames(number)
        slow = stream.process(panned(later, 40 * number), replace(again, image=thermal.image)).registration
        assert slow.status is Status.REPEATED and slow.probability == new.probability
        np.testing.assert_array_equal(slow.homography, new.homography)
    for number in range(3, 30):
        later, again = frames(number)
        hung = stream.process(
            replace(later, image=visible.image), panned(again, 8 * (number - 3))
        ).registration
    assert hung.status is Status.STALE_VISIBLE
    assert shown(stream) == 2  # both images new: the first pair, and the first one after the slow ones


def test_a_repeated_pair_repeats_a_rejection_too() -> None:
    stream = Stream(Registrar(ScriptedEngine(points_of(plain(TRUTH), empty=200)), passes=1), NO_PRIOR)
    visible, thermal = frames(0)
    said = [stream.process(panned(visible, 40 * number), thermal).registration for number in range(3)]
    assert [(each.status, each.rejected_by) for each in said] == [(said[0].status, said[0].rejected_by)] * 3
    assert said[0].mapping is None and shown(stream) == 2  # once in each role


def calibrate(stream: Stream) -> Calibration:
    for number in range(12):
        stream.process(*frames(number))
    return stream.calibration()


@pytest.mark.slow
def test_calibration_of_a_drive_serves_mode_fixed(tmp_path: Path) -> None:
    drive = open_stream()
    with pytest.raises(DistillMatchError, match="no pair was received yet"):
        drive.calibration()
    calibrate(drive).save(tmp_path / "rig.yaml")
    calibration = Calibration.load(tmp_path / "rig.yaml")
    assert calibration.pairs == 12
    fixed = open_stream(StreamSettings(mode=Mode.FIXED, frozen_seconds=0.09), calibration)
    results = [fixed.process(*frames(number, same_thermal=number > 0)) for number in range(7)]
    assert [str(result.registration.status) for result in results] == ["FIXED"] * 4 + ["STALE_THERMAL"] * 3
    for result in results:
        assert corner_error(result.registration, TRUTH) < 0.1
        assert len(result.registration.inliers) == 0
        assert result.registered_thermal() is not None
    assert shown(fixed) == 0
    visible, thermal = frames(9)
    small = replace(thermal, image=thermal.image[:200].copy())
    with pytest.raises(DistillMatchError, match="thermal images of 320x256, but these are 320x200"):
        fixed.process(visible, small)
    assert fixed.process(visible, thermal).registration.status is Status.FIXED


def test_fixed_without_calibration_is_rejected_and_changes_nothing() -> None:
    stream = open_stream()
    with pytest.raises(DistillMatchError, match="mode fixed has no calibration"):
        stream.configure(StreamSettings(mode=Mode.FIXED, gate=Gate(min_inliers=1000)))
    assert stream.process(*frames(0)).registration.status is Status.OK


def test_settings_change_from_the_next_pair_on() -> None:
    stream = open_stream()
    stream.process(*frames(0))
    before = stream.process(*frames(1)).overlay().image
    strict = NO_PRIOR.replace(gate=Gate(min_inliers=1000), mode=Mode.HOLD, overlay="edges")
    stream.configure(strict)
    held = stream.process(*frames(2))
    assert held.registration.status is Status.HELD  # by what was learned before
    assert not np.array_equal(held.overlay().image, before)
    stream.configure(strict.replace(mode=Mode.LIVE))
    assert stream.process(*frames(3)).registration.status is Status.FEW_INLIERS
    stream.configure(strict.replace(frozen_seconds=0.03))
    for number in range(4, 8):
        stale = stream.process(*frames(number, same_thermal=True))
    assert stale.registration.status is Status.STALE_THERMAL


@pytest.mark.parametrize(
    "wrong",
    [
        {"hold_seconds": -1.0},
        {"smoothing": float("nan")},
        {"max_jump_px": float("inf")},
        {"frozen_seconds": -0.1},
        {"verify_every": 0},
        {"confirmations": 0},
        {"overlay": "sepia"},
    ],
)
def test_wrong_settings_are_rejected_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(DistillMatchError, match=next(iter(wrong))):
        StreamSettings(**wrong)


def test_reset_forgets_everything_learned() -> None:
    stream = open_stream(StreamSettings(mode=Mode.HOLD, verify_every=1, pass_seconds=0))
    calibrate(stream)
    stream.reset()
    visible, thermal = frames(20)
    blank = replace(visible, image=np.zeros_like(visible.image))
    assert stream.process(blank, thermal).registration.status is Status.FEW_MATCHES
    with pytest.raises(DistillMatchError, match="0 pairs were registered"):
        stream.calibration()


@pytest.mark.slow
def test_distortion_is_taken_out_of_images_and_stands_in_the_calibration() -> None:
    stream = open_stream()
    stream.process(*frames(0))
    stream.undistort(Sensor.VISIBLE, LENS)
    visible, thermal = frames(1)
    result = stream.process(visible, thermal)
    assert not np.array_equal(result.visible.image, visible.image)
    np.testing.assert_array_equal(result.thermal.image, thermal.image)
    for number in range(2, 12):
        stream.undistort(Sensor.VISIBLE, replace(LENS, matrix=LENS.matrix.copy()))  # as each camera_info says
        stream.process(*frames(number))
    calibration = stream.calibration()
    assert calibration.pairs == 11  # all but the one before
    assert (calibration.formats.visible.undistorted, calibration.formats.thermal.undistorted) == (True, False)
    bent = open_stream(StreamSettings(mode=Mode.FIXED), calibration)
    with pytest.raises(DistillMatchError, match="960x540, undistorted, but these are 960x540"):
        bent.process(*frames(0))
    stream.undistort(Sensor.VISIBLE, None)
    assert stream.process(visible, thermal).visible is visible


def test_camera_of_another_size_is_rejected() -> None:
    stream = open_stream()
    stream.undistort(Sensor.THERMAL, LENS)
    with pytest.raises(
        DistillMatchError, match="thermal: 320x256 pixels, but its camera_info describes 960x540"
    ):
        stream.process(*frames(0))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros(THERMAL, np.uint8),
        np.full(THERMAL, np.nan, np.float32),
        np.full(THERMAL, np.inf, np.float32),
        np.zeros((1, 1), np.uint16),
        np.zeros((*THERMAL, 3), np.uint8),
    ],
)
def test_content_never_raises(image: np.ndarray) -> None:
    stream = open_stream()
    visible, thermal = frames(0)
    result = stream.process(visible, replace(thermal, image=image))
    assert result.registration.status is Status.FEW_MATCHES
    assert result.overlay().image.shape == (*VISIBLE, 3)
    assert stream.process(*frames(1)).registration.status is Status.OK


def test_what_is_no_image_is_rejected_and_the_next_pair_goes_on() -> None:
    stream = open_stream()
    visible, thermal = frames(0)
    for bad in (np.zeros(THERMAL, np.complex64), np.zeros((0, 5), np.uint8), np.zeros(7, np.uint8)):
        with pytest.raises(DistillMatchError, match="thermal image"):
            stream.process(visible, replace(thermal, image=bad))
    assert stream.process(visible, thermal).registration.status is Status.OK


def test_another_size_of_image_starts_anew() -> None:
    stream = open_stream(StreamSettings(mode=Mode.HOLD, verify_every=1, pass_seconds=0))
    stream.process(*frames(0))
    visible, thermal = frames(1)
    small = np.zeros((270, 480, 3), np.uint8)
    assert stream.process(replace(visible, image=small), thermal).registration.homography is None
