"""The scale of rigs by the depth of their pairs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.cli import run
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of

from distillmatch_ros import Registrar
from distillmatch_ros.bags.calibration import _in_metres
from distillmatch_ros.bags.depth_scale import believed, scale_of_observations
from distillmatch_ros.bags.drives import Drives
from distillmatch_ros.bags.job import BagJob
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.evaluation.parallax import DEPTHS, observation, true_rig
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.learning import LearnedRig, Observation
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.stream import Stream

TOPICS = {sensor: f"/{sensor}" for sensor in Sensor}


def unit_rig(room: SyntheticPair) -> LearnedRig:
    return LearnedRig(true_rig(room), DEPTHS, shifted=False).with_baseline(1.0, {"scale": "assumed"})


def observed(room: SyntheticPair, pairs: int, factor: float = 1.0) -> list[Observation]:
    depth = (1 / (factor * room.visible_depth[::2, ::2])).astype(np.float16)
    return [replace(observation(room), measured=depth)] * pairs


@pytest.mark.slow  # edges of six pairs
def test_pairs_with_depth_tell_the_distance_of_the_cameras_of_a_known_rig(room: SyntheticPair) -> None:
    true = float(np.linalg.norm(true_rig(room).T_visible_thermal.translation))
    scale = scale_of_observations(unit_rig(room), observed(room, 6))
    assert scale is not None and scale.is_known and scale.metres == pytest.approx(true, rel=0.04)
    doubtful = unit_rig(room).model
    covariance = np.zeros((12, 12))
    covariance[1, 1] = 0.1**2
    unsure = replace(unit_rig(room), model=replace(doubtful, covariance=covariance))
    scale = scale_of_observations(unsure, observed(room, 6))
    assert scale is not None and scale.maps and not scale.is_known, "it is as uncertain as the focal length"


def write(path: Path, room: SyntheticPair, factors: list[float | None]) -> BagJob:
    """Pairs a second apart, each with depth at half the resolution times a factor, or without."""
    metres, messages = room.visible_depth[::2, ::2].astype(np.float32), ros2_messages()
    with BagWriter(path, ros2_types()) as writer:
        for second, factor in enumerate(factors, start=1):
            depth = None if factor is None else metres * np.float32(factor)
            for sensor, encoding, image in (
                (Sensor.VISIBLE, "bgr8", room.visible + np.uint8(second % 3)),
                (Sensor.THERMAL, "16UC1", room.thermal + np.uint16(second % 3)),
                (Sensor.DEPTH, "32FC1", depth),
            ):
                if image is not None:
                    frame = Frame(image, encoding, second * SECOND, "rgb")
                    writer.write(TOPICS[sensor], second * SECOND, messages.image(frame))
    return BagJob(path, None, TOPICS, ())


@pytest.mark.slow  # writes and registers a bag
def test_a_drive_keeps_depth_and_says_what_is_wrong_with_it(tmp_path: Path, room: SyntheticPair) -> None:
    parameters = Parameters().changed({"mode": "live", "pass_seconds": 0.0})
    drives = Drives(parameters)
    registrar = Registrar(ScriptedEngine(points_of(plain(TRUTH))), passes=1)
    job = write(tmp_path / "drive.mcap", room, [1.0, 1000.0, None])
    drives.add_bag(job, Stream(registrar, parameters.stream), lambda: None, lambda: False)
    depths = [each.inverse_depth for each in drives.observations]
    assert [depth is not None for depth in depths] == [True, False, False]
    assert depths[0] is not None
    np.testing.assert_allclose(depths[0][::2, ::2], 1 / room.visible_depth[::2, ::2], rtol=1e-3)
    with pytest.raises(DistillMatchError) as raised:
        _in_metres(unit_rig(room), drives)
    assert "too few" in str(raised.value)
    assert "median" in str(raised.value) and "1 pairs have no depth" in str(raised.value)


@pytest.mark.slow  # edges of six pairs
def test_a_calibrated_rig_gets_its_scale(room: SyntheticPair) -> None:
    drives = Drives(Parameters())
    for each in observed(room, 6):
        drives._kept.add(lambda each=each: each)  # type: ignore[misc]
    rig, scale = _in_metres(unit_rig(room), drives)
    assert scale is not None and rig.model.tells_lengths
    assert np.linalg.norm(rig.model.T_visible_thermal.translation) == pytest.approx(scale.metres)
    learned = replace(rig, measured=6, model=replace(rig.model, covariance=np.zeros((12, 12))))
    same, told = _in_metres(learned, drives)
    assert same is learned and told is not None and told.metres == pytest.approx(scale.metres)


def test_pairs_without_depth_and_few_of_them_tell_nothing(room: SyntheticPair) -> None:
    assert scale_of_observations(unit_rig(room), [observation(room)] * 9) is None
    with pytest.raises(DistillMatchError, match="too few") as raised:
        believed(None, "give it", {"depth: its median would be 3000 m"})
    assert "3000 m" in str(raised.value)
    with pytest.raises(DistillMatchError, match=r"40\.0%"):
        believed(Scale(0.08, 0.4, 0.4, 9), "give it", ())


def test_two_scales_are_one_too_many(tmp_path: Path) -> None:
    done = run("calibrate", tmp_path / "a.mcap", "--baseline-m", 0.1, "--depth", "/depth")
    assert done.exit_code == 2 and "--depth" in done.output
