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

from distillmatch_ros.scene import SyntheticPair

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
    assert len(example.read_text().splitlines()) < 40


@pytest.mark.slow
def test_one_pair(folder: Path) -> None:
    done = run("one_pair.py", folder / "visible/a.png", folder / "thermal/a.png", folder / "overlay.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK: ") and "[[" in done.stdout
    assert cv2.imread(str(folder / "overlay.png")).shape == (720, 960, 3)
    done = run("one_pair.py", folder / "absent.png", folder / "thermal/a.png", folder / "overlay.png")
    assert done.returncode == 1 and "absent.png" in done.stderr and "Traceback" not in done.stderr


def test_folder(folder: Path) -> None:
    done = run("folder.py", folder, folder / "table.csv")
    assert done.returncode == 0, done.stderr
    with (folder / "table.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["visible"], first["status"], second["status"]) == ("a.png", "OK", "FEW_MATCHES")
    assert float(first["h22"]) == pytest.approx(1, abs=0.5) and second["h00"] == ""


def test_a_node_that_uses_the_homography(transport: None, tmp_path: Path) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")
    from support.bench import Bench, Image, Process, closing_all, domain

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
