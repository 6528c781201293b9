"""The protocol that all engines implement."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

Float32 = NDArray[np.float32]

# Version of the engine contract that an exported network states in its ONNX metadata.
SCHEMA = "1"
MODALITY_ORDER = "visible,thermal"


class BackendMissingError(DistillMatchError):
    """The backend cannot run on this machine: a package, a driver or a device is missing."""


class EngineNotBuiltError(BackendMissingError):
    """The backend can run on this machine after an engine has been built for it."""


@dataclass(frozen=True)
class EngineInfo:
    """Properties of a network, as read from its ONNX metadata.

    Attributes:
        height: rows of the network's input, pixels.
        width: columns of the network's input, pixels.
        max_matches: K, the fixed number of correspondences in the output.
        config: name of the model configuration, such as ``light``.
        precision: ``fp32`` or ``fp16``.
        weights_hash: SHA-256 of the trained weights, hexadecimal.
        device: runtime and device, such as ``onnxruntime CPU, 2 threads``.
    """

    height: int
    width: int
    max_matches: int
    config: str
    precision: str
    weights_hash: str
    device: str


@dataclass(frozen=True)
class RawMatches:
    """Raw output of the network for one pair, in network pixels (integer = pixel centre).

    Attributes:
        visible_points: float32 (K, 2), x and y.
        thermal_points: float32 (K, 2), x and y.
        confidence: float32 (K,), in [0, 1]; exactly 0 marks an unused row, whose points are undefined.
    """

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32


class Engine(Protocol):
    """A network that is ready to run. It must be called by one thread at a time."""

    @property
    def info(self) -> EngineInfo: ...

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        """Match one pair.

        Args:
            visible: float32 (H, W) grey in [0, 1]; H and W are those of ``info``.
            thermal: float32 (H, W) grey in [0, 1].
        """
        ...

    def close(self) -> None:
        """Free the runtime's resources; the engine must not be called afterwards."""
        ...
