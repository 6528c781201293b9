"""Trained weights on disk, with the architecture they belong to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch


def save_atomically(values: dict[str, Any], path: Path) -> None:
    """Write with torch.save beside ``path``, then rename: a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(values, partial)
    partial.replace(path)


def read(path: Path) -> dict[str, Any]:
    """Read what :func:`save_atomically` wrote; only plain tensors and values are accepted.

    Raises:
        DistillMatchError: the file is missing, damaged or something else.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the bytes provoke
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DistillMatchError(
            f"{path}: cannot be read as trained weights ({reason}); train again, or name another file"
        ) from error
    if not isinstance(values, dict) or not {"model", "weights", "step"} <= values.keys():
        raise DistillMatchError(
            f"{path}: holds no weights of this project; name a .pt file that training wrote"
        )
    if not isinstance(values["model"], dict) or not _are_tensors(values["weights"]):
        raise DistillMatchError(f"{path}: its weights are damaged; train again, or name another file")
    return values


def _are_tensors(state: Any) -> bool:
    return isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values())


def digest(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of the names and values of a state dictionary, hexadecimal."""
    hashed = hashlib.sha256()
    for name, value in sorted(state.items()):
        # As bytes: numpy knows no bfloat16.
        hashed.update(name.encode() + value.flatten().cpu().view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


@dataclass(frozen=True)
class Weights:
    """Trained weights and their architecture.

    Attributes:
        config: the architecture.
        state: the network's state dictionary.
        steps: optimiser steps behind them.
    """

    config: ModelConfig
    state: dict[str, torch.Tensor]
    steps: int

    @classmethod
    def load(cls, path: Path) -> "Weights":
        """Read shipped weights, or the averaged weights of a checkpoint.

        Raises:
            DistillMatchError: the file holds no weights of this project.
        """
        values = read(path)
        state = {
            name: value.float() if value.is_floating_point() else value
            for name, value in values["weights"].items()
        }
        return cls(ModelConfig.from_dict(values["model"], str(path)), state, values["step"])

    def save(self, path: Path) -> None:
        """Write what is needed to run or export the network, and nothing of the training.

        Values are stored in half precision: half the size, and the rounding is far below what training leaves
        undecided. Whoever needs the same hash loads what was saved.
        """
        state = {
            name: value.half() if value.is_floating_point() else value for name, value in self.state.items()
        }
        save_atomically({"model": self.config.to_dict(), "weights": state, "step": self.steps}, path)

    def network(self) -> DistillMatch:
        """The network with these weights, in float32 and evaluation mode.

        Raises:
            DistillMatchError: they are of another architecture than they say.
        """
        network = DistillMatch(self.config)
        try:
            network.load_state_dict(self.state)
        except RuntimeError as error:
            raise DistillMatchError(
                f"weights of {self.config.name}: do not fit the architecture they name, or are of another "
                "version of it; train again, or name another file"
            ) from error
        return network.eval()

    def sha256(self) -> str:
        """Hash of the names and values, hexadecimal."""
        return digest(self.state)
