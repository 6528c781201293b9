"""The protocol of all engines."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

Float32 = NDArray[np.float32]

# What an exported network says of the contract it keeps, in its ONNX metadata.
SCHEMA = "1"
MODALITY_ORDER = "visible,thermal"


class BackendMissingError(DistillMatchError):
    """This machine cannot run the backend: a package, a driver or a device is not there."""


class EngineNotBuiltError(BackendMissingError):
    """This machine could run the backend, once an engine has been built for it."""


@dataclass(frozen=True)
class EngineInfo:
    """What a compiled network says about itself (read from the ONNX metadata, never guessed).

    Attributes:
        height: rows of the network's input, pixels.
        width: columns of the network's input, pixels.
        max_matches: K, the fixed number of correspondences in the output.
        config: name of the model configuration, such as ``light``.
        precision: ``fp32`` or ``fp16``.
        weights_hash: SHA-256 of the trained weights, hexadecimal.
        device: what runs it, such as ``onnxruntime CPU, 2 threads``.
    """

    height: int
    width: int
    max_matches: int
    config: str
    precision: str
    weights_hash: str
    device: str


@dataclass(frozen=True)
class Matches:
    """Raw output of the network for one pair, in network pixels (integer = pixel centre).

    Attributes:
        visible_points: float32 (K, 2), x and y.
        thermal_points: float32 (K, 2), x and y.
        confidence: float32 (K,), in [0, 1]; exactly 0 marks an empty place, whose points mean nothing.
    """

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32


class Engine(Protocol):
    """A network that is ready to run. One thread at a time may call it."""

    @property
    def info(self) -> EngineInfo: ...

    def __call__(self, visible: Float32, thermal: Float32) -> Matches:
        """Match one pair.

        Args:
            visible: float32 (H, W) grey in [0, 1]; H and W are those of ``info``.
            thermal: float32 (H, W) grey in [0, 1].
        """
        ...

    def close(self) -> None:
        """Free what the runtime holds; the engine must not be called afterwards."""
        ...
