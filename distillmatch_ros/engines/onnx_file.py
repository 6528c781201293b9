"""An exported network on disk and the files beside it.

``light.onnx`` is the network, ``light_fp16.onnx`` the same weights as a half-precision graph, ``light.pt``
the trained weights.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.metadata import EXPORT_AGAIN, read_info, read_metadata
from distillmatch_ros.engines.protocol import EngineInfo


@dataclass(frozen=True)
class OnnxFile:
    """An exported network that fulfils the engine contract.

    Attributes:
        path: path of the file.
        data: content of the file.
        metadata: metadata as stored.
        info: the checked metadata, with device ``nothing``.
    """

    path: Path
    data: bytes
    metadata: dict[str, str]
    info: EngineInfo

    @classmethod
    def read(cls, path: Path) -> "OnnxFile":
        """Read a file completely.

        Raises:
            DistillMatchError: the file cannot be read, or is not this network.
        """
        try:
            data = path.read_bytes()
            metadata = read_metadata(data)
        except (OSError, ValueError) as error:
            raise DistillMatchError(
                f"{path}: cannot be read as an ONNX file ({error}); {EXPORT_AGAIN}"
            ) from error
        return cls(path, data, metadata, read_info(path, metadata, "nothing"))

    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal; it covers shapes, types and weights."""
        return hashlib.sha256(self.data).hexdigest()

    def in_half(self) -> "OnnxFile | None":
        """The half-precision graph of the same weights: this file, the one beside it, or None."""
        if self.info.precision == "fp16":
            return self
        path = half_path(self.path)
        if not path.is_file():
            return None
        half = OnnxFile.read(path)
        same_weights = half.info.weights_hash == self.info.weights_hash
        return half if same_weights and half.info.precision == "fp16" else None


def half_path(path: Path) -> Path:
    """Path of a network's half-precision graph: ``light_fp16.onnx`` for ``light.onnx``."""
    return path.with_name(f"{path.stem}_fp16{path.suffix}")


def weights_path(path: Path) -> Path:
    """Path of the weights of an exported network: ``light.pt`` for ``light.onnx``."""
    return path.with_suffix(".pt")
