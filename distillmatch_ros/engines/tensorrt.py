"""TensorRT engine for Jetsons and discrete GPUs, without PyTorch."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorrt as trt

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.cuda import Buffer, CudaStream, Graph, find_gpu
from distillmatch_ros.engines.metadata import Signature, read_info
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.plans import BUILD_AGAIN, Machine, Plan, PlanCache
from distillmatch_ros.engines.protocol import (
    BackendMissingError,
    EngineInfo,
    EngineNotBuiltError,
    Float32,
    RawMatches,
)

OLDEST_MAJOR = 10

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Log(trt.ILogger):
    """Collects TensorRT's error messages: its functions only return None or False."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self._errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, message: str) -> None:
        """Called by TensorRT, from any of its threads."""
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self._errors.append(message)
        _log.debug("%s", message)

    def failure(self, what: str, remedy: str) -> DistillMatchError:
        """The error for a failed step, with TensorRT's messages since the last failure."""
        reasons = "; ".join(self._errors[-3:]) or "TensorRT gives no reason"
        self._errors.clear()
        return DistillMatchError(f"{what} ({reasons}); {remedy}")


def start(kind: Callable[[Log], T], log: Log) -> T:
    """Create TensorRT's runtime or builder.

    Raises:
        DistillMatchError: it cannot be created.
    """
    try:
        return kind(log)
    except TypeError as error:  # raised by the bindings if the library returns a null pointer
        raise log.failure(
            "TensorRT does not start",
            "check that its version matches the driver: nvidia-smi, or JetPack's release notes",
        ) from error


def this_machine() -> Machine:
    """The machine that plans must be built for to run here.

    Raises:
        BackendMissingError: TensorRT is too old, or there is no CUDA device.
    """
    if int(trt.__version__.split(".")[0]) < OLDEST_MAJOR:
        raise BackendMissingError(
            f"TensorRT {trt.__version__} is too old: 10.3 or later is needed (JetPack 6)"
        )
    gpu = find_gpu()
    return Machine(trt.__version__, gpu.name, gpu.compute_capability)


class TensorRtEngine:
    """A plan with its buffers (allocated once), its stream and, if possible, its CUDA graph."""

    def __init__(self, plan: Plan) -> None:
        """Load a plan and run it once.

        Raises:
            BackendMissingError: there is no CUDA device.
            DistillMatchError: the plan is not for this machine, not of this network, or does not load.
        """
        # First of all TensorRT calls: without a driver, deserialising may abort the process.
        machine = this_machine()
        if plan.key.machine != machine:
            raise DistillMatchError(
                f"{plan.path}: was built for {plan.key.machine}, and this is {machine}; {BUILD_AGAIN}"
            )
        self._info = read_info(plan.path, plan.metadata, f"TensorRT {machine.tensorrt} on {machine.gpu}")
        signature = Signature.of(self._info)
        self._trt_log = Log()
        with ExitStack() as resources:
            self._stream = CudaStream()
            resources.callback(self._stream.free)
            self._runtime = start(trt.Runtime, self._trt_log)
            self._engine = self._runtime.deserialize_cuda_engine(plan.data)
            if self._engine is None:
                raise self._trt_log.failure(f"{plan.path}: TensorRT cannot load it", BUILD_AGAIN)
            _check_signature(plan, self._engine, signature)
            self._context = self._engine.create_execution_context()
            if self._context is None:
                raise self._trt_log.failure(f"{plan.path}: TensorRT cannot run it", "free GPU memory")
            self._inputs = {
                name: self._bind(name, shape, resources) for name, shape in signature.inputs.items()
            }
            self._outputs = {
                name: self._bind(name, shape, resources) for name, shape in signature.outputs.items()
            }
            self._enqueue()  # TensorRT initialises itself in its first run, which must not be captured
            self._stream.wait()
            self._graph = self._capture(resources)
            self._resources = resources.pop_all()

    @property
    def info(self) -> EngineInfo:
        return self._info

    def __call__(self, visible: Float32, thermal: Float32) -> RawMatches:
        for name, image in (("visible", visible), ("thermal", thermal)):
            np.copyto(self._inputs[name].host[0, 0], image)
        if self._graph is None:
            self._enqueue()
        else:
            self._graph.launch()
        self._stream.wait()
        # Copies: the next pair overwrites the buffers.
        return RawMatches(**{name: buffer.host[0].copy() for name, buffer in self._outputs.items()})

    def close(self) -> None:
        del self._context, self._engine, self._runtime
        self._resources.close()

    def _bind(self, name: str, shape: tuple[int, ...], resources: ExitStack) -> Buffer:
        buffer = Buffer(shape)
        resources.callback(buffer.free)
        if not self._context.set_tensor_address(name, buffer.address):
            raise self._trt_log.failure(f"{name}: TensorRT does not take the buffer", BUILD_AGAIN)
        return buffer

    def _enqueue(self) -> None:
        """Queue one pair: images to the GPU, the network, correspondences to the host."""
        for buffer in self._inputs.values():
            self._stream.upload(buffer)
        if not self._context.execute_async_v3(self._stream.handle):
            raise self._trt_log.failure("TensorRT could not run the network", BUILD_AGAIN)
        for buffer in self._outputs.values():
            self._stream.download(buffer)

    def _capture(self, resources: ExitStack) -> Graph | None:
        try:
            graph = self._stream.capture(self._enqueue)
        except DistillMatchError as error:
            _log.warning("running without a CUDA graph, which is slower: %s", error)
            return None
        resources.callback(graph.free)
        return graph


def open_built(path: Path, threads: int | None = None) -> TensorRtEngine:
    """Open a plan, or the cached engine of an ONNX file, preferably of its half-precision graph.

    Args:
        path: a ``.plan`` with its sidecar, or an ONNX file.
        threads: has no effect.

    Raises:
        EngineNotBuiltError: there is no engine of the ONNX file.
        BackendMissingError: TensorRT is too old, or there is no CUDA device.
        DistillMatchError: the engine does not load.
    """
    if path.suffix == ".plan":
        return TensorRtEngine(Plan.read(path))
    machine, cache, network = this_machine(), PlanCache(), OnnxFile.read(path)
    for graph in (network.in_half(), network):
        if graph is not None and (plan := cache.find(graph, machine)) is not None:
            return TensorRtEngine(plan)
    raise EngineNotBuiltError(
        f"{path}: no engine for {machine} in {cache.folder}; `distillmatch build-engine` builds one"
    )


def _check_signature(plan: Plan, engine: trt.ICudaEngine, expected: Signature) -> None:
    """Check that the plan's tensors are those of its metadata, by which the buffers are allocated."""
    found = Signature({}, {})
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
            raise DistillMatchError(f"{plan.path}: {name} is not float32; {BUILD_AGAIN}")
        (found.inputs if is_input else found.outputs)[name] = tuple(engine.get_tensor_shape(name))
    if found != expected:
        raise DistillMatchError(f"{plan.path}: its tensors are {found} instead of {expected}; {BUILD_AGAIN}")
