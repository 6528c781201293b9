"""Runtimes behind one protocol: `open_engine` selects the backend and returns an `Engine`."""

import logging
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.onnx import OnnxEngine
from distillmatch_ros.engines.onnx_file import OnnxFile, weights_path
from distillmatch_ros.engines.plans import BuildOptions, OnProgress, Plan, PlanCache
from distillmatch_ros.engines.protocol import (
    BackendMissingError,
    Engine,
    EngineInfo,
    EngineNotBuiltError,
    Matches,
)

if TYPE_CHECKING:
    from distillmatch_ros.engines.build import Prepared

__all__ = [
    "Engine",
    "EngineInfo",
    "Matches",
    "build_engine",
    "open_cuda",
    "open_engine",
    "open_openvino",
    "open_tensorrt",
    "open_torch",
]

BACKENDS = ("auto", "onnx", "openvino", "tensorrt", "torch")
BACKEND_BY_SUFFIX = {".onnx": "onnx", ".pt": "torch", ".safetensors": "torch", ".plan": "tensorrt"}

_TENSORRT = (
    "pip install 'distillmatch_ros[tensorrt]', on a Jetson make the virtual environment with "
    "--system-site-packages"
)
_log = logging.getLogger(__name__)


def open_engine(path: Path, backend: str = "auto", threads: int | None = None) -> Engine:
    """Open a trained network.

    Args:
        path: the network's file.
        backend: ``onnx``, ``openvino``, ``torch`` or ``tensorrt`` (which builds an engine of an ONNX file if
            none exists), or ``auto`` to select by the file's suffix. For an ONNX file ``auto`` takes TensorRT
            if an engine was built for it, else ONNX Runtime with CUDA, else OpenVINO if it is installed and
            the CPU is Intel's or AMD's, else ONNX Runtime on the CPU.
        threads: CPU threads of the runtime; by default one for each core this process may use.

    Raises:
        BackendMissingError: this machine cannot run the requested backend.
        DistillMatchError: unknown backend, bad thread count, missing file, or not this network.
    """
    path = Path(path)
    if backend not in BACKENDS:
        raise DistillMatchError(f"backend {backend!r} is unknown; choose {', '.join(BACKENDS)}")
    if threads is not None and threads < 1:
        raise DistillMatchError(f"{threads} threads cannot run a network; pass 1 or more, or leave it out")
    if not path.is_file():
        raise DistillMatchError(f"{path}: no such model file; check the path, or leave it out")
    if backend == "auto":
        if path.suffix not in BACKEND_BY_SUFFIX:
            raise DistillMatchError(
                f"{path}: the suffix {path.suffix!r} does not tell the backend "
                f"({', '.join(BACKEND_BY_SUFFIX)} do); name it with backend {', '.join(BACKENDS[1:])}"
            )
        if path.suffix == ".onnx":
            return _open_fastest(path, threads)
        backend = BACKEND_BY_SUFFIX[path.suffix]
    if backend == "onnx":
        return OnnxEngine.open(path, threads)
    if backend == "openvino":
        return open_openvino(path, threads)
    return open_torch(path, threads) if backend == "torch" else open_tensorrt(path, build=True)


def open_openvino(path: Path, threads: int | None) -> Engine:
    """Open an ONNX file in OpenVINO.

    Raises:
        BackendMissingError: OpenVINO is not installed, or this CPU cannot run the network in it.
        DistillMatchError: the file is not this network.
    """
    try:
        from distillmatch_ros.engines.openvino import OpenVinoEngine
    except (ImportError, OSError) as error:  # OSError: its shared libraries do not load
        raise _missing("OpenVINO", error, "pip install 'distillmatch_ros[openvino]'") from error
    return OpenVinoEngine.open(path, threads)


def open_cuda(path: Path, threads: int | None) -> Engine:
    """Open an ONNX file in ONNX Runtime on a GPU.

    Raises:
        BackendMissingError: the runtime has no working CUDA provider on this machine.
        DistillMatchError: the file is not this network.
    """
    if OnnxEngine.offers_cuda():
        engine = OnnxEngine.open(path, threads)
        if engine.on_gpu:
            return engine
        engine.close()
    raise BackendMissingError("ONNX Runtime has no working CUDA provider on this machine")


