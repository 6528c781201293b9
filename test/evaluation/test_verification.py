"""Backends side by side: real ONNX Runtime, real PyTorch, and TensorRT's double."""

import json
from importlib.util import find_spec
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.tensorrt_double import TensorRtDouble
from support.tiny_network import HEIGHT, WIDTH, WriteNetwork, tiny_graph
from typer.testing import CliRunner

from distillmatch_ros.cli import app
from distillmatch_ros.cli.schemas import schema
from distillmatch_ros.engines import open_engine
from distillmatch_ros.evaluation.verification import STEPS, Comparison, Verification, verify

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def pairs() -> list[Pair]:
    """Both cameras see the same, as the tiny network believes."""
    scenes = [np.random.default_rng(seed).normal(127, 400, (2 * HEIGHT, 2 * WIDTH)) for seed in (0, 1)]
    smooth = [np.clip(cv2.GaussianBlur(scene, (0, 0), 3), 0, 255).astype(np.uint8) for scene in scenes]
    return [(scene, 255 - scene) for scene in smooth]


def shifted(by_px: float) -> onnx.GraphProto:
    """The tiny network, whose thermal points lie off by so much."""
    graph = tiny_graph()
    grid = numpy_helper.to_array(graph.initializer[0]) + np.float32([by_px, 0])
    graph.initializer.append(numpy_helper.from_array(grid.astype(np.float32), "moved"))
    graph.node[1].input[0] = "moved"
    return graph


def write_half(write_network: WriteNetwork, by_px: float = 0.0, **changes: str) -> Path:
    """The half-precision graph beside the tiny network, which is written last; gives the network."""
    half = write_network(shifted(by_px), precision="fp16", **changes)
    half.rename(half.with_name("tiny_fp16.onnx"))
    return write_network()


def of(verification: Verification, backend: str) -> Comparison:
    [found] = [compared for compared in verification.compared if compared.backend == backend]
    return found


def test_a_backend_that_agrees(
    without_tensorrt: None, write_network: WriteNetwork, pairs: list[Pair]
) -> None:
    done: list[None] = []
    verification = verify(write_half(write_network), pairs, 1, on_backend=lambda: done.append(None))
    half = of(verification, "ONNX Runtime, half precision")
    assert (half.faults, half.found, half.points_px, half.corners_px) == ((), 1.0, 0.0, 0.0)
    assert (half.same_status, half.pairs) == (2, 2)
    assert verification.reference.precision == "fp32"
    assert "tensorrt" in verification.absent["TensorRT"]
    missing = "tiny.pt: no such file" if find_spec("torch") else "PyTorch"
    assert missing in verification.absent["PyTorch"]
    assert len(done) == STEPS


def test_distances_are_network_pixels_and_limits_hold(
    without_tensorrt: None, write_network: WriteNetwork, pairs: list[Pair]
) -> None:
    """The images are twice as large as the network's input; half a pixel is half a pixel of the network."""
    half = of(verify(write_half(write_network, 0.5), pairs, 1), "ONNX Runtime, half precision")
    assert half.points_px == pytest.approx(0.5, abs=1e-3)
    assert any(fault.startswith("points_px is 0.5, the limit is 0.1") for fault in half.faults)


def test_matches_somewhere_else_are_not_found(
    without_tensorrt: None, write_network: WriteNetwork, pairs: list[Pair]
) -> None:
    half = of(verify(write_half(write_network, 4.5), pairs, 1), "ONNX Runtime, half precision")
    assert half.found == 0
    assert half.points_px is None
    assert any(fault.startswith("found is 0") for fault in half.faults)


def test_an_engine_that_is_built_is_verified(
    trt: TensorRtDouble, write_network: WriteNetwork, pairs: list[Pair]
) -> None:
    network = write_half(write_network)
    assert "no engine for Imagined Orin" in verify(network, pairs, 1).absent["TensorRT"]
    open_engine(network, backend="tensorrt")
    built = of(verify(network, pairs, 1), "TensorRT")
    assert built.faults == ()
    assert built.info is not None and built.info.precision == "fp16"
    trt.broken.add("deserialize_cuda_engine")
    broken = of(verify(network, pairs, 1), "TensorRT")
    assert "TensorRT cannot load it" in broken.faults[0]


@pytest.fixture
def folder(tmp_path: Path, pairs: list[Pair]) -> Path:
    import cv2

    for side in (0, 1):
        (tmp_path / "pairs" / ("visible", "thermal")[side]).mkdir(parents=True)
        for index, pair in enumerate(pairs):
            name = tmp_path / "pairs" / ("visible", "thermal")[side] / f"{index}.png"
            cv2.imwrite(str(name), pair[side])
    return tmp_path / "pairs"


@pytest.mark.parametrize(("by_px", "code"), [(0.0, 0), (0.5, 1)])
def test_the_command_tells_by_its_exit_code(
    without_tensorrt: None, write_network: WriteNetwork, folder: Path, by_px: float, code: int
) -> None:
    model = str(write_half(write_network, by_px))
    result = CliRunner().invoke(app, ["verify", str(folder), "--model", model, "--json", "-"])
    assert result.exit_code == code, result.output
    record = json.loads(result.stdout)
    jsonschema.validate(record, schema("verify"))
    assert bool(record["compared"][0]["faults"]) == bool(code)
    shown = CliRunner().invoke(app, ["verify", str(folder), "--model", model])
    assert shown.exit_code == code
    assert ("points_px is 0.5" in shown.stdout) == bool(code)


def test_build_engine_builds_once_and_says_where(
    trt: TensorRtDouble, write_network: WriteNetwork, cache_folder: Path
) -> None:
    command = ["build-engine", str(write_half(write_network)), "--json", "-"]
    first, second = (json.loads(CliRunner().invoke(app, command).stdout) for _ in range(2))
    assert first["seconds"] is not None and second["seconds"] is None
    assert first["precision"] == "fp16"
    assert Path(first["plan"]).parent == cache_folder
    jsonschema.validate(first, schema("build-engine"))
    full = json.loads(CliRunner().invoke(app, [*command, "--precision", "fp32"]).stdout)
    assert full["precision"] == "fp32" and full["plan"] != first["plan"]


def test_build_engine_without_what_it_needs(without_tensorrt: None, write_network: WriteNetwork) -> None:
    for options, reason in (
        ([], "TensorRT with cuda-python and onnx is not installed here"),
        (["--precision", "fp16"], "tiny_fp16.onnx: no half-precision graph"),
    ):
        result = CliRunner().invoke(app, ["build-engine", str(write_network()), *options])
        assert result.exit_code == 2
        line = result.stderr.strip()
        assert reason in line and "\n" not in line
