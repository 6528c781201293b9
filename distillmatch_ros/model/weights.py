"""Trained weights on disk, with the configuration of their network."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import replacing
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch

REMEDY = "train again, or name another file"


def save(values: dict[str, Any], path: Path) -> None:
    """Write values with torch.save, atomically.

    Raises:
        DistillMatchError: the file cannot be written.
    """
    packed = BytesIO()  # written to a full disk, torch.save would raise an error that does not name it
    torch.save(values, packed)
    with replacing(path) as file:
        file.write(packed.getbuffer())


def read(path: Path) -> dict[str, Any]:
    """Read a file written by :func:`save`; only tensors and plain values are unpickled.

    The file is a ZIP archive with a checksum of each entry, which torch.load does not compare.

    Raises:
        DistillMatchError: the file is missing, damaged or of another kind.
    """
    try:
        with ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"damaged: the checksum of {damaged} differs")
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load may raise any exception on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DistillMatchError(f"{path}: cannot be read as trained weights ({reason}); {REMEDY}") from error
    if not isinstance(values, dict) or not {"model", "weights", "step"} <= values.keys():
        raise DistillMatchError(
            f"{path}: holds no weights of this project; name a .pt file that training wrote"
        )
    if not _are_tensors(values["weights"]) or not isinstance(values["step"], int):
        raise DistillMatchError(f"{path}: its weights are damaged; {REMEDY}")
    return values


def is_whole(path: Path, step: int) -> bool:
    """Whether a file holds whole weights of a step."""
    try:
        found: int = read(path)["step"]
    except DistillMatchError:
        return False
    return found == step


@contextmanager
def fitting(source: Path | str, what: str, remedy: str) -> Iterator[None]:
    """Context for code that uses the entries of a .pt file: turns mismatches into an error.

    Args:
        source: the file, named in errors.
        what: description of the expected entries.
        remedy: what the user can do.

    Raises:
        DistillMatchError: an entry is missing or has the wrong type or shape.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise DistillMatchError(f"{source}: holds no {what} ({reason:.200}); {remedy}") from error


def _are_tensors(state: Any) -> bool:
    return isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values())


def digest(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of the names and values of a state dictionary, hexadecimal."""
    hashed = hashlib.sha256()
    for name, value in sorted(state.items()):
        # As bytes: NumPy has no bfloat16.
        hashed.update(name.encode() + value.flatten().cpu().view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


@dataclass(frozen=True)
class Weights:
    """Trained weights and the configuration of their network.

    Attributes:
        config: architecture.
        state: state dictionary of the network.
        steps: number of optimiser steps.
        source: origin of the weights, named in errors.
    """

    config: ModelConfig
    state: dict[str, torch.Tensor]
    steps: int
    source: str = "weights in memory"

    @classmethod
    def load(cls, path: Path) -> "Weights":
        """Read shipped weights, or the averaged weights of a checkpoint.

        Raises:
            DistillMatchError: the file holds no weights of this project, or those of a V2I-GAN.
        """
        values = read(path)
        if "semantics" in values:
            raise DistillMatchError(
                f"{path}: holds a V2I-GAN, which makes pseudo-thermal images and cannot match; name the "
                "weights of a matcher, such as `distillmatch train` writes"
            )
        state = {
            name: value.float() if value.is_floating_point() else value
            for name, value in values["weights"].items()
        }
        return cls(ModelConfig.from_dict(values["model"], str(path)), state, values["step"], str(path))

    def save(self, path: Path) -> None:
        """Write the weights and the configuration, without the state of the training.

        Values are stored in half precision: half the size, with a rounding error far below the variation
        between training runs. The hash is that of the rounded values after loading.
        """
        state = {
            name: value.half() if value.is_floating_point() else value for name, value in self.state.items()
        }
        save({"model": self.config.to_dict(), "weights": state, "step": self.steps}, path)

    def network(self) -> DistillMatch:
        """The network with these weights, in float32 and evaluation mode.

        Raises:
            DistillMatchError: the weights do not fit their configuration.
        """
        network = DistillMatch(self.config)
        with self.fitting():
            network.load_state_dict(self.state)
        return network.eval()

    def fitting(self) -> AbstractContextManager[None]:
        """Context for code that takes single weights of the network; see :func:`fitting`."""
        return fitting(self.source, f"weights of {self.config.name} as it is now", REMEDY)

    def sha256(self) -> str:
        """Hash of the names and values, hexadecimal."""
        return digest(self.state)
