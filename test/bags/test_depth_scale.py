"""The scale of a calibrated rig by the depth in its drive."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.cli import run
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of

from distillmatch_ros import Registrar
from distillmatch_ros.bags.depth_scale import scale_by_depth
from distillmatch_ros.bags.processing import BagJob
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.evaluation.parallax import DEPTHS, true_rig
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import Sensor

TOPICS = {sensor: f"/{sensor}" for sensor in Sensor}


def write(path: Path, room: SyntheticPair, pairs: int, factor: float = 1.0) -> BagJob:
    """Pairs a second apart; depth at half the resolution."""
    metres = (factor * room.visible_depth[::2, ::2]).astype(np.float32)
    frames = {
        Sensor.VISIBLE: Frame(room.visible, "bgr8", 0, "rgb"),
        Sensor.THERMAL: Frame(room.thermal, "16UC1", 0, "thermal"),
        Sensor.DEPTH: Frame(metres, "32FC1", 0, "rgb"),
    }
    messages = ros2_messages()
    with BagWriter(path, ros2_types()) as writer:
        for second in range(1, pairs + 1):
            for sensor, frame in frames.items():
                noise = np.full_like(frame.image, second % 3) if sensor is not Sensor.DEPTH else 0
                stamped = replace(frame, image=frame.image + noise, stamp=second * SECOND)
                writer.write(TOPICS[sensor], second * SECOND, messages.image(stamped))
    return BagJob(path, None, TOPICS, ())


def find(job: BagJob, room: SyntheticPair) -> float:
    unit = LearnedRig(true_rig(room), DEPTHS, shifted=False).with_baseline(1.0)
    unit = replace(unit, model=replace(unit.model, origins={"scale": "assumed"}))
    registrar = Registrar(ScriptedEngine(points_of(plain(TRUTH))), passes=1)
    return scale_by_depth([job], unit, registrar, Parameters()).metres


@pytest.mark.slow
def test_a_drive_with_depth_tells_the_distance_of_the_cameras(tmp_path: Path, room: SyntheticPair) -> None:
    true = float(np.linalg.norm(true_rig(room).T_visible_thermal.translation))
    assert find(write(tmp_path / "drive.mcap", room, 6), room) == pytest.approx(true, rel=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "factor", "word"), [(3, 1.0, "too few"), (5, 1000.0, "median")])
def test_depth_that_does_not_tell_it_is_an_error(
    pairs: int, factor: float, word: str, tmp_path: Path, room: SyntheticPair
) -> None:
    with pytest.raises(DistillMatchError, match=word):
        find(write(tmp_path / "drive.mcap", room, pairs, factor), room)


def test_two_scales_are_one_too_many(tmp_path: Path) -> None:
    done = run("calibrate", tmp_path / "a.mcap", "--baseline-m", 0.1, "--depth", "/depth")
    assert done.exit_code == 2 and "--depth" in done.output
