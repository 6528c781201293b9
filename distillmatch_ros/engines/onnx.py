"""ONNX Runtime, the default engine."""

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.machine import usable_cores
from distillmatch_ros.engines.metadata import EXPORT_AGAIN, Signature, read_info
from distillmatch_ros.engines.protocol import BackendMissingError, EngineInfo, Float32, RawMatches

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ERRORS = 3
"""ONNX Runtime's level of log records from which on they are written."""
TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
ON_GPU = {TENSORRT: "TensorRT", CUDA: "CUDA"}
"""Providers of a GPU by name, and what people call them."""
Provider = tuple[str, dict[str, Any]]
"""What runs a network: its name for ONNX Runtime, and its options."""
TELEMETRY_OFF = "ORT_DISABLE_TELEMETRY"
"""Variable without which ONNX Runtime 1.32 keeps an identifier of the machine and a database of events in the
user's cache, to send them to its makers."""
NOISE = b"Unknown CPU vendor"
"""Of a line that ONNX Runtime writes to stderr when it is imported, before its log can be set."""


class OnnxEngine:
    """A network in ONNX Runtime.

    Attributes:
        provider: name of the provider that runs it.
    """

    def __init__(self, session: "InferenceSession", info: EngineInfo) -> None:
        self._session = session
        self.provider: str = session.get_providers()[0]
        self._info = info

    @classmethod
    def open(cls, path: Path, threads: int | None = None, providers: Sequence[Provider] = ()) -> "OnnxEngine":
        """Load an exported network and check that it fulfils the engine contract.

        Args:
            path: the ONNX file.
            threads: CPU threads; by default one for each core this process may use.
            providers: those of a GPU, the first before the others and all before the CPU. ONNX Runtime leaves
                out one whose libraries are missing.

        Raises:
            BackendMissingError: one of the providers fails.
            DistillMatchError: the file is missing, not ONNX, or not this network.
        """
        onnxruntime = import_runtime()
        threads = threads or usable_cores()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Errors only: warnings about the graph do not help a user.
        options.log_severity_level = ERRORS
        onnxruntime.set_default_logger_severity(ERRORS)
        asked = [*providers, (CPU, {})]
        try:
            # The runtime's own fallback prints to stdout, which may carry JSON.
            session = onnxruntime.InferenceSession(str(path), options, asked, enable_fallback=0)
        except Exception as error:  # the runtime's exceptions have no other common base class
            reason = str(error).splitlines()[0]
            if providers:
                name = ON_GPU[providers[0][0]]
                raise BackendMissingError(
                    f"{path}: ONNX Runtime's {name} provider fails ({reason})"
                ) from error
            raise DistillMatchError(
                f"{path}: ONNX Runtime cannot load it ({reason}); {EXPORT_AGAIN}"
            ) from error
        device = ON_GPU.get(session.get_providers()[0], f"CPU, {threads} thread{'s' * (threads > 1)}")
        info = read_info(path, session.get_modelmeta().custom_metadata_map, f"onnxruntime {device}")
        _check_signature(path, session, info)
        return cls(session, info)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        visible_points, thermal_points, confidence = self._session.run(
            ["visible_points", "thermal_points", "confidence"],
            {"visible": visible[None, None], "thermal": thermal[None, None]},
        )
        return RawMatches(visible_points[0], thermal_points[0], confidence[0])

    def close(self) -> None:
        del self._session


def open_on_cpu(path: Path, threads: int | None) -> OnnxEngine:
    """Open a network on the CPU, whatever else the runtime offers."""
    return OnnxEngine.open(path, threads)


def open_on_cuda(path: Path, threads: int | None) -> OnnxEngine:
    """Open a network on a GPU.

    Raises:
        BackendMissingError: the runtime has no working CUDA provider on this machine.
        DistillMatchError: the file is not this network.
    """
    check_offered(CUDA)
    return open_with(path, threads, [(CUDA, {})], "a GPU, its driver, and CUDA and cuDNN")


def check_offered(provider: str) -> None:
    """Check that a provider is in this wheel of ONNX Runtime.

    Raises:
        BackendMissingError: it is not.
    """
    if provider not in import_runtime().get_available_providers():
        raise BackendMissingError(
            f"this ONNX Runtime has no {ON_GPU[provider]} provider; "
            "pip install onnxruntime-gpu instead of onnxruntime"
        )


def open_with(path: Path, threads: int | None, providers: Sequence[Provider], needs: str) -> OnnxEngine:
    """Open a network with the first of the providers, and with the others what that cannot run.

    Raises:
        BackendMissingError: it does not start; it needs these things.
        DistillMatchError: the file is not this network.
    """
    engine = OnnxEngine.open(path, threads, providers)
    wanted = providers[0][0]
    if engine.provider != wanted:  # built with it, which is not all that it takes
        engine.close()
        raise BackendMissingError(
            f"ONNX Runtime's {ON_GPU[wanted]} provider does not start here; it needs {needs} "
            "of the versions that it was built for"
        )
    return engine


def import_runtime() -> Any:
    """The module onnxruntime, without `NOISE`; it takes 0.2 s, in processes that open an engine alone."""
    if "onnxruntime" in sys.modules:
        return sys.modules["onnxruntime"]
    os.environ.setdefault(TELEMETRY_OFF, "1")
    with ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
            kept = os.dup(2)
        except OSError:  # there is no room for a file, or stderr is closed
            return import_module("onnxruntime")
        os.dup2(said.fileno(), 2)  # the library writes there itself, not through Python
        try:
            return import_module("onnxruntime")
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            os.write(2, b"".join(line for line in said if NOISE not in line))


def _check_signature(path: Path, session: "InferenceSession", info: EngineInfo) -> None:
    expected = Signature.of(info)
    for role, nodes, shapes in (
        ("inputs", session.get_inputs(), expected.inputs),
        ("outputs", session.get_outputs(), expected.outputs),
    ):
        found = {node.name: (node.type, node.shape) for node in nodes}
        if found != {name: ("tensor(float)", list(shape)) for name, shape in shapes.items()}:
            raise DistillMatchError(f"{path}: its {role} are {found} instead of {shapes}; {EXPORT_AGAIN}")
