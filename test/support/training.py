"""Runs of a training, as tests need them; apart from support's other modules, since it needs PyTorch."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.trainer import Trainer

WriteRun = Callable[..., Path]
"""Writes a configuration to a file: the fixtures ``write_run`` and ``write_gan``."""


def quiet() -> Console:
    return Console(file=io.StringIO())


def trainer(path: Path) -> Trainer:
    return Trainer(TrainingConfig.load(path), quiet())


def fall(run: Any, loss: str, steps: int) -> float:
    """The factor by which steps on one batch change a loss."""
    losses = []
    for _ in range(steps):
        run.step = 0  # the same batch again
        losses.append(run.train_step()[loss])
    return float(losses[-1] / losses[0])


def silent(network: nn.Module) -> list[str]:
    """Names of the parameters without a gradient."""
    return [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
