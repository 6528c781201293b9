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

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.stream.outputs import NODE

KILLS = 20
PROGRAM = "from distillmatch_ros.cli import main; main()"


def command(folder: Path, bag: Path, out: Path) -> list[str]:
    words = [sys.executable, "-c", PROGRAM, "bag", bag, out, "--rgb", RGB, "--thermal", THERMAL]
    # What writes is tested here: mode live takes a third of the time.
    quick = "--only", "homography", "--set", "mode=live"
    return [*map(str, words), "--model", str(folder / "tiny.onnx"), *quick]


def pairs(out: Path) -> int:
    with Bag(out) as bag:
        found = sum(1 for _ in bag.messages((f"{NODE}/homography",)))
        assert bag.damage is None
    return found


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_full_disk(write_network, tmp_path: Path) -> None:
    """A limit on the size of files stands for it: writing fails in the middle."""
    write_network()
    bag, out = write_bag(tmp_path, "mcap", Drive(pairs=200)), tmp_path / "out" / "out.mcap"
    words = command(tmp_path, bag, out)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000)); "
    words[2] = limit + words[2]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "out.mcap: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr and not out.exists()
    subprocess.run(command(tmp_path, bag, out), env=ENVIRONMENT, check=True, capture_output=True)
    assert [each.name for each in out.parent.iterdir()] == ["out.mcap"] and pairs(out) == 200


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bag_killed_at_random_times(write_network, tmp_path: Path) -> None:
    chance = random.Random(0)
    write_network()
    bag, out = write_bag(tmp_path, "mcap", Drive(pairs=200)), tmp_path / "out" / "out.mcap"
    words = command(tmp_path, bag, out)
    unfinished = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            words, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as run:
            sleep(chance.uniform(0.1, 3.0))
            run.kill()
        unfinished += not out.exists()
        if out.exists():  # then it is whole, and was before the kill
            assert pairs(out) == 200
            out.unlink()
    assert unfinished > 0
    subprocess.run(words, env=ENVIRONMENT, check=True, capture_output=True)
    assert [each.name for each in out.parent.iterdir()] == ["out.mcap"] and pairs(out) == 200
