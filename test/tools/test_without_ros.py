"""Where ROS 2 for Python is missing, every program that needs it says so in one line, with the remedy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

PROGRAMS = {
    "fusion_node": ["distillmatch_ros.ros.fusion_node"],
    "record": ["distillmatch_ros.tools.record", "out.mcap", "/topic"],
    "replay": ["distillmatch_ros.tools.replay", "drive.mcap"],
    "benchmark-node": ["distillmatch_ros.cli", "benchmark-node"],
}


@pytest.mark.slow
@pytest.mark.parametrize("package", ["rclpy", "sensor_msgs"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_one_line_with_the_remedy(name: str, package: str, tmp_path: Path) -> None:
    # A package that cannot be imported, found before the real one.
    (tmp_path / f"{package}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", *PROGRAMS[name]],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if "tools" in PROGRAMS[name][0] else 2)
    line = done.stderr.strip()
    assert "\n" not in line and f"No module named '{package}'" in line
    assert "pip install 'distillmatch_ros[ros]'" in line
    assert not (tmp_path / "out.mcap").exists()
