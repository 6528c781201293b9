"""The logic of the runner and the builder, against in-memory doubles of TensorRT and CUDA.

The doubles prove what the program does with what it is told; they prove nothing about TensorRT or a GPU.
"""

import _thread
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from cuda_double import CudaDouble, cudaError_t
from tensorrt_double import BuilderFlag, MemoryPoolType, TensorRtDouble
from tiny_network import HEIGHT, WIDTH, WriteNetwork, tiny_graph

from distillmatch_ros.engines import Engine, open_engine
from distillmatch_ros.engines.onnx import OnnxEngine
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.plans import BuildOptions
from distillmatch_ros.errors import DistillMatchError


@pytest.fixture
def network(write_network: WriteNetwork) -> Path:
    return write_network(precision="fp16")


def open_tensorrt(network: Path) -> Engine:
    return open_engine(network, backend="tensorrt")


def images(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    visible, thermal = np.random.default_rng(seed).random((2, HEIGHT, WIDTH), np.float32)
    return visible, thermal


def test_the_runner_moves_every_pair_in_and_out(trt: TensorRtDouble, cuda: CudaDouble, network: Path) -> None:
    engine, reference = open_tensorrt(network), OnnxEngine.open(network, threads=1)
    results = [engine(*images(seed)) for seed in range(3)]
    # Compared after all ran: results must not be views of buffers that the next pair overwrites.
    for seed, found in enumerate(results):
        expected = reference(*images(seed))
        for name in ("visible_points", "thermal_points", "confidence"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert engine.info.device == "TensorRT 10.3.0 on Imagined Orin"
    assert replace(engine.info, device="") == replace(reference.info, device="")


def test_a_pair_costs_one_launch_and_one_synchronisation(
    trt: TensorRtDouble, cuda: CudaDouble, network: Path
) -> None:
    engine = open_tensorrt(network)
    cuda.calls.clear()
    engine(*images())
    assert cuda.calls == {"cudaGraphLaunch": 1, "cudaStreamSynchronize": 1}


def test_closing_gives_everything_back(trt: TensorRtDouble, cuda: CudaDouble, network: Path) -> None:
    engine = open_tensorrt(network)
    assert cuda.live
    engine.close()
    assert not cuda.live


@pytest.mark.parametrize(
    "function", ["cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"]
)
def test_without_a_graph_it_runs_all_the_same(
    trt: TensorRtDouble, cuda: CudaDouble, network: Path, function: str, caplog: pytest.LogCaptureFixture
) -> None:
    cuda.broken[function] = cudaError_t.cudaErrorStreamCaptureInvalidated
    engine = open_tensorrt(network)
    assert f"without a CUDA graph, which is slower: the GPU refused {function}" in caplog.text
    assert engine(*images()).confidence[0] == pytest.approx(images()[0].mean(), abs=1e-6)
    engine.close()
    assert not cuda.live


def test_a_network_that_cannot_be_recorded_runs_all_the_same(
    trt: TensorRtDouble, cuda: CudaDouble, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trt.IExecutionContext.execute_async_v3
    monkeypatch.setattr(
        trt.IExecutionContext,
        "execute_async_v3",
        lambda self, stream: not cuda._recording and run(self, stream),
    )
    engine = open_tensorrt(network)
    assert engine(*images()).confidence[1] == pytest.approx(images()[1].mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Runtime", "TensorRT does not start"),
        ("deserialize_cuda_engine", "TensorRT cannot load it (deserialize_cuda_engine is broken)"),
        ("get_tensor_dtype", "visible is not float32"),
        ("create_execution_context", "TensorRT cannot run it (create_execution_context is broken)"),
        ("set_tensor_address", "does not take the buffer (set_tensor_address is broken)"),
        ("execute_async_v3", "could not run the network (execute_async_v3 is broken)"),
        ("parse", "cannot read it: Frobnicate node_7: no importer (parse is broken)"),
        ("build_serialized_network", "cannot build an engine (build_serialized_network is broken)"),
    ],
)
def test_what_tensorrt_refuses_is_said_in_its_words(
    trt: TensorRtDouble, cuda: CudaDouble, network: Path, method: str, message: str
) -> None:
    trt.broken.add(method)
    with pytest.raises(DistillMatchError) as caught:
        open_tensorrt(network)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cuda.live


def test_memory_that_the_gpu_does_not_have(trt: TensorRtDouble, cuda: CudaDouble, network: Path) -> None:
    cuda.broken["cudaMallocHost"] = cudaError_t.cudaErrorMemoryAllocation
    with pytest.raises(DistillMatchError, match="refused cudaMallocHost: cudaErrorMemoryAllocation"):
        open_tensorrt(network)
    assert not cuda.live


def test_a_plan_of_another_network_size_is_refused(trt: TensorRtDouble, network: Path) -> None:
    """Buffers are allocated by the sidecar: a plan that wants larger ones would write beyond them."""
    open_tensorrt(network)
    [plan] = plans()
    sidecar = json.loads(plan.with_suffix(".json").read_text())
    sidecar["metadata"]["slots"] = "50"
    plan.with_suffix(".json").write_text(json.dumps(sidecar))
    with pytest.raises(DistillMatchError, match="its tensors are"):
        open_engine(plan)


def test_the_build_is_strongly_typed_and_as_asked(trt: TensorRtDouble, network: Path) -> None:
    from distillmatch_ros.engines.build import prepare

    prepare(OnnxFile.read(network), BuildOptions(level=5, workspace_mib=256))
    [(flags, config, data)] = trt.built
    assert flags == 1 << trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert config.builder_optimization_level == 5
    assert config.pools == {MemoryPoolType.WORKSPACE: 256 << 20}
    assert config.flags == {BuilderFlag.TF32}
    assert data == network.read_bytes()


def test_a_float32_engine_is_float32(trt: TensorRtDouble, write_network: WriteNetwork) -> None:
    open_tensorrt(write_network(precision="fp32"))
    [(_, config, _)] = trt.built
    assert config.flags == set()


def test_a_graph_that_tensorrt_cannot_run_is_not_even_tried(
    trt: TensorRtDouble, write_network: WriteNetwork
) -> None:
    graph = tiny_graph()
    graph.node.append(onnx.helper.make_node("NonZero", ["visible"], ["where"], name="find"))
    with pytest.raises(DistillMatchError, match="NonZero find"):
        open_tensorrt(write_network(graph))
    assert not trt.built


def test_an_engine_is_built_once(
    trt: TensorRtDouble, network: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_tensorrt(network)
    caplog.clear()
    caplog.set_level(logging.INFO)
    assert open_engine(network).info.device.startswith("TensorRT")
    assert len(trt.built) == 1
    assert "runs on TensorRT 10.3.0 on Imagined Orin; it is the fastest" in caplog.text


def test_other_options_build_again_and_none_take_what_is_there(trt: TensorRtDouble, network: Path) -> None:
    from distillmatch_ros.engines.build import prepare

    file = OnnxFile.read(network)
    assert prepare(file, BuildOptions(level=1)).build_seconds is not None
    assert prepare(file, BuildOptions(level=1)).build_seconds is None
    assert prepare(file, None).build_seconds is None
    assert prepare(file, BuildOptions(level=2)).build_seconds is not None
    assert len(plans()) == 1


@pytest.mark.parametrize("change", ["gpu", "compute capability", "tensorrt", "network"])
def test_another_machine_or_network_builds_its_own(
    trt: TensorRtDouble, cuda: CudaDouble, network: Path, write_network: WriteNetwork, change: str
) -> None:
    open_tensorrt(network)
    if change == "gpu":
        cuda.name = b"Imagined Thor"
    elif change == "compute capability":
        cuda.minor = 9
    elif change == "tensorrt":
        trt.__version__ = "11.4.0.106"
    else:
        write_network(precision="fp16", weights_sha256="1" * 64)
    open_tensorrt(network)
    assert len(trt.built) == len(plans()) == 2


def test_a_plan_taken_to_another_machine_is_refused(
    trt: TensorRtDouble, cuda: CudaDouble, network: Path, tmp_path: Path
) -> None:
    open_tensorrt(network)
    [plan] = plans()
    for file in (plan, plan.with_suffix(".json")):
        shutil.copy(file, tmp_path / f"robot{file.suffix}")
    assert open_engine(tmp_path / "robot.plan").info.device == "TensorRT 10.3.0 on Imagined Orin"
    cuda.name = b"Imagined Thor"
    with pytest.raises(
        DistillMatchError, match=r"robot\.plan: was built for Imagined Orin .* is Imagined Thor"
    ):
        open_engine(tmp_path / "robot.plan")


@pytest.mark.parametrize("damage", ["plan cut off", "sidecar cut off", "sidecar gone", "sidecar of a list"])
def test_a_damaged_plan_is_built_again_with_a_warning(
    trt: TensorRtDouble, network: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_tensorrt(network)
    [plan] = plans()
    sidecar = plan.with_suffix(".json")
    if damage == "plan cut off":
        plan.write_bytes(plan.read_bytes()[:-1])
    elif damage == "sidecar cut off":
        sidecar.write_bytes(sidecar.read_bytes()[:-40])
    elif damage == "sidecar gone":
        sidecar.unlink()
    else:
        sidecar.write_text("[]")
    caplog.clear()
    open_tensorrt(network)
    assert len(trt.built) == 2
    assert plan.stem in caplog.text
    caplog.clear()
    open_tensorrt(network)
    assert caplog.text == ""


def test_a_whole_plan_that_does_not_load_is_built_again(
    trt: TensorRtDouble, network: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from distillmatch_ros.engines.build import prepare

    prepare(OnnxFile.read(network))
    load, tried = trt.Runtime.deserialize_cuda_engine, []

    def refuse_first(self: object, data: bytes) -> object:
        tried.append(data)
        return None if len(tried) == 1 else load(self, data)

    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", refuse_first)
    assert prepare(OnnxFile.read(network)).build_seconds is not None
    assert "TensorRT cannot load it" in caplog.text and "building it now" in caplog.text


def test_what_a_build_measured_serves_the_next(
    trt: TensorRtDouble, network: Path, cache_folder: Path
) -> None:
    open_tensorrt(network)
    [timing] = cache_folder.glob("*.timing")
    assert timing.read_bytes() == b"measured"
    given = []
    trt.on_step = lambda: given.append(trt.built[-1][1].timing.serialize())
    for content, expected in ((b"measured", b"measured"), (b"foreign", b"")):
        timing.write_bytes(content)
        [plan] = plans()
        plan.unlink()
        open_tensorrt(network)
        assert given[-1] == expected


def test_progress_is_told_and_an_interrupt_ends_the_build(trt: TensorRtDouble, network: Path) -> None:
    from distillmatch_ros.engines.build import prepare

    told: list[tuple[str, int, int]] = []
    prepare(OnnxFile.read(network), on_progress=lambda *progress: told.append(progress))
    assert told == [("Building", done, 3) for done in (0, 1, 2, 3, 3)]

    def interrupt_once() -> None:
        """Ctrl-C in the first step; the next one is as long as it takes to be told to stop."""
        trt.on_step = lambda: trt.built[-1][1].progress_monitor._stopped.wait(timeout=10)
        _thread.interrupt_main()

    trt.on_step = interrupt_once
    with pytest.raises(KeyboardInterrupt):
        prepare(OnnxFile.read(network), BuildOptions(level=0))
    [plan] = plans()
    assert json.loads(plan.with_suffix(".json").read_text())["key"]["options"]["level"] == 3


def test_a_broken_progress_bar_does_not_reach_the_builder(trt: TensorRtDouble, network: Path) -> None:
    from distillmatch_ros.engines.build import prepare

    def broken(phase: str, done: int, steps: int) -> None:
        raise ValueError("no terminal")

    assert prepare(OnnxFile.read(network), on_progress=broken).build_seconds is not None


def plans() -> list[Path]:
    from distillmatch_ros.engines.plans import PlanCache

    return sorted(PlanCache().folder.glob("*.plan"))
