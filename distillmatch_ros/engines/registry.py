"""The runtimes: a row each, from which choices, help, openers, `verify` and `doctor` follow."""

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.protocol import BackendMissingError, Engine

TENSORRT = (
    "pip install 'distillmatch_ros[tensorrt]', on a Jetson make the virtual environment with "
    "--system-site-packages"
)
"""How to install TensorRT."""


@dataclass(frozen=True)
class Runtime:
    """A runtime on one kind of device. Its packages are imported when it opens a network, not before.

    Attributes:
        backend: value of the option and the parameter `backend`; several rows may share it.
        name: name for people.
        opener: ``module:function`` below `engines`, which takes the file's path and the CPU threads (None for
            one per core), and returns an `Engine`.
        package: what must be installed.
        install: how.
        device: the device, where the runtime has several rows.
        rank: place among those that `auto` tries for an ONNX file, the fastest first; None to open it by name
            only, before others of the name.
        slower: the reason for `auto` to pass it over on this machine, None if there is none.
        nvidia: whether it needs a GPU of NVIDIA.
        suffixes: files that `auto` opens with this backend.
        builder: like ``opener``, but may take minutes: called if the user names the backend and ``opener``
            raises `EngineNotBuiltError`.
    """

    backend: str
    name: str
    opener: str
    package: str
    install: str
    device: str = ""
    rank: int | None = None
    slower: Callable[[], str | None] = lambda: None
    nvidia: bool = False
    suffixes: tuple[str, ...] = ()
    builder: str | None = None

    @property
    def label(self) -> str:
        """Name of the row: of the runtime, and of its device if it has several."""
        return ", ".join(filter(None, (self.name, self.device)))

    def open(self, path: Path, threads: int | None = None) -> Engine:
        """Open a network without building anything.

        Raises:
            BackendMissingError: this machine cannot run it.
            EngineNotBuiltError: it can, once an engine is built.
            DistillMatchError: the file is not this network, or does not load.
        """
        return self._call(self.opener, path, threads)

    def build(self, path: Path, threads: int | None = None) -> Engine:
        """Build an engine of a network and open it, which takes minutes; only with a ``builder``.

        Raises:
            BackendMissingError: this machine cannot build it.
            DistillMatchError: the file is not this network, or cannot be built.
        """
        assert self.builder is not None, f"{self.label} builds nothing"
        return self._call(self.builder, path, threads)

    def _call(self, entry: str, path: Path, threads: int | None) -> Engine:
        module, _, function = entry.partition(":")
        with importing(self.package, self.install):
            loaded = import_module(f"distillmatch_ros.engines.{module}")
        engine: Engine = attrgetter(function)(loaded)(path, threads)
        return engine


@contextmanager
def importing(package: str, install: str) -> Iterator[None]:
    """Translate errors of importing a runtime; a missing module of this package is raised unchanged.

    Raises:
        BackendMissingError: the package is not installed, or its shared libraries do not load.
    """
    try:
        yield
    except (ImportError, OSError) as error:  # OSError: its shared libraries do not load
        if isinstance(error, ImportError) and (error.name or "").startswith("distillmatch_ros"):
            raise
        raise BackendMissingError(
            f"{package} is not installed here ({error}); {install}, or use the ONNX file with another backend"
        ) from error


def _slower_than_onnx_runtime() -> str | None:
    x86 = platform.machine() in ("x86_64", "AMD64")
    return None if x86 else "it is known to be faster only on CPUs of Intel and AMD"


_ONNX_ON_CPU = Runtime(
    "onnx",
    "ONNX Runtime",
    "onnx:open_on_cpu",
    package="ONNX Runtime",
    install="pip install onnxruntime",
    rank=4,
    suffixes=(".onnx",),
)
RUNTIMES = (
    _ONNX_ON_CPU,
    replace(_ONNX_ON_CPU, opener="onnx:open_on_cuda", rank=2, device="CUDA", nvidia=True, suffixes=()),
    # By name only: where there is TensorRT, `auto` takes it directly.
    replace(
        _ONNX_ON_CPU,
        opener="onnx_tensorrt:open_built",
        builder="onnx_tensorrt:build_and_open",
        rank=None,
        device="TensorRT",
        nvidia=True,
        suffixes=(),
    ),
    Runtime(
        "openvino",
        "OpenVINO",
        "openvino:OpenVinoEngine.open",
        package="OpenVINO",
        install="pip install 'distillmatch_ros[openvino]'",
        rank=3,
        slower=_slower_than_onnx_runtime,
    ),
    Runtime(
        "tensorrt",
        "TensorRT",
        "tensorrt:open_built",
        package="TensorRT with cuda-python",
        install=TENSORRT,
        rank=1,
        nvidia=True,
        suffixes=(".plan",),
        builder="build:build_and_open",
    ),
    Runtime(
        "torch",
        "PyTorch",
        "torch:open_weights",
        package="PyTorch",
        install="pip install 'distillmatch_ros[train]'",
        suffixes=(".pt", ".safetensors"),
    ),
)
"""All runtimes, in the order of tables. The last by rank runs on every machine."""
NAMES = tuple(dict.fromkeys(runtime.backend for runtime in RUNTIMES))
"""Backends that a user may name."""
AUTO = "auto"
BACKENDS = (AUTO, *NAMES)
"""Values of the option and the parameter `backend`."""
BACKEND_BY_SUFFIX = {suffix: runtime.backend for runtime in RUNTIMES for suffix in runtime.suffixes}
if TYPE_CHECKING:
    Backend = str
else:
    Backend = Literal[BACKENDS]
"""Type of a setting that holds one of `BACKENDS`."""


def check_backend(backend: str, choices: Sequence[str] = BACKENDS) -> str:
    """The backend, if it is one of the choices.

    Raises:
        DistillMatchError: it is not; the message lists them.
    """
    if backend not in choices:
        raise DistillMatchError(f"backend {backend!r} is unknown; choose {', '.join(choices)}")
    return backend


def ranked(backend: str = AUTO) -> list[Runtime]:
    """The runtimes to try for a backend, the fastest first; the last is the one that needs least."""
    if backend == AUTO:
        rows = [runtime for runtime in RUNTIMES if runtime.rank is not None]
    else:
        rows = [runtime for runtime in RUNTIMES if runtime.backend == backend]
    return sorted(rows, key=lambda runtime: runtime.rank or 0)
