"""Runtimes behind one protocol: `open_engine` selects the backend and returns an `Engine`."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from distillmatch_ros.base.errors import DistillMatchError, check_type
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.plans import BuildOptions, OnProgress
from distillmatch_ros.engines.protocol import (
    BackendMissingError,
    Engine,
    EngineInfo,
    EngineNotBuiltError,
    RawMatches,
)
from distillmatch_ros.engines.registry import (
    AUTO,
    BACKEND_BY_SUFFIX,
    NAMES,
    TENSORRT,
    Runtime,
    check_backend,
    importing,
    ranked,
)

if TYPE_CHECKING:
    from distillmatch_ros.engines.build import Prepared

__all__ = ["Engine", "EngineInfo", "RawMatches", "build_engine", "open_engine"]

_log = logging.getLogger(__name__)


def open_engine(path: Path, backend: str = AUTO, threads: int | None = None) -> Engine:
    """Open a trained network.

    Args:
        path: the network's file.
        backend: one of `registry.BACKENDS`: a runtime (``tensorrt`` builds an engine of an ONNX file if none
            exists; ``onnx`` takes its TensorRT provider if that works, for which it too builds one, else
            CUDA, else the CPU), or ``auto`` to select by the file's suffix. For an ONNX file ``auto`` takes
            TensorRT if an engine was built for it, else ONNX Runtime with CUDA, else OpenVINO if it is
            installed and the CPU is Intel's or AMD's, else ONNX Runtime on the CPU.
        threads: CPU threads of the runtime; by default one for each core this process may use.

    Raises:
        BackendMissingError: this machine cannot run the requested backend.
        DistillMatchError: unknown backend, bad thread count, missing file, or not this network.
    """
    path = Path(path)
    check_backend(backend)
    if threads is not None and check_type(threads, int, "threads") < 1:
        raise DistillMatchError(f"{threads} threads cannot run a network; pass 1 or more, or leave it out")
    if not path.is_file():
        raise DistillMatchError(f"{path}: no such model file; check the path, or leave it out")
    if backend == AUTO:
        if path.suffix not in BACKEND_BY_SUFFIX:
            raise DistillMatchError(
                f"{path}: the suffix {path.suffix!r} does not tell the backend "
                f"({', '.join(BACKEND_BY_SUFFIX)} do); name it with backend {', '.join(NAMES)}"
            )
        if path.suffix == ".onnx":
            return _open_fastest(path, threads)
        backend = BACKEND_BY_SUFFIX[path.suffix]
    return _open_named(path, backend, threads)


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
    with importing("TensorRT with cuda-python and onnx", TENSORRT):
        from distillmatch_ros.engines.build import prepare
    return prepare(network, options, on_progress)


def _open_named(path: Path, backend: str, threads: int | None) -> Engine:
    """Open a backend on the best of its devices, building an engine if it needs one."""
    *faster, last = ranked(backend)
    for runtime in faster:
        with suppress(BackendMissingError):
            return _open_or_build(runtime, path, threads)
    return _open_or_build(last, path, threads)


def _open_or_build(runtime: Runtime, path: Path, threads: int | None) -> Engine:
    try:
        return runtime.open(path, threads)
    except EngineNotBuiltError:
        return runtime.build(path, threads)


def _open_fastest(path: Path, threads: int | None) -> Engine:
    """Open the fastest runtime that works on this machine, and log once which faster ones are missing."""
    level, passed_over = logging.INFO, []
    *faster, last = ranked()
    for runtime in faster:
        try:
            if (slower := runtime.slower()) is not None:
                raise BackendMissingError(slower)
            engine = runtime.open(path, threads)
            break
        except DistillMatchError as error:
            if not isinstance(error, BackendMissingError) or isinstance(error, EngineNotBuiltError):
                level = logging.WARNING
            elif runtime.nvidia and not _has_nvidia_gpu():
                continue  # not worth a message
            passed_over.append(f"; {runtime.device or runtime.name} is skipped: {error}")
    else:
        engine = last.open(path, threads)
    _log.log(level, "%s runs on %s%s", path, engine.info.device, "".join(passed_over))
    return engine


def _has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver's devices exist: of a graphics card, of a Jetson, or of WSL."""
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "nvhost-gpu", "nvgpu", "dxg"))
