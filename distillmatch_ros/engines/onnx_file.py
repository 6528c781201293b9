"""An exported network on disk, and the files that belong to it.

``light.onnx`` is the network, ``light_fp16.onnx`` beside it the same weights in a typed half-precision graph,
``light.pt`` the weights themselves.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.metadata import EXPORT_AGAIN, read_info, read_metadata
from distillmatch_ros.engines.protocol import EngineInfo


@dataclass(frozen=True)
class OnnxFile:
    """An exported network that keeps the engine contract.

    Attributes:
        path: where it lies.
        data: the file's bytes.
        metadata: what it says about itself.
        info: the same, checked; nothing runs it yet.
    """

    path: Path
    data: bytes
    metadata: dict[str, str]
    info: EngineInfo

    @classmethod
    def read(cls, path: Path) -> "OnnxFile":
        """Read a file whole.

        Raises:
            DistillMatchError: it cannot be read, or is not this network.
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
        """Hash of the whole file, hexadecimal; shapes, types and weights are all in it."""
        return hashlib.sha256(self.data).hexdigest()

    def in_half(self) -> "OnnxFile | None":
        """The typed half-precision graph of the same weights: this file, the one beside it, or None."""
        if self.info.precision == "fp16":
            return self
        path = half_path(self.path)
        if not path.is_file():
            return None
        half = OnnxFile.read(path)
        same_weights = half.info.weights_hash == self.info.weights_hash
        return half if same_weights and half.info.precision == "fp16" else None


def half_path(path: Path) -> Path:
    """Where the half-precision graph of a network lies: ``light_fp16.onnx`` for ``light.onnx``."""
    return path.with_name(f"{path.stem}_fp16{path.suffix}")


def weights_path(path: Path) -> Path:
    """Where the weights of an exported network lie: ``light.pt`` for ``light.onnx``."""
    return path.with_suffix(".pt")
