"""One door to every runtime: `open_engine` picks the backend and returns an `Engine`."""

from pathlib import Path

from distillmatch_ros.engines.onnx import OnnxEngine
from distillmatch_ros.engines.protocol import Engine, EngineInfo, Matches
from distillmatch_ros.errors import DistillMatchError

__all__ = ["Engine", "EngineInfo", "Matches", "open_engine"]

BACKEND_BY_SUFFIX = {".onnx": "onnx", ".pt": "torch", ".safetensors": "torch"}


def open_engine(path: Path, backend: str = "auto", threads: int | None = None) -> Engine:
    """Open a trained network.

    Args:
        path: the network's file.
        backend: ``onnx``, ``torch``, or ``auto`` to go by the file's suffix.
        threads: CPU threads of the runtime; by default one for each core this process may use.

    Raises:
        DistillMatchError: unknown backend, bad thread count, missing file, a file that is not this network.
    """
    path = Path(path)
    if backend not in ("auto", *BACKEND_BY_SUFFIX.values()):
        raise DistillMatchError(f"backend {backend!r} is unknown; choose auto, onnx or torch")
    if threads is not None and threads < 1:
        raise DistillMatchError(f"{threads} threads cannot run a network; pass 1 or more, or leave it out")
    if not path.is_file():
        raise DistillMatchError(f"{path}: no such model file; check the path, or leave it out")
    if backend == "auto":
        if path.suffix not in BACKEND_BY_SUFFIX:
            raise DistillMatchError(
                f"{path}: the suffix {path.suffix!r} does not tell the backend "
                f"({', '.join(BACKEND_BY_SUFFIX)} do); name it with backend onnx or torch"
            )
        backend = BACKEND_BY_SUFFIX[path.suffix]
    if backend == "onnx":
        return OnnxEngine.open(path, threads)
    return _open_torch(path, threads)


def _open_torch(path: Path, threads: int | None) -> Engine:
    try:
        from distillmatch_ros.engines.torch import TorchEngine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise DistillMatchError(
            f"{path}: weights need PyTorch, which is not installed; "
            "pip install 'distillmatch_ros[train]', or use the ONNX file"
        ) from error
    return TorchEngine.open(path, threads)
