"""Programs that are killed at any moment: no output looks whole and is not, and the next run clears up."""

import os
import random
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest
from support import ROOT
from support.bags import RGB, THERMAL, Drive, write_bag

from distillmatch_ros.demo.outputs import read_outputs

KILLS = 20
PROGRAM = "from distillmatch_ros.cli import main; main()"


@pytest.mark.slow
def test_bag_killed_at_random_times(write_network, tmp_path: Path) -> None:
    chance = random.Random(0)
    write_network()
    bag, out = write_bag(tmp_path, "mcap", Drive(pairs=200)), tmp_path / "out" / "out.mcap"
    command = [sys.executable, "-c", PROGRAM, "bag", str(bag), str(out), "--rgb", RGB, "--thermal", THERMAL]
    command += ["--model", str(tmp_path / "tiny.onnx"), "--only", "homography"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    unfinished = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as run:
            sleep(chance.uniform(0.1, 3.0))
            run.kill()
        unfinished += not out.exists()
        if out.exists():  # then it is whole, and was before the kill
            assert len(read_outputs(out)) == 200
            out.unlink()
    assert unfinished > 0
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert [each.name for each in out.parent.iterdir()] == ["out.mcap"] and len(read_outputs(out)) == 200
