"""Builds TensorRT plans from ONNX networks into the cache."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import perf_counter

import onnx
import tensorrt as trt

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.lint import check_graph
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.plans import BuildOptions, Key, Machine, OnProgress, Plan, PlanCache
from distillmatch_ros.engines.tensorrt import Log, TensorRtEngine, start, this_machine

REMEDY = (
    "free GPU memory, or try --workspace 256 --level 1; if an operator is unknown, update TensorRT, or "
    "use --backend onnx"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """An engine that is ready to run.

    Attributes:
        engine: the open engine; the caller closes it.
        plan: the plan it runs.
        build_seconds: build time, s; None if the plan was in the cache.
    """

    engine: TensorRtEngine
    plan: Plan
    build_seconds: float | None


def prepare(
    network: OnnxFile,
    options: BuildOptions | None = None,
    on_progress: OnProgress = lambda phase, done, steps: None,
    cache: PlanCache | None = None,
) -> Prepared:
    """Open the engine of a network, building it unless the cache holds one that works.

    Args:
        network: the exported network.
        options: build options; None accepts a cached plan built with any options.
        on_progress: called from the builder's threads with its progress.
        cache: cache of plans; by default the user's.

    Raises:
        BackendMissingError: there is no CUDA device.
        DistillMatchError: the cache cannot be written, or TensorRT cannot build the network.
    """
    machine, cache = this_machine(), cache or PlanCache()
    wanted = Key(network.sha256(), machine, options or BuildOptions(), _flags(network))
    with cache.building():
        plan = cache.find(network, machine)
        if plan is not None and (options is None or plan.key == wanted):
            try:
                return Prepared(TensorRtEngine(plan), plan, None)
            except DistillMatchError as error:
                _log.warning("%s; building it now", error)
        began = perf_counter()
        data = _build(network, wanted, cache, on_progress)
        seconds = perf_counter() - began
        plan = Plan(cache.path(network, machine), data, wanted, network.metadata)
        plan.write()
    return Prepared(TensorRtEngine(plan), plan, seconds)


def build_and_open(path: Path, threads: int | None = None) -> TensorRtEngine:
    """Build the engine of an ONNX file, preferably of its half-precision graph, and open it.

    Args:
        path: the ONNX file.
        threads: has no effect.

    Raises:
        BackendMissingError: there is no CUDA device.
        DistillMatchError: the cache cannot be written, or TensorRT cannot build the network.
    """
    network = OnnxFile.read(path)
    graph = network.in_half() or network
    _log.warning("%s: building an engine for %s, which takes minutes", graph.path, this_machine())
    return prepare(graph).engine


class _Progress(trt.IProgressMonitor):
    """Forwards the builder's progress and lets it be stopped. Exceptions must not reach the C++ builder."""

    def __init__(self, on_progress: OnProgress) -> None:
        trt.IProgressMonitor.__init__(self)
        self._on_progress = on_progress
        self._steps: dict[str, int] = {}
        self._stopped = Event()

    def stop(self) -> None:
        self._stopped.set()

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """Called by TensorRT."""
        self._steps[phase_name] = num_steps
        self._report(phase_name, 0)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Called by TensorRT; False ends the build."""
        self._report(phase_name, step + 1)
        return not self._stopped.is_set()

    def phase_finish(self, phase_name: str) -> None:
        """Called by TensorRT."""
        self._report(phase_name, self._steps.get(phase_name, 0))

    def _report(self, phase: str, done: int) -> None:
        with suppress(Exception):  # an error of the progress bar must not end the process
            self._on_progress(phase, done, self._steps.get(phase, 0))


def _flags(network: OnnxFile) -> tuple[str, ...]:
    """Names of the builder flags for a network.

    TF32 multiplies with a 10-bit mantissa, the precision that half-precision blocks have anyway. A float32
    network serves as reference: TF32 is off for it.
    """
    return ("TF32",) if network.info.precision == "fp16" else ()


def _build(network: OnnxFile, key: Key, cache: PlanCache, on_progress: OnProgress) -> bytes:
    """Build in a thread: Ctrl-C does not interrupt the builder, its progress monitor does."""
    check_graph(network.path, onnx.load_model_from_string(network.data))
    progress = _Progress(on_progress)
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(_run_builder, network, key, cache, progress)
        try:
            return building.result()
        except KeyboardInterrupt:
            progress.stop()
            raise


def _run_builder(network: OnnxFile, key: Key, cache: PlanCache, progress: _Progress) -> bytes:
    log = Log()
    builder = start(trt.Builder, log)
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, log)
    if not parser.parse(network.data):
        raise log.failure(f"{network.path}: TensorRT cannot read it: {_parser_errors(parser)}", REMEDY)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, key.options.workspace_mib << 20)
    config.builder_optimization_level = key.options.level
    config.progress_monitor = progress
    config.clear_flag(trt.BuilderFlag.TF32)
    for flag in key.flags:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    _set_timing_cache(config, cache.read_timing(key.machine))
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise log.failure(f"{network.path}: TensorRT cannot build an engine", REMEDY)
    _keep_timing_cache(config, cache, key.machine)
    return bytes(plan)


def _parser_errors(parser: trt.OnnxParser) -> str:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    return "; ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors)


def _set_timing_cache(config: trt.IBuilderConfig, measured: bytes) -> None:
    """Start from earlier timing measurements; an incompatible cache is ignored and only costs time."""
    for content in (measured, b""):
        timing = config.create_timing_cache(content)
        if timing is not None and config.set_timing_cache(timing, False):
            return


def _keep_timing_cache(config: trt.IBuilderConfig, cache: PlanCache, machine: Machine) -> None:
    timing = config.get_timing_cache()
    measured = None if timing is None else timing.serialize()
    if measured is not None:
        cache.write_timing(machine, bytes(measured))
