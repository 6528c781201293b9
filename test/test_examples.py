"""The examples run as they are, and stay short."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import ROOT
from support.ros_fixtures import transport

from distillmatch_ros.evaluation.parallax import DEPTHS, true_rig
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.scene import Room, Scene, SyntheticPair

__all__ = ["transport"]

EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path, day: SyntheticPair) -> Path:
    for side, image in (("visible", day.visible), ("thermal", day.thermal)):
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / "a.png"), image)
    cv2.imwrite(str(tmp_path / "visible/b.png"), day.visible)
    cv2.imwrite(str(tmp_path / "thermal/b.png"), np.zeros_like(day.thermal))
    return tmp_path


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(example: Path) -> None:
    assert len(example.read_text().splitlines()) < 50


@pytest.mark.slow
def test_one_pair(folder: Path) -> None:
    done = run("one_pair.py", folder / "visible/a.png", folder / "thermal/a.png", folder / "overlay.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK: ") and "[[" in done.stdout
    assert cv2.imread(str(folder / "overlay.png")).shape == (720, 960, 3)
    done = run("one_pair.py", folder / "absent.png", folder / "thermal/a.png", folder / "overlay.png")
    assert done.returncode == 1 and "absent.png" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_folder(folder: Path) -> None:
    done = run("folder.py", folder, folder / "table.csv")
    assert done.returncode == 0, done.stderr
    with (folder / "table.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["visible"], first["status"], second["status"]) == ("a.png", "OK", "FEW_MATCHES")
    assert float(first["h22"]) == pytest.approx(1, abs=0.5) and second["h00"] == ""


@pytest.mark.slow
def test_a_stream_learns_the_rig_of_a_folder(tmp_path: Path) -> None:
    street = Scene(1)
    for side in ("visible", "thermal"):
        (tmp_path / side).mkdir()
    for index in range(14):
        pair = street.render(0.5 * index)
        cv2.imwrite(str(tmp_path / f"visible/{index:02}.png"), pair.visible)
        cv2.imwrite(str(tmp_path / f"thermal/{index:02}.png"), pair.thermal)
    done = run("stream.py", tmp_path, 2, tmp_path / "rig.yaml")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in lines] == [f"{index:02}.png" for index in range(14)]
    assert {status for _, status, _ in lines} <= {"OK", "TRACKED", "RIG"}
    columns, rows = np.meshgrid(np.arange(0, 640, 16), np.arange(0, 512, 16))
    truth = pair.truth[rows, columns].reshape(-1, 2)
    rig = RigFile.load(tmp_path / "rig.yaml").rig
    found = rig.middle.to_visible(np.column_stack([columns.ravel(), rows.ravel()]))
    assert np.nanmedian(np.hypot(*(found - truth).T)) < 5


@pytest.mark.slow
def test_detections_are_carried_across(tmp_path: Path, day: SyntheticPair) -> None:
    """The hottest square of the thermal image comes out where the true homography puts it."""
    thermal = day.thermal.copy()
    left, top, side = 300, 220, 70
    thermal[top : top + side, left : left + side] = thermal.max() + 2000
    for name, image in (("visible.png", day.visible), ("thermal.png", thermal)):
        cv2.imwrite(str(tmp_path / name), image)
    done = run("detections.py", tmp_path / "visible.png", tmp_path / "thermal.png", tmp_path / "boxes.png")
    assert done.returncode == 0, done.stderr
    boxes = np.array([line.split() for line in done.stdout.splitlines()], float)
    truth = np.array([day.truth[y, x] for x in (left, left + side) for y in (top, top + side)])
    error = np.abs(boxes - [*truth.min(axis=0), *truth.max(axis=0)]).max(axis=1)
    assert error.min() < 10
    assert cv2.imread(str(tmp_path / "boxes.png")).shape == day.visible.shape


@pytest.mark.slow
@pytest.mark.parametrize("known", ["depth", "regions"])
def test_a_persons_box_comes_to_lie_on_the_person(tmp_path: Path, known: str) -> None:
    pair = Room(3).render(4)  # in which the detector finds the person who stands near
    depth = (1000 * pair.visible_depth).astype(np.uint16)
    for name, image in (("visible", pair.visible), ("thermal", pair.thermal), ("depth", depth)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    RigFile.of(LearnedRig(true_rig(pair), DEPTHS, shifted=False), 30).save(tmp_path / "rig.yaml")
    files = [tmp_path / name for name in ("visible.png", "thermal.png", "out.png", "rig.yaml")]
    done = run("hottest.py", *files, *([tmp_path / "depth.png"] if known == "depth" else []))
    assert done.returncode == 0, done.stderr
    left, top, *_, hottest = map(int, done.stdout.split())
    rig, corner = true_rig(pair), np.array([[587.0, 123.0]])  # of the detector's box
    point = rig.visible.unproject(corner) * pair.visible_depth[400, 725]  # as far away as the person
    expected = rig.thermal.project(rig.T_visible_thermal.inverse().apply(point))[0]
    assert np.hypot(*(expected - (left, top))) < (6 if known == "depth" else 10)
    assert 30 < hottest / 100 - 273.15 < 36  # the face
    assert cv2.imread(str(tmp_path / "out.png")).shape == (512, 640, 3)


def test_hot_spots_stand_on_the_ground(transport: None, tmp_path: Path) -> None:
    """A hot column of pixels below the horizon of a level camera, one metre above flat ground."""
    pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2
    from support.bench import Bench
    from support.ros_process import Process, closing_all, domain

    own, topic = domain(), "/distillmatch/thermal_registered"
    heat = np.full((60, 80), 29000, np.uint16)
    heat[20:41, 50] = 31000
    heat[50:, 10] = 31000  # outside the mask
    mask = np.zeros((60, 80), np.uint8)
    mask[:, 20:] = 255
    with closing_all() as things:
        node = [
            sys.executable,
            str(EXAMPLES / "hot_spots.py"),
            "--ros-args",
            "-p",
            "height:=1.0",
            "-p",
            "pitch:=0.0",
        ]
        bench = Bench(own)
        things += [Process(node, own, tmp_path / "node.log"), bench]
        for name in ("image", "mask"):
            bench.cameras[name] = bench.node.create_publisher(Image, f"{topic}/{name}", 5)
        info = bench.node.create_publisher(CameraInfo, f"{topic}/camera_info", 5)
        bench.see("image", "mask")
        clouds: list[PointCloud2] = []
        bench.node.create_subscription(PointCloud2, "/hot_spots", clouds.append, 5)
        lens = CameraInfo(
            width=80, height=60, k=[100.0, 0, 40, 0, 100, 30, 0, 0, 1], distortion_model="plumb_bob"
        )
        lens.header.frame_id = "rgb_optical"

        def answered() -> bool:
            for name, image, encoding in (("image", heat, "16UC1"), ("mask", mask, "mono8")):
                bench.send(name, image, encoding, bench.now, header=lens.header)
            info.publish(lens)
            bench.spin(0.1)
            return bool(clouds)

        bench.until(answered)
    assert clouds[0].header == lens.header
    points = np.frombuffer(clouds[0].data, np.float32).reshape(-1, 3)
    # The foot at (50, 40): 10 of 100 px below the horizon, so ten times the height away.
    assert np.allclose(points, [[1, 1, 10]], atol=1e-4)


def test_a_node_that_uses_the_homography(transport: None, tmp_path: Path) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")
    from support.bench import Bench, Image
    from support.ros_process import Process, closing_all, domain

    own = domain()
    with closing_all() as things:
        node = Process([sys.executable, str(EXAMPLES / "thermal_of_a_pixel.py")], own, tmp_path / "node.log")
        bench = Bench(own)
        things += [node, bench]
        bench.cameras["homography"] = bench.node.create_publisher(Image, "/distillmatch/homography", 5)
        bench.see("rgb", "homography")

        def answered() -> bool:
            bench.send("rgb", np.zeros((11, 21, 3), np.uint8), "bgr8", bench.now)
            bench.send("homography", np.array([[2.0, 0, 4], [0, 2, 1], [0, 0, 1]]), "64FC1", bench.now)
            bench.send("homography", np.full((3, 3), np.nan), "64FC1", bench.now)
            return "no homography for this pair" in node.said and "thermal pixel 3.0, 2.0" in node.said

        bench.until(answered)
