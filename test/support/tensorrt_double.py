"""An in-memory double of the ``tensorrt`` package: it proves the program's logic, and nothing about TensorRT.

Its classes hold the names that the program uses and no others; test_api_conformance.py compares them with
real releases. Its "plan" is the ONNX file behind a mark, and its "kernels" are ONNX Runtime on the CPU: what
the real runner code moves in and out can be compared with what the network says.
"""

import ctypes
from enum import IntEnum
from typing import Any

import numpy as np
import onnxruntime
from support.cuda_double import CudaDouble

MARK = b"imagined plan "


class ILogger:
    class Severity(IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class TensorIOMode(IntEnum):
    INPUT = 1
    OUTPUT = 2


class DataType(IntEnum):
    FLOAT = 0
    HALF = 1


class NetworkDefinitionCreationFlag(IntEnum):
    STRONGLY_TYPED = 1


class MemoryPoolType(IntEnum):
    WORKSPACE = 0


class BuilderFlag(IntEnum):
    TF32 = 7


class ITimingCache:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def serialize(self) -> bytes:
        return self._content


class ParserError:
    def node_name(self) -> str:
        return "node_7"

    def node_operator(self) -> str:
        return "Frobnicate"

    def desc(self) -> str:
        return "no importer"


class TensorRtDouble:
    """The module ``tensorrt``.

    Attributes:
        broken: what gives None or False: names of methods.
        built: each build's network flags, config and data.
        on_step: called at each step of a build, from the builder's thread.
    """

    ILogger, IProgressMonitor = ILogger, IProgressMonitor
    TensorIOMode, DataType = TensorIOMode, DataType
    NetworkDefinitionCreationFlag, MemoryPoolType = NetworkDefinitionCreationFlag, MemoryPoolType
    BuilderFlag = BuilderFlag

    def __init__(self, cuda: CudaDouble) -> None:
        self.__version__ = "10.3.0"
        self.broken: set[str] = set()
        self.built: list[Any] = []
        self.on_step = lambda: None
        double = self

        def works(name: str, logger: ILogger) -> bool:
            if name in double.broken:
                logger.log(ILogger.Severity.ERROR, f"{name} is broken")
            return name not in double.broken

        class INetworkDefinition:
            def __init__(self) -> None:
                self.data = b""

        class OnnxParser:
            num_errors = 0

            def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
                self._network, self._logger = network, logger

            def parse(self, model: bytes, path: str | None = None) -> bool:
                self._network.data = model
                self.num_errors = int("parse" in double.broken)
                return works("parse", self._logger)

            def get_error(self, index: int) -> ParserError:
                return ParserError()

        class IBuilderConfig:
            builder_optimization_level = 3
            progress_monitor: IProgressMonitor | None = None

            def __init__(self) -> None:
                self.flags = {BuilderFlag.TF32}
                self.pools: dict[MemoryPoolType, int] = {}
                self.timing: ITimingCache | None = None

            def set_flag(self, flag: BuilderFlag) -> None:
                self.flags.add(flag)

            def clear_flag(self, flag: BuilderFlag) -> None:
                self.flags.discard(flag)

            def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
                self.pools[pool] = pool_size

            def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
                return (
                    None if b"foreign" in serialized_timing_cache else ITimingCache(serialized_timing_cache)
                )

            def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
                self.timing = cache
                return True

            def get_timing_cache(self) -> ITimingCache | None:
                return self.timing

        class Builder:
            def __init__(self, logger: ILogger) -> None:
                self._logger = logger
                self._flags = 0

            def create_network(self, flags: int = 0) -> INetworkDefinition:
                self._flags = flags
                return INetworkDefinition()

            def create_builder_config(self) -> IBuilderConfig:
                return IBuilderConfig()

            def build_serialized_network(
                self, network: INetworkDefinition, config: IBuilderConfig
            ) -> bytes | None:
                double.built.append((self._flags, config, network.data))
                monitor = config.progress_monitor
                assert monitor is not None
                monitor.phase_start("Building", None, 3)
                for step in range(3):
                    double.on_step()
                    if not monitor.step_complete("Building", step):
                        return None
                monitor.phase_finish("Building")
                config.timing = ITimingCache(b"measured")
                if not works("build_serialized_network", self._logger):
                    return None
                return MARK + network.data

        class IExecutionContext:
            def __init__(self, engine: "ICudaEngine") -> None:
                self._engine = engine
                self._addresses: dict[str, int] = {}

            def set_tensor_address(self, name: str, memory: int) -> bool:
                self._addresses[name] = memory
                return works("set_tensor_address", self._engine.logger)

            def execute_async_v3(self, stream_handle: int) -> bool:
                if not works("execute_async_v3", self._engine.logger):
                    return False
                cuda.queue(stream_handle, self._compute)
                return True

            def _compute(self) -> None:
                session = self._engine.session

                def memory(value: Any) -> Any:
                    size = int(np.prod(value.shape)) * 4
                    return (ctypes.c_byte * size).from_address(self._addresses[value.name])

                inputs = {
                    value.name: np.frombuffer(memory(value), np.float32).reshape(value.shape)
                    for value in session.get_inputs()
                }
                outputs = session.run(None, inputs)
                for value, result in zip(session.get_outputs(), outputs, strict=True):
                    memory(value)[:] = np.ascontiguousarray(result).tobytes()

        class ICudaEngine:
            num_io_tensors = 0

            def __init__(self, model: bytes, logger: ILogger) -> None:
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = 1
                self.session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
                self.logger = logger
                self._values = [
                    *((TensorIOMode.INPUT, value) for value in self.session.get_inputs()),
                    *((TensorIOMode.OUTPUT, value) for value in self.session.get_outputs()),
                ]
                self.num_io_tensors = len(self._values)

            def get_tensor_name(self, index: int) -> str:
                return self._values[index][1].name

            def get_tensor_mode(self, name: str) -> TensorIOMode:
                return next(mode for mode, value in self._values if value.name == name)

            def get_tensor_shape(self, name: str) -> list[int]:
                return next(value.shape for _, value in self._values if value.name == name)

            def get_tensor_dtype(self, name: str) -> DataType:
                return DataType.HALF if "get_tensor_dtype" in double.broken else DataType.FLOAT

            def create_execution_context(self) -> IExecutionContext | None:
                return IExecutionContext(self) if works("create_execution_context", self.logger) else None

        class Runtime:
            def __init__(self, logger: ILogger) -> None:
                if "Runtime" in double.broken:
                    raise TypeError("pybind11::init(): factory function returned nullptr")
                self._logger = logger

            def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
                assert cuda.calls["cudaGetDeviceCount"], "without a driver this ends the process"
                if not works("deserialize_cuda_engine", self._logger):
                    return None
                return ICudaEngine(serialized_engine.removeprefix(MARK), self._logger)

        self.Builder, self.IBuilderConfig, self.OnnxParser = Builder, IBuilderConfig, OnnxParser
        self.Runtime, self.ICudaEngine, self.IExecutionContext = Runtime, ICudaEngine, IExecutionContext
        self.INetworkDefinition, self.ITimingCache, self.ParserError = (
            INetworkDefinition,
            ITimingCache,
            ParserError,
        )
