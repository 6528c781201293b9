"""The training loop on a tiny data set: it learns, resumes, and tells what is wrong."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.model.weights import Weights, read
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.trainer import Trainer, learning_rate, train

WriteRun = Callable[..., Path]


def quiet() -> Console:
    return Console(file=io.StringIO())


def trainer(path: Path) -> Trainer:
    return Trainer(TrainingConfig.load(path), quiet())


def test_a_few_steps_lower_the_loss_of_a_fixed_batch(write_run: WriteRun) -> None:
    run = trainer(write_run(steps=1000, learning_rate=3e-3, warmup=1))
    losses = []
    for _ in range(25):
        run.step = 0  # the same batch again
        losses.append(run.train_step()["total"])
    assert losses[-1] < 0.8 * losses[0]


def test_every_parameter_learns(write_run: WriteRun) -> None:
    run = trainer(write_run())
    run.train_step()
    silent = [
        name for name, p in run.network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0
    ]
    # The bias of a key shifts all scores of a query alike, which a softmax cannot see.
    assert [name for name in silent if "key_value.bias" not in name] == []


def test_a_finished_run_leaves_weights_that_register(write_run: WriteRun) -> None:
    train(write_run(), quiet())
    folder = write_run().parent / "run"
    weights = Weights.load(folder / "weights.pt")
    assert weights.steps == 4
    assert weights.sha256() == Weights.load(folder / "last.pt").sha256()
    image = torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        assert weights.network()(image, image)[0].shape == (1, 16, 2)


def test_a_resumed_run_ends_where_an_unbroken_one_does(write_run: WriteRun) -> None:
    train(write_run("unbroken"), quiet())
    begun = trainer(write_run("broken"))
    begun.train_step()
    begun.step += 1
    begun.train_step()
    begun.step += 1
    begun._save()
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
        deadline = time.monotonic() + 90
        while not last.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    killed_at = read(last)["step"]
    assert killed_at >= 1
    assert trainer(path).step == killed_at


def test_training_goes_on_from_given_weights(write_run: WriteRun) -> None:
    train(write_run("first"), quiet())
    first = write_run("first").parent / "first" / "last.pt"
    second = trainer(write_run("second", start=str(first)))
    assert second.step == 0
    for name, value in Weights.load(first).state.items():
        torch.testing.assert_close(second.network.state_dict()[name], value)


def test_a_loss_that_is_not_a_number_changes_no_weights(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(steps=100)
    run = trainer(path)
    run._save()
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    forward = run.loss.forward
    monkeypatch.setattr(
        run.loss, "forward", lambda batch: {k: v * torch.nan for k, v in forward(batch).items()}
    )
    with pytest.raises(DistillMatchError, match="not a number"):
        run.run()
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert read(run.last)["step"] == 0


def test_learning_rate_warms_up_and_falls(write_run: WriteRun) -> None:
    config = TrainingConfig.load(write_run(steps=100, warmup=10, learning_rate=1.0))
    assert learning_rate(config, 0) == pytest.approx(0.1)
    assert learning_rate(config, 10) == pytest.approx(1.0)
    assert learning_rate(config, 99) < 0.02


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"speed": 1}, "speed"),
        ({"loss": {"coarse": 1.0}}, "missing"),
        ({"pairs": "nowhere"}, "nowhere"),
        ({"photos": "nowhere"}, "nowhere"),
        ({"start": "nowhere.pt"}, "nowhere"),
    ],
)
def test_what_is_wrong_is_named(write_run: WriteRun, change: dict[str, object], word: str) -> None:
    with pytest.raises(DistillMatchError, match=word):
        trainer(write_run(**change))


def test_a_damaged_checkpoint_is_named(write_run: WriteRun) -> None:
    path = write_run()
    (path.parent / "run").mkdir()
    (path.parent / "run" / "last.pt").write_bytes(b"damaged")
    with pytest.raises(DistillMatchError, match=r"last\.pt"):
        trainer(path)


def test_two_processes_end_with_the_same_weights(write_run: WriteRun) -> None:
    """Each draws its own batch, and the gradients are averaged."""
    path = write_run(steps=2)
    script = path.parent / "run.py"
    script.write_text(
        "import hashlib, io, os, sys, torch\n"
        "from pathlib import Path\n"
        "from rich.console import Console\n"
        "from distillmatch_ros.training.config import TrainingConfig\n"
        "from distillmatch_ros.training.trainer import Trainer\n"
        "torch.set_num_threads(1)\n"
        f"run = Trainer(TrainingConfig.load(Path({str(path)!r})), Console(file=io.StringIO()))\n"
        "run.run()\n"
        "state = b''.join(v.numpy().tobytes() for v in run.network.state_dict().values())\n"
        f"told = Path({str(path.parent)!r}, 'hash' + os.environ['RANK'])\n"
        "told.write_text(hashlib.sha256(state).hexdigest())\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node=2",
            f"--master-port={port}",
            str(script),
        ],
        check=True,
        capture_output=True,
        timeout=100,
    )
    assert (path.parent / "hash0").read_text() == (path.parent / "hash1").read_text()
