"""The logic of the runner, against in-memory doubles of TensorRT and CUDA.

The doubles prove what the program does with what it is told; they prove nothing about TensorRT or a GPU.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.built_engines import open_tensorrt, plans
from support.cuda_double import CudaDouble, cudaError_t
from support.tensorrt_double import TensorRtDouble
from support.tiny_network import HEIGHT, WIDTH

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.onnx import OnnxEngine


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
    assert f"without a CUDA graph, which is slower: the GPU rejected {function}" in caplog.text
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
def test_what_tensorrt_rejects_is_said_in_its_words(
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
    with pytest.raises(DistillMatchError, match="rejected cudaMallocHost: cudaErrorMemoryAllocation"):
        open_tensorrt(network)
    assert not cuda.live


def test_a_plan_of_another_network_size_is_rejected(trt: TensorRtDouble, network: Path) -> None:
    """Buffers are allocated by the sidecar: a plan that wants larger ones would write beyond them."""
    open_tensorrt(network)
    [plan] = plans()
    sidecar = json.loads(plan.with_suffix(".json").read_text())
    sidecar["metadata"]["max_matches"] = "50"
    plan.with_suffix(".json").write_text(json.dumps(sidecar))
    with pytest.raises(DistillMatchError, match="its tensors are"):
        open_engine(plan)