def open_tensorrt(path: Path, build: bool) -> Engine:
    """Open a plan, or the engine of an ONNX file, preferably of its half-precision graph.

    Args:
        path: a ``.plan`` with its sidecar, or an ONNX file.
        build: whether to build an engine if the cache holds none, which takes minutes.

    Raises:
        EngineNotBuiltError: there is no engine, and ``build`` is false.
        BackendMissingError: TensorRT, cuda-python or a CUDA device is missing.
        DistillMatchError: the engine does not load, or cannot be built.
    """
    try:
        from distillmatch_ros.engines.tensorrt import TensorRtEngine, this_machine
    except (ImportError, OSError) as error:  # OSError: installed, but its shared libraries do not load
        raise _missing("TensorRT with cuda-python", error, _TENSORRT) from error
    if path.suffix == ".plan":
        return TensorRtEngine(Plan.read(path))
    machine, cache, network = this_machine(), PlanCache(), OnnxFile.read(path)
    graphs = [graph for graph in (network.in_half(), network) if graph is not None]
    for graph in graphs:
        if (plan := cache.find(graph, machine)) is not None:
            return TensorRtEngine(plan)
    if not build:
        raise EngineNotBuiltError(
            f"{path}: no engine for {machine} in {cache.folder}; `distillmatch build-engine` builds one"
        )
    _log.warning("%s: building an engine for %s, which takes minutes", graphs[0].path, machine)
    return build_engine(graphs[0]).engine


def build_engine(
    network: OnnxFile,
    options: BuildOptions | None = None,
    on_progress: OnProgress = lambda phase, done, steps: None,
) -> "Prepared":
    """Open the TensorRT engine of a network, building it unless the cache holds one that works.

    Args:
        network: the exported network.
        options: build options; None accepts a cached engine built with any options.
        on_progress: called from other threads with a phase, its finished steps and all its steps.

    Raises:
        BackendMissingError: TensorRT, cuda-python, onnx or a CUDA device is missing.
        DistillMatchError: the cache cannot be written, or TensorRT cannot build the network.
    """
    try:
        from distillmatch_ros.engines.build import prepare
    except (ImportError, OSError) as error:
        raise _missing("TensorRT with cuda-python and onnx", error, _TENSORRT) from error
    return prepare(network, options, on_progress)


def open_torch(path: Path, threads: int | None) -> Engine:
    """Open weights in PyTorch; for an ONNX file, the weights beside it.

    Raises:
        BackendMissingError: PyTorch is not installed, or there are no weights.
        DistillMatchError: the weights are damaged, or belong to another network.
    """
    try:
        from distillmatch_ros.engines.torch import TorchEngine
    except ImportError as error:
        raise _missing("PyTorch", error, "pip install 'distillmatch_ros[train]'") from error
    if path.suffix != ".onnx":
        return TorchEngine.open(path, threads)
    weights = weights_path(path)
    if not weights.is_file():
        raise BackendMissingError(f"{weights}: no such file; PyTorch runs weights, not {path.name}")
    engine = TorchEngine.open(weights, threads)
    if engine.info.weights_hash != OnnxFile.read(path).info.weights_hash:
        raise DistillMatchError(
            f"{weights}: other weights than those {path.name} was exported from; export it again"
        )
    return engine


def _open_fastest(path: Path, threads: int | None) -> Engine:
    """Open the fastest runtime that works on this machine, and log once which faster ones are missing."""
    level, passed_over = logging.INFO, []
    for name, opener in _FASTER_THAN_ONNX_ON_CPU.items():
        try:
            engine = opener(path, threads)
            break
        except DistillMatchError as error:
            if not isinstance(error, BackendMissingError) or isinstance(error, EngineNotBuiltError):
                level = logging.WARNING
            elif name in _ON_NVIDIA and not _has_nvidia_gpu():
                continue  # not worth a message
            passed_over.append(f"; {name} is skipped: {error}")
    else:
        engine = OnnxEngine.open(path, threads, gpu=False)
    _log.log(level, "%s runs on %s%s", path, engine.info.device, "".join(passed_over))
    return engine


def _has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver's devices exist: of a graphics card, of a Jetson, or of WSL."""
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "nvhost-gpu", "nvgpu", "dxg"))


def _open_openvino_on_x86(path: Path, threads: int | None) -> Engine:
    if platform.machine() not in ("x86_64", "AMD64"):
        raise BackendMissingError("it is known to be faster only on CPUs of Intel and AMD")
    return open_openvino(path, threads)


_FASTER_THAN_ONNX_ON_CPU: dict[str, Callable[[Path, int | None], Engine]] = {
    "TensorRT": lambda path, threads: open_tensorrt(path, build=False),
    "CUDA": open_cuda,
    "OpenVINO": _open_openvino_on_x86,
}
"""Backends that ``auto`` tries, the fastest first."""
_ON_NVIDIA = ("TensorRT", "CUDA")


def _missing(what: str, error: Exception, remedy: str) -> BackendMissingError:
    """The error for a package that is not installed; a missing module of this package is raised unchanged."""
    if isinstance(error, ImportError) and (error.name or "").startswith("distillmatch_ros"):
        raise error
    return BackendMissingError(
        f"{what} is not installed here ({error}); {remedy}, or use the ONNX file with another backend"
    )
