"""The GPU through cuda-python: device, memory, stream and graph. Every call is checked."""

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
    """One kind of GPU.

    Attributes:
        name: what the driver calls it, such as ``Orin``.
        compute_capability: such as ``8.7``.
    """

    name: str
    compute_capability: str


def find_gpu() -> Gpu:
    """The GPU that this process computes on.

    Raises:
        BackendMissingError: there is no driver or no device.
    """
    try:
        devices = _call(cudart.cudaGetDeviceCount)
        properties = _call(cudart.cudaGetDeviceProperties, _call(cudart.cudaGetDevice)) if devices else None
    except (DistillMatchError, RuntimeError) as error:  # RuntimeError: cuda-python found no library to ask
        raise BackendMissingError(f"no CUDA device ({error})") from error
    if properties is None:
        raise BackendMissingError("no CUDA device")
    return Gpu(properties.name.decode(), f"{properties.major}.{properties.minor}")


class Buffer:
    """A float32 tensor on the GPU and its twin in page-locked host memory.

    Attributes:
        host: float32 array of the tensor's shape, to be filled or read by the program.
        address: where the tensor lies on the GPU.
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
        """Give the memory back; ``host`` must not be touched afterwards."""
        del self.host
        _call(cudart.cudaFreeHost, self._page_locked)
        _call(cudart.cudaFree, self.address)


class Stream:
    """A queue of work for the GPU. It does not wait for the default stream, nor the other way round."""

    def __init__(self) -> None:
        self._stream = _call(cudart.cudaStreamCreateWithFlags, cudart.cudaStreamNonBlocking)

    @property
    def handle(self) -> int:
        """What other libraries know the stream by."""
        return int(self._stream)

    def upload(self, buffer: Buffer) -> None:
        """Queue the copy of a buffer from the host to the GPU."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(buffer.address, buffer.host.ctypes.data, buffer.nbytes, kind)

    def download(self, buffer: Buffer) -> None:
        """Queue the copy of a buffer from the GPU to the host."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(buffer.host.ctypes.data, buffer.address, buffer.nbytes, kind)

    def capture(self, work: Callable[[], None]) -> "Graph":
        """Record what ``work`` queues instead of running it.

        Raises:
            DistillMatchError: something in it cannot be recorded. The stream goes on working.
        """
        # Thread-local: what other threads of the process do meanwhile neither enters nor voids the graph.
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _call(cudart.cudaStreamBeginCapture, self._stream, mode)
        try:
            work()
            recorded = _call(cudart.cudaStreamEndCapture, self._stream)
        except DistillMatchError:
            cudart.cudaStreamEndCapture(
                self._stream
            )  # fails where the recording has ended: all the same here
            cudart.cudaGetLastError()  # else the next call would report this failure as its own
            raise
        try:
            return Graph(_call(cudart.cudaGraphInstantiate, recorded, 0), self._stream)
        finally:
            _call(cudart.cudaGraphDestroy, recorded)

    def wait(self) -> None:
        """Wait until everything queued is done."""
        _call(cudart.cudaStreamSynchronize, self._stream)

    def free(self) -> None:
        """Give the stream back."""
        _call(cudart.cudaStreamDestroy, self._stream)

    def _copy(self, target: int, source: int, nbytes: int, kind: Any) -> None:
        _call(cudart.cudaMemcpyAsync, target, source, nbytes, kind, self._stream)


class Graph:
    """Recorded work, queued as a whole: one call instead of one for each kernel."""

    def __init__(self, executable: Any, stream: Any) -> None:
        self._executable = executable
        self._stream = stream

    def launch(self) -> None:
        """Queue the work on the stream it was recorded from."""
        _call(cudart.cudaGraphLaunch, self._executable, self._stream)

    def free(self) -> None:
        """Give the graph back."""
        _call(cudart.cudaGraphExecDestroy, self._executable)


def _call(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """Call a function of the CUDA runtime; gives the value behind the error code, or None."""
    error, *values = function(*arguments)
    if error != cudart.cudaError_t.cudaSuccess:
        _, text = cudart.cudaGetErrorString(error)
        reason = text.decode() if isinstance(text, bytes) else str(error)
        raise DistillMatchError(f"the GPU rejected {function.__name__}: {reason}")
    return values[0] if values else None
