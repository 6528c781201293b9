"""The exported graph says the same as the network, in ONNX Runtime."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from support import ROOT

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.torch import TorchEngine
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights
from distillmatch_ros.training.export import OPSET, export


@pytest.fixture(scope="module")
def weights(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """As a file holds them: untrained, but sure at this temperature where both images show the same."""
    torch.manual_seed(0)
    config = replace(tiny_config, temperature=0.005)
    file = tmp_path_factory.mktemp("weights") / "tiny.pt"
    Weights(config, DistillMatch(config).state_dict(), steps=7).save(file)
    return Weights.load(file)


@pytest.fixture(scope="module")
def exported(made: Callable[..., Path]) -> Callable[..., Path]:
    """Exports a network, once for all processes, since it takes five seconds."""

    def path(weights: Weights, precision: str = "fp32") -> Path:
        return made(f"{weights.sha256()}_{precision}.onnx", lambda file: export(weights, file, precision))

    return path


def images() -> tuple[np.ndarray, np.ndarray]:
    """The thermal image is the visible one, moved by a cell, so that inputs cannot be mixed up."""
    image = np.random.default_rng(0).random((64, 96), np.float32)
    return image, np.roll(image, 8, axis=1)


@pytest.mark.slow
def test_the_command_says_one_line_and_writes_the_same_bytes(
    weights: Weights, exported: Callable[..., Path], tmp_path: Path
) -> None:
    """A process of its own: other libraries say once and early what they miss."""
    weights.save(tmp_path / "tiny.pt")
    done = subprocess.run(
        [sys.executable, "-m", "distillmatch_ros.cli", "export", "tiny.pt", "tiny.onnx"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout == "tiny.onnx: fp32 network of 7 steps, for --model\n"
    assert (tmp_path / "tiny.onnx").read_bytes() == exported(weights).read_bytes()


@pytest.fixture(scope="module")
def weights_with_trunk(weights: Weights) -> Weights:
    torch.manual_seed(0)
    config = replace(weights.config, trunk="efficientnet-lite0")
    network = DistillMatch(config)
    assert network.trunk is not None
    # Else it says nothing, and nothing of it would be compared.
    torch.nn.init.normal_(network.trunk.fine_projection.weight)
    torch.nn.init.normal_(network.trunk.coarse_projection.weight)
    return Weights(config, network.state_dict(), steps=7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "precision", "tolerance"),
    [
        ("weights", "fp32", 1e-3),
        ("weights_with_trunk", "fp32", 1e-3),
        # Each block of the other one too, whose half precision test/engines/ compares with shipped weights.
        ("weights_with_trunk", "fp16", 0.1),
    ],
)
def test_onnx_runtime_agrees_with_torch(
    request: pytest.FixtureRequest,
    exported: Callable[..., Path],
    network: str,
    precision: str,
    tolerance: float,
) -> None:
    weights: Weights = request.getfixturevalue(network)
    engine = open_engine(exported(weights, precision), backend="onnx")
    found, expected = engine(*images()), TorchEngine(weights.network())(*images())
    assert engine.info.precision == precision
    kept = expected.confidence > 0
    assert kept.sum() >= 5
    moved = np.median(expected.thermal_points[kept] - expected.visible_points[kept], axis=0)
    assert moved[0] > 4

    def by_place(matches: object) -> dict[tuple[int, ...], np.ndarray]:
        """Slots may change places where confidences tie; cells of the 1/8 grid name them."""
        points = np.concatenate([matches.visible_points, matches.thermal_points], axis=1)  # type: ignore[attr-defined]
        kept = matches.confidence > 0  # type: ignore[attr-defined]
        return {tuple(np.round(point / 8).astype(int)): point for point in points[kept]}

    found_points, expected_points = by_place(found), by_place(expected)
    shared = found_points.keys() & expected_points.keys()
    assert len(shared) >= 0.7 * len(expected_points)
    apart = [np.abs(found_points[cell] - expected_points[cell]).max() for cell in shared]
    assert np.median(apart) < tolerance


@pytest.mark.slow
def test_the_file_tells_what_it_is_and_not_where_it_was_made(
    weights: Weights, exported: Callable[..., Path]
) -> None:
    path = exported(weights)
    model = onnx.load(path)
    assert {opset.domain: opset.version for opset in model.opset_import}[""] == OPSET
    info = open_engine(path, backend="onnx").info
    assert (info.height, info.width, info.max_matches, info.config) == (64, 96, 16, "tiny")
    assert info.weights_hash == weights.sha256()
    assert b".py" not in path.read_bytes()


@pytest.mark.slow
def test_the_half_precision_graph_is_typed(
    weights_with_trunk: Weights, exported: Callable[..., Path]
) -> None:
    graph = onnx.load(exported(weights_with_trunk, "fp16")).graph
    kinds = {init.name: init.data_type for init in graph.initializer}
    assert sum(kind == onnx.TensorProto.FLOAT16 for kind in kinds.values()) > 50
    borders = [*graph.input, *graph.output]
    assert {value.type.tensor_type.elem_type for value in borders} == {onnx.TensorProto.FLOAT}


def test_weights_survive_the_disk_in_half_precision(weights: Weights, tmp_path: Path) -> None:
    weights.save(tmp_path / "tiny.pt")
    loaded = Weights.load(tmp_path / "tiny.pt")
    for name, value in weights.state.items():
        assert loaded.state[name].dtype == value.dtype
        torch.testing.assert_close(loaded.state[name], value, rtol=1e-3, atol=1e-6)
    assert (loaded.config, loaded.steps) == (weights.config, 7)
    assert open_engine(tmp_path / "tiny.pt").info.weights_hash == loaded.sha256()
    loaded.save(tmp_path / "again.pt")
    assert Weights.load(tmp_path / "again.pt").sha256() == loaded.sha256()


def test_bad_input_is_named(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(DistillMatchError, match="int4"):
        export(weights, tmp_path / "tiny.onnx", "int4")
    torch.save({"something": "else"}, tmp_path / "other.pt")
    with pytest.raises(DistillMatchError, match=r"other\.pt"):
        Weights.load(tmp_path / "other.pt")
