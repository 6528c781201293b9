"""The logic of the builder and its cache, against in-memory doubles of TensorRT and CUDA.

The doubles prove what the program does with what it is told; they prove nothing about TensorRT or a GPU.
"""

import _thread
import json
import logging
import shutil
from pathlib import Path

import onnx
import pytest
from support.built_engines import open_tensorrt, plans
from support.cuda_double import CudaDouble
from support.tensorrt_double import BuilderFlag, MemoryPoolType, TensorRtDouble
from support.tiny_network import WriteNetwork, tiny_graph

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.onnx_file import OnnxFile
from distillmatch_ros.engines.plans import BuildOptions


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
    assert "runs on TensorRT 10.3.0 on Imagined Orin" in caplog.text


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


def test_a_plan_taken_to_another_machine_is_rejected(
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

    def reject_first(self: object, data: bytes) -> object:
        tried.append(data)
        return None if len(tried) == 1 else load(self, data)

    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", reject_first)
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


@pytest.mark.slow
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
