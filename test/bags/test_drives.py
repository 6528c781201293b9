"""Drives: what is known of their cameras before anything is learned."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import bags
from support.calibrated_drives import drives_of, moved
from support.cli import assert_wrong_use, run
from support.simulated_rig import RIG, THERMAL, VISIBLE

from distillmatch_ros.bags.calibration import calibrate
from distillmatch_ros.bags.drives import Drives
from distillmatch_ros.bags.job import BagJob, recorded_cameras
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.exchange.formats import write_format
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import KnownRig, LearnedRig
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import Sensor


def test_files_of_other_tools_give_cameras_or_the_rig(tmp_path: Path) -> None:
    drives = drives_of([moved(0.0)])
    write_format("camera-info", tmp_path / "thermal.yaml", RIG)
    assert drives.take(None, [tmp_path / "thermal.yaml"]) is None
    assert drives.camera(Sensor.VISIBLE) == VISIBLE
    known = drives.camera(Sensor.THERMAL)
    assert isinstance(known, Camera) and known.same_as(RIG.thermal)
    RigFile.of(LearnedRig(RIG, (0.0, 0.1)), 3).save(tmp_path / "rig.yaml")
    start = drives_of([moved(0.0)]).take(tmp_path / "rig.yaml", [])
    assert start is not None and not start.fixed
    kept = drives.take(None, [tmp_path / "rig.yaml"])
    assert kept is not None and kept.fixed
    with pytest.raises(DistillMatchError, match=r"thermal\.yaml.*name a rig"):
        drives_of([moved(0.0)]).take(tmp_path / "thermal.yaml", [])
    assert Drives(Parameters()).take(None, []) is None


@pytest.mark.slow
def test_a_rig_that_is_kept_is_judged_and_not_fitted() -> None:
    drives = drives_of([RIG.at(float(depth)) for depth in np.linspace(0, 0.08, 10)])
    found = calibrate(drives, KnownRig(RIG, fixed=True))
    assert found.rig is not None and found.rig.model is RIG
    far, near = found.rig.inverse_depths
    assert abs(far) < 0.01 and near == pytest.approx(0.08, abs=0.01)
    turn = np.asarray(cv2.Rodrigues(np.array([0, 0, 0.1]))[0], np.float64)
    pose = RIG.T_visible_thermal
    turned = replace(RIG, T_visible_thermal=Pose(turn @ pose.rotation, pose.translation))
    with pytest.raises(DistillMatchError, match="no one homography holds"):
        calibrate(drives, KnownRig(turned, fixed=True))
    started = calibrate(drives, KnownRig(RIG, fixed=False)).rig
    assert started is not None and started.model is not RIG


@pytest.mark.slow
def test_camera_info_is_used_where_it_fits(tmp_path: Path, write_network: Callable[..., Path]) -> None:
    bag = bags.write_bag(tmp_path, "mcap", bags.Drive(pairs=12))
    topics = {Sensor.VISIBLE: bags.RGB, Sensor.THERMAL: bags.THERMAL}
    cameras = recorded_cameras(BagJob(bag, None, topics, ()))
    assert set(cameras) == {Sensor.VISIBLE}
    pinhole = recorded_cameras(BagJob(bag, None, topics, (), undistort=True))[Sensor.VISIBLE]
    assert pinhole.is_pinhole and np.array_equal(pinhole.matrix, cameras[Sensor.VISIBLE].matrix)
    drives = drives_of([moved(0.0)])
    drives._add_camera(Sensor.VISIBLE, cameras[Sensor.VISIBLE], "a.mcap")
    drives._add_camera(Sensor.THERMAL, RIG.thermal, "a.mcap")
    drives._add_camera(Sensor.THERMAL, Camera(THERMAL, 2 * RIG.thermal.matrix), "b.mcap")
    assert len(drives.notes) == 2 and "not used" in drives.notes[0] and "first one counts" in drives.notes[1]
    assert drives.camera(Sensor.THERMAL) is RIG.thermal
    arguments = ("calibrate", bag, "--model", write_network(), "--out", tmp_path / "o.yaml")
    assert_wrong_use(run(*arguments, "--export", "urdf=" + str(tmp_path / "j.urdf")), "there is no rig")
    assert run(*arguments, "--export", "sdf=a").exit_code == 2


@pytest.mark.parametrize("command", ["calibrate", "align"])
def test_bags_of_two_rigs_are_told_apart_before_anything_is_registered(command: str, tmp_path: Path) -> None:
    for name, size in (("one", (64, 80)), ("two", (48, 64))):
        (tmp_path / name).mkdir()
        bags.write_bag(tmp_path / name, "mcap", bags.Drive(pairs=2, size=size, info=False))
    given = [tmp_path / name / "mcap" for name in ("one", "one", "two")]
    result = run(command, *given, "--model", tmp_path / "none.onnx", "--out", tmp_path / "out.yaml")
    assert_wrong_use(result, "visible 64x48")
    assert all(fact in result.stderr for fact in ("visible 80x64", str(given[0]), str(given[2])))
