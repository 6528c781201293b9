"""CUDA through cuda-python: device, memory, stream and graph. Every call is checked for errors."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cuda.bindings import runtime as cudart

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.protocol import BackendMissingError, Float32


@dataclass(frozen=True)
class Gpu:
    """A GPU model.

    Attributes:
        name: name that the driver reports, such as ``Orin``.
        compute_capability: such as ``8.7``.
    """

    name: str
    compute_capability: str


def find_gpu() -> Gpu:
    """The GPU of this process.

    Raises:
        BackendMissingError: there is no driver or no device.
    """
    try:
        devices = _call(cudart.cudaGetDeviceCount)
        properties = _call(cudart.cudaGetDeviceProperties, _call(cudart.cudaGetDevice)) if devices else None
    except (DistillMatchError, RuntimeError) as error:  # RuntimeError: cuda-python found no CUDA library
        raise BackendMissingError(f"no CUDA device ({error})") from error
    if properties is None:
        raise BackendMissingError("no CUDA device")
    return Gpu(properties.name.decode(), f"{properties.major}.{properties.minor}")


class Buffer:
    """A float32 tensor on the GPU with a copy in page-locked host memory.

    Attributes:
        host: float32 array of the tensor's shape in host memory.
        address: device address of the tensor.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.nbytes = int(np.prod(shape)) * np.dtype(np.float32).itemsize
        self.address = int(_call(cudart.cudaMalloc, self.nbytes))
        try:
            self._page_locked = int(_call(cudart.cudaMallocHost, self.nbytes))
        except DistillMatchError:
            _call(cudart.cudaFree, self.address)
            raise
        memory = (ctypes.c_byte * self.nbytes).from_address(self._page_locked)
        self.host: Float32 = np.frombuffer(memoryview(memory), np.float32).reshape(shape)
        self.host.fill(0)

    def free(self) -> None:
        """Free both memories; ``host`` must not be accessed afterwards."""
        del self.host
        _call(cudart.cudaFreeHost, self._page_locked)
        _call(cudart.cudaFree, self.address)


class CudaStream:
    """A CUDA stream without synchronisation with the default stream."""

    def __init__(self) -> None:
        self._stream = _call(cudart.cudaStreamCreateWithFlags, cudart.cudaStreamNonBlocking)

    @property
    def handle(self) -> int:
        """The stream's address, for other libraries."""
        return int(self._stream)

    def upload(self, buffer: Buffer) -> None:
        """Queue the copy of a buffer from host to GPU."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(buffer.address, buffer.host.ctypes.data, buffer.nbytes, kind)

    def download(self, buffer: Buffer) -> None:
        """Queue the copy of a buffer from GPU to host."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(buffer.host.ctypes.data, buffer.address, buffer.nbytes, kind)

    def capture(self, work: Callable[[], None]) -> "Graph":
        """Record the work that ``work`` queues as a graph instead of running it.

        Raises:
            DistillMatchError: part of the work cannot be recorded. The stream remains usable.
        """
        # Thread-local: CUDA calls of other threads neither enter the graph nor invalidate it.
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _call(cudart.cudaStreamBeginCapture, self._stream, mode)
        try:
            work()
            recorded = _call(cudart.cudaStreamEndCapture, self._stream)
        except DistillMatchError:
            cudart.cudaStreamEndCapture(
                self._stream
            )  # returns an error where the capture has ended already, which does not matter here
            cudart.cudaGetLastError()  # otherwise the next call would report this error
            raise
        try:
            return Graph(_call(cudart.cudaGraphInstantiate, recorded, 0), self._stream)
        finally:
            _call(cudart.cudaGraphDestroy, recorded)

    def wait(self) -> None:
        """Wait until all queued work is done."""
        _call(cudart.cudaStreamSynchronize, self._stream)

    def free(self) -> None:
        """Destroy the stream."""
        _call(cudart.cudaStreamDestroy, self._stream)

    def _copy(self, target: int, source: int, nbytes: int, kind: Any) -> None:
        _call(cudart.cudaMemcpyAsync, target, source, nbytes, kind, self._stream)


class Graph:
    """A captured CUDA graph: all kernels are launched by one call."""

    def __init__(self, executable: Any, stream: Any) -> None:
        self._executable = executable
        self._stream = stream

    def launch(self) -> None:
        """Queue the work on the stream that it was captured from."""
        _call(cudart.cudaGraphLaunch, self._executable, self._stream)

    def free(self) -> None:
        """Destroy the graph."""
        _call(cudart.cudaGraphExecDestroy, self._executable)


def _call(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """Call a CUDA runtime function; returns the value after the error code, or None if there is none."""
    error, *values = function(*arguments)
    if error != cudart.cudaError_t.cudaSuccess:
        _, text = cudart.cudaGetErrorString(error)
        reason = text.decode() if isinstance(text, bytes) else str(error)
        raise DistillMatchError(f"the GPU rejected {function.__name__}: {reason}")
    return values[0] if values else None
