"""Faults of training runs: told before the first step where possible, and nothing is lost by the others."""

import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from support import ROOT

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.model.weights import Weights, read
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.trainer import Trainer

WriteRun = Callable[..., Path]
VIEW = {"side": [0.8, 0.95], "rotation": 5, "shift": 0.05, "jitter": 0.02, "weight": 1.0}


def trainer(path: Path, said: io.StringIO | None = None) -> Trainer:
    return Trainer(TrainingConfig.load(path), Console(file=said or io.StringIO(), width=500))


def source(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    return [{"kind": "photos", "folder": str(folder), "weight": 1.0, **changes}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop", [1e-9, 1.0]),
        ("batch", 10**9),
        ("views", [{**VIEW, "weight": 1e-320}]),
        ("views", [{**VIEW, "side": [1e-9, 1.0]}]),
        ("views", [{**VIEW, "jitter": 1e9}]),
        ("validation", "nowhere"),
        ("output", "photos/10.png"),
    ],
)
def test_what_cannot_work_is_told_before_the_first_step(write_run: WriteRun, name: str, value: Any) -> None:
    path = write_run(**{name: value})
    (path.parent / "photos/10.png").write_text("a file")
    with pytest.raises(DistillMatchError, match=f"{name}|nowhere|10.png"):
        trainer(path)


def test_a_source_that_would_never_be_drawn_is_named(write_run: WriteRun, photos_folder: Path) -> None:
    with pytest.raises(DistillMatchError, match=r"sources\[0\]\.weight"):
        trainer(write_run(sources=source(photos_folder, weight=1e-320)))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"batch": 3},
        {"learning_rate": 1e-3},
        {"view": [64, 64]},
        {"views": [{**VIEW, "shift": 0.1}]},
    ],
)
def test_a_run_goes_on_with_its_own_settings_alone(write_run: WriteRun, changes: dict[str, Any]) -> None:
    trainer(write_run()).save()
    with pytest.raises(DistillMatchError, match=rf"last\.pt: was begun with another {next(iter(changes))};"):
        trainer(write_run(**changes))
    longer = {"steps": 9, "checkpoint_every": 5, "validate_every": 5}
    assert trainer(write_run(**longer)).step == 0


@pytest.mark.parametrize("name", ["last.pt", "weights.pt"])
def test_flipped_bytes_are_found(write_run: WriteRun, name: str) -> None:
    path = write_run()
    trainer(path).save()
    file = path.parent / "run" / name
    data, chance = bytearray(file.read_bytes()), random.Random(0)
    for _ in range(64):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    with pytest.raises(DistillMatchError, match=rf"{name}: "):
        read(file)


@pytest.mark.parametrize("data", [None, b"", b"destroyed"])
def test_a_finished_run_makes_destroyed_weights_again(write_run: WriteRun, data: bytes | None) -> None:
    path, said = write_run(steps=1), io.StringIO()
    trainer(path).run()
    weights = path.parent / "run" / "weights.pt"
    before = Weights.load(weights).sha256()
    weights.unlink() if data is None else weights.write_bytes(data)
    trainer(path, said).run()
    assert Weights.load(weights).sha256() == before
    assert "weights.pt was missing or damaged" in said.getvalue()


def test_a_lack_of_memory_is_told_and_the_checkpoint_stays(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(write_run())
    run.save()

    def train_step() -> dict[str, float]:
        torch.empty(1 << 60)
        raise AssertionError("allocated")

    monkeypatch.setattr(run, "train_step", train_step)
    with pytest.raises(DistillMatchError, match="step 1 takes more memory than there is"):
        run.run()
    assert read(run.last)["step"] == 0


def test_a_disk_that_is_full_is_told_before_the_first_step(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(write_run())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(DistillMatchError, match="the disk is full"):
        run.run()
    assert run.step == 0


@pytest.mark.slow
def test_a_full_disk_ends_the_run_in_a_line_and_keeps_the_last_checkpoint(write_run: WriteRun) -> None:
    path = write_run(steps=4, checkpoint_every=1)
    trainer(write_run(steps=1)).run()
    kept = (path.parent / "run/last.pt").read_bytes()
    write_run(steps=4, checkpoint_every=1)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(kept) // 2, resource.RLIM_INFINITY))

    ended = subprocess.run(
        [sys.executable, "-m", "distillmatch_ros.cli", "train", str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {path.parent}/run/last.pt: cannot be written (File too large)")
    assert (path.parent / "run/last.pt").read_bytes() == kept
