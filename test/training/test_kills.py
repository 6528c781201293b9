"""Training and export that are killed at any moment: what is there is whole, and the next run clears up."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import onnx
import pytest
from support.training import WriteRun

from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights, read

KILLS, WRITES = 10, 5
# Forked from a process that has loaded PyTorch: loading takes longer than what is to be killed.
PROGRAM = """
import os, random, signal, sys, time
from pathlib import Path
import onnxscript
import psutil
from distillmatch_ros.training.trainer import train
chance = random.Random(0)
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        train(Path(sys.argv[3]))
        os._exit(0)
    work, moment = psutil.Process(child), chance.uniform(0, float(sys.argv[2]))
    while work.status() != psutil.STATUS_ZOMBIE and sum(work.cpu_times()[:2]) < moment:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(flush=True)
    sys.stdin.readline()
"""
# The kernel ends the process at the byte behind the limit of a file's size. Prints by which signal, and what
# the file that was being written holds then.
EXPORT = """
import os, resource, signal, sys
from pathlib import Path
import onnx, onnxscript
from distillmatch_ros.model.weights import Weights
from distillmatch_ros.training.export import export
source, target, save = Path(sys.argv[1]), Path(sys.argv[2]), onnx.save
def limited(model, file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    save(model, file)
for limit in map(int, sys.argv[3:]):
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        onnx.save = limited  # the exporter writes files of its own before
        export(Weights.load(source), target)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(os.WTERMSIG(status), target.with_name(f".{target.name}.partial").stat().st_size, flush=True)
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


def kill(seconds: float, config: Path, check: Callable[[], None]) -> None:
    """Start training `KILLS` times, kill it within some seconds of processor time, and check what it left."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(KILLS), str(seconds), str(config)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for _ in range(KILLS):
            assert process.stdout.readline() == "\n"
            check()
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0


def test_training_killed_at_random_times(write_run: WriteRun) -> None:
    from distillmatch_ros.training.trainer import train

    run = write_run().parent / "run"
    steps = [0]

    def check() -> None:
        if (run / "last.pt").exists():
            steps.append(read(run / "last.pt")["step"])
            assert steps[-1] >= steps[-2]
            assert steps[-1] - 1 <= Weights.load(run / "weights.pt").steps <= steps[-1]

    kill(2.0, write_run(steps=10_000, checkpoint_every=1), check)
    assert len(set(steps)) > 1, steps
    train(write_run(steps=steps[-1] + 1))
    assert {path.suffix for path in run.iterdir() if not path.name.startswith("events.")} == {".pt"}
    assert sorted(path.name for path in run.glob("*.pt")) == ["last.pt", "weights.pt"]
    assert not list(run.glob(".*"))


def test_export_killed_at_random_bytes_of_its_file(tiny_config: ModelConfig, tmp_path: Path) -> None:
    from distillmatch_ros.training.export import export

    weights = Weights(tiny_config, DistillMatch(tiny_config).state_dict(), 7)
    weights.save(tmp_path / "weights.pt")
    target = tmp_path / "out" / "network.onnx"
    export(weights, target)
    whole, chance = target.read_bytes(), Random(0)
    limits = [0, *sorted(chance.sample(range(1, len(whole)), WRITES - 1))]
    written = subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path / "weights.pt"), str(target), *map(str, limits)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
        text=True,
    )
    killed = [f"{signal.SIGXFSZ} {limit}" for limit in limits]  # each in the middle of writing
    assert written.stdout.splitlines() == killed
    assert target.read_bytes() == whole
    export(weights, target)
    assert [path.name for path in target.parent.iterdir()] == ["network.onnx"]
    onnx.checker.check_model(onnx.load(target))
