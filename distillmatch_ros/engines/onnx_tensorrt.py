"""ONNX Runtime's TensorRT provider, which needs neither the Python package of TensorRT nor cuda-python.

The provider builds engines while a network is opened, for minutes, and keeps them in a folder, named by the
graph but not by its weights. So each network has a folder of its own, for this version of the runtime and of
TensorRT, and the folder exists once the build is whole.

Source: ONNX Runtime's documentation, "TensorRT Execution Provider": trt_engine_cache_enable, and what makes a
cache stale.
"""

import hashlib
import logging
import re
from ctypes import CDLL
from pathlib import Path
from tempfile import TemporaryDirectory

from distillmatch_ros.base.files import cache_folder, locked
from distillmatch_ros.engines.onnx import (
    CUDA,
    TENSORRT,
    OnnxEngine,
    Provider,
    check_offered,
    import_runtime,
    open_with,
)
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.protocol import BackendMissingError, EngineNotBuiltError

LIBRARY = "capi/libonnxruntime_providers_tensorrt.so"
"""The provider, below the package of ONNX Runtime."""
NEEDED = re.compile(rb"libnv(?:infer|onnxparser)\.so\.\d+")
"""Names of TensorRT's libraries in it."""

_log = logging.getLogger(__name__)


def open_built(path: Path, threads: int | None) -> OnnxEngine:
    """Open a network whose engine was built.

    Raises:
        BackendMissingError: the provider or TensorRT's libraries are missing.
        EngineNotBuiltError: `build_and_open` has not built it.
        DistillMatchError: the file is not this network.
    """
    network, folder = _place(path)
    if not folder.is_dir():
        raise EngineNotBuiltError(
            f"{path}: ONNX Runtime's TensorRT provider has built no engine of it; the backend onnx builds "
            "one, for minutes"
        )
    return _open(network, threads, folder)


def build_and_open(path: Path, threads: int | None) -> OnnxEngine:
    """Build the engine of a network in the user's cache folder, once, and open it.

    Raises:
        BackendMissingError: the provider or TensorRT's libraries are missing, or TensorRT fails.
        DistillMatchError: the file is not this network, or the cache folder cannot be written.
    """
    network, folder = _place(path)
    with locked(folder.parent, "another process is building an engine; waiting for it"):
        if folder.is_dir():
            return _open(network, threads, folder)
        _log.warning("%s: building an engine in %s, which takes minutes, once", path, folder)
        with TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as partial:
            try:
                engine = _open(network, threads, Path(partial))
            except BackendMissingError as error:
                _log.warning("%s; the backend auto does not try it", error)
                raise
            Path(partial).rename(folder)  # a static network's engines are read while it is opened, not later
    return engine


def tensorrt_version(provider: Path) -> int:
    """The version of the TensorRT that the provider would load, such as 101303 for 10.13.3.

    ONNX Runtime is not asked: it lists the provider without these libraries, and writes errors where it is
    given one that does not load.

    Args:
        provider: its shared library, which names the libraries that it needs.

    Raises:
        BackendMissingError: one of them does not load.
    """
    try:
        needed = sorted(set(NEEDED.findall(provider.read_bytes())))
        libraries = {name.partition(b".")[0]: CDLL(name.decode()) for name in needed}
        return int(libraries[b"libnvinfer"].getInferLibVersion())
    except (OSError, KeyError, AttributeError) as error:
        raise BackendMissingError(
            f"ONNX Runtime's TensorRT provider needs libraries of TensorRT ({error}); install the version of "
            "TensorRT that it was built for, and let LD_LIBRARY_PATH name its folder"
        ) from error


def _place(path: Path) -> tuple[OnnxFile, Path]:
    """The network, and the folder of its engine on this machine."""
    check_offered(TENSORRT)
    onnxruntime = import_runtime()
    version = tensorrt_version(Path(onnxruntime.__file__).parent / LIBRARY)
    network = OnnxFile.read(path)
    identity = repr((network.sha256(), onnxruntime.__version__, version))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return network, cache_folder() / "onnxruntime" / digest


def _open(network: OnnxFile, threads: int | None, folder: Path) -> OnnxEngine:
    options = {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_fp16_enable": network.info.precision == "fp16",
    }
    providers: list[Provider] = [(TENSORRT, options), (CUDA, {})]
    return open_with(network.path, threads, providers, "a GPU, its driver, CUDA, cuDNN and TensorRT")
