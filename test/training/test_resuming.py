"""A run that was stopped, killed or begun by another: where it goes on, and what stands in its way."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from rich.console import Console
from support.training import WriteRun, quiet, trainer

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.weights import Weights, read
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.trainer import Trainer, train


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Of PyTorch: sums of more threads need not be the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_unbroken_one_does(write_run: WriteRun) -> None:
    train(write_run("unbroken"), quiet())
    begun = trainer(write_run("broken"))
    begun.train_step()
    begun.step += 1
    begun.train_step()
    begun.step += 1
    begun.save()
    train(write_run("broken"), quiet())
    folder = write_run().parent
    unbroken, broken = (read(folder / name / "last.pt") for name in ("unbroken", "broken"))
    for name, value in unbroken["weights"].items():
        torch.testing.assert_close(broken["weights"][name], value, msg=name)


@pytest.mark.slow
def test_a_killed_run_goes_on(write_run: WriteRun) -> None:
    path = write_run(steps=400, checkpoint_every=1)
    program = (
        "from pathlib import Path; from distillmatch_ros.training.trainer import train; "
        f"train(Path({str(path)!r}))"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    last = path.parent / "run" / "last.pt"
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 200
        while not last.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    killed_at = read(last)["step"]
    assert killed_at >= 1
    assert trainer(path).step == killed_at


@pytest.mark.slow
def test_ctrl_c_keeps_the_steps_that_are_done(write_run: WriteRun, one_thread: None) -> None:
    """A real process, interrupted in its stride; what it goes on to is what an unbroken run ends with."""

    def processor_time(process: subprocess.Popen[str]) -> float:
        return sum(psutil.Process(process.pid).cpu_times()[:2])

    path = write_run(steps=30, checkpoint_every=1000)
    last = path.parent / "run" / "last.pt"
    process = subprocess.Popen(
        [sys.executable, "-m", "distillmatch_ros.cli", "train", str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 200
        while not list(last.parent.glob("events.out*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        begun = processor_time(process)
        while processor_time(process) < begun + 0.7:  # some steps, however busy the machine is
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=200)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    stopped = read(last)["step"]
    assert 0 < stopped < 30
    assert said == f"interrupted: stopped after step {stopped} of 30, kept in {last}\n"
    ends = {}
    for name in ("run", "unbroken"):
        train(write_run(name, steps=30, checkpoint_every=1000), quiet())
        ends[name] = Weights.load(path.parent / name / "last.pt").sha256()
    assert ends["run"] == ends["unbroken"]


@pytest.mark.slow
def test_ctrl_c_waits_for_the_end_of_a_step_and_a_second_one_does_not(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, times: int) -> Trainer:
        run = trainer(path)
        step, loss = run.train_step, run.loss.forward

        def spoilt(*given: Any) -> Any:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            return loss(*given)

        def train_step() -> dict[str, float]:
            if run.step == 1:
                monkeypatch.setattr(run.loss, "forward", spoilt)
            return step()

        monkeypatch.setattr(run, "train_step", train_step)
        with pytest.raises(KeyboardInterrupt):
            run.run()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        return run

    once = interrupted(write_run("once", checkpoint_every=100), times=1)
    assert read(once.last)["step"] == once.step == 2
    twice = interrupted(write_run("twice", checkpoint_every=100), times=2)
    assert twice.step == 1
    assert not twice.last.exists()


@pytest.mark.slow
def test_training_goes_on_from_given_weights(write_run: WriteRun) -> None:
    train(write_run("first"), quiet())
    first = write_run("first").parent / "first" / "last.pt"
    second = trainer(write_run("second", start=str(first)))
    assert second.step == 0
    for name, value in Weights.load(first).state.items():
        torch.testing.assert_close(second.network.state_dict()[name], value)


def test_a_finished_run_says_so_and_changes_nothing(write_run: WriteRun) -> None:
    path = write_run(steps=1)
    trainer(path).run()
    done = TrainingConfig.load(path).output / "weights.pt"
    before, said = done.read_bytes(), io.StringIO()
    Trainer(TrainingConfig.load(path), Console(file=said, width=500)).run()
    assert "has all of its 1 steps already; raise steps for more" in said.getvalue()
    assert done.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["network", "weights", "averaged", "optimizer", "step"])
def test_a_damaged_checkpoint_is_named(write_run: WriteRun, entry: str) -> None:
    path = write_run()
    trainer(path).save()
    last = path.parent / "run" / "last.pt"
    values = torch.load(last)
    for damaged in (values | {entry: None}, {key: values[key] for key in values if key != entry}):
        torch.save(damaged, last)
        with pytest.raises(DistillMatchError, match=r"last\.pt: .*; (choose|train|name) "):
            trainer(path)
    last.write_bytes(b"damaged")
    with pytest.raises(DistillMatchError, match=r"last\.pt: cannot be read"):
        trainer(path)
