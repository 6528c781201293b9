"""An in-memory double of ``cuda.bindings.runtime``: it proves the program's logic, and nothing about a GPU.

It holds the functions that the program uses and no others; test_api_conformance.py compares them with the
real bindings. "Device memory" is host memory of its own, and queued work runs at the next synchronisation:
who reads too early reads old values.
"""

# ruff: noqa: N801, N802, N803, N815 (CUDA's names)

import ctypes
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100
    cudaErrorStreamCaptureInvalidated = 901


class cudaMemcpyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaStreamCaptureMode(IntEnum):
    cudaStreamCaptureModeThreadLocal = 1


Work = Callable[[], None]
OK = (cudaError_t.cudaSuccess,)


class CudaDouble:
    """The functions of ``cuda.bindings.runtime`` on one imagined device.

    Attributes:
        broken: functions that fail, and with what.
        calls: how often each function was called.
        live: what was allocated or made, and not given back yet.
    """

    cudaStreamNonBlocking = 1
    cudaError_t = cudaError_t
    cudaMemcpyKind = cudaMemcpyKind
    cudaStreamCaptureMode = cudaStreamCaptureMode

    def __init__(self) -> None:
        self.broken: dict[str, cudaError_t] = {}
        self.calls: Counter[str] = Counter()
        self.live: dict[int, Any] = {}
        self.name, self.major, self.minor, self.devices = b"Imagined Orin", 8, 7, 1
        self._queued: dict[int, list[Work]] = {}
        self._recording: dict[int, list[Work]] = {}

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if not callable(value) or not name.startswith("cuda") or name.endswith(("_t", "Kind", "Mode")):
            return value

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls[name] += 1
            if name not in self.broken:
                return value(*arguments)
            if name == "cudaStreamEndCapture":
                self._recording.clear()  # a recording that fails has ended all the same
            return self.broken[name], None

        call.__name__ = name
        return call

    def queue(self, stream: int, work: Work) -> None:
        """What a library does with a stream: its work waits there, or is recorded."""
        self._recording.get(stream, self._queued[stream]).append(work)

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:
        return (*OK, self.devices) if self.devices else (cudaError_t.cudaErrorNoDevice, None)

    def cudaGetDevice(self) -> tuple[Any, ...]:
        return *OK, 0

    def cudaGetDeviceProperties(self, device: int) -> tuple[Any, ...]:
        return *OK, SimpleNamespace(name=self.name, major=self.major, minor=self.minor)

    def cudaGetErrorString(self, error: cudaError_t) -> tuple[Any, ...]:
        return *OK, error.name.encode()

    def cudaGetLastError(self) -> tuple[Any, ...]:
        return OK

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        return *OK, self._keep(ctypes.create_string_buffer(size))

    def cudaMallocHost(self, size: int) -> tuple[Any, ...]:
        return *OK, self._keep(ctypes.create_string_buffer(size))

    def cudaFree(self, devPtr: int) -> tuple[Any, ...]:
        del self.live[devPtr]
        return OK

    def cudaFreeHost(self, ptr: int) -> tuple[Any, ...]:
        del self.live[ptr]
        return OK

    def cudaMemcpyAsync(
        self, dst: int, src: int, count: int, kind: cudaMemcpyKind, stream: int
    ) -> tuple[Any, ...]:
        assert dst in self.live and src in self.live
        self.queue(stream, lambda: ctypes.memmove(dst, src, count))
        return OK

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        assert flags == self.cudaStreamNonBlocking
        stream = 1000 + len(self._queued)
        self._queued[stream] = self.live[stream] = []
        return *OK, stream

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        del self.live[stream]
        return OK

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        assert stream not in self._recording
        queued, self._queued[stream][:] = list(self._queued[stream]), []
        for work in queued:
            work()
        return OK

    def cudaStreamBeginCapture(self, stream: int, mode: cudaStreamCaptureMode) -> tuple[Any, ...]:
        self._recording[stream] = []
        return OK

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, ...]:
        recorded = self._recording.pop(stream, None)
        if recorded is None:
            return cudaError_t.cudaErrorStreamCaptureInvalidated, None
        graph = 2000 + len(self.live)
        self.live[graph] = recorded
        return *OK, graph

    def cudaGraphInstantiate(self, graph: int, flags: int) -> tuple[Any, ...]:
        executable = 3000 + len(self.live)
        self.live[executable] = list(self.live[graph])
        return *OK, executable

    def cudaGraphLaunch(self, graphExec: int, stream: int) -> tuple[Any, ...]:
        for work in self.live[graphExec]:
            self.queue(stream, work)
        return OK

    def cudaGraphDestroy(self, graph: int) -> tuple[Any, ...]:
        del self.live[graph]
        return OK

    def cudaGraphExecDestroy(self, graphExec: int) -> tuple[Any, ...]:
        del self.live[graphExec]
        return OK

    def _keep(self, memory: Any) -> int:
        address = ctypes.addressof(memory)
        self.live[address] = memory
        return address
