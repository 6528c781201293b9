"""Networks in 8-bit integers: the real NNCF on a tiny network, and what a machine without it says."""

import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from distillmatch_ros.cli import app
from distillmatch_ros.engines import open_engine
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights


@pytest.fixture
def weights(tiny_config: ModelConfig, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    Weights(tiny_config, DistillMatch(tiny_config).state_dict(), steps=7).save(tmp_path / "tiny.pt")
    return tmp_path / "tiny.pt"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_int8_is_calibrated_on_pairs(weights: Path, pairs_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    target = tmp_path / "tiny_int8.onnx"
    result = CliRunner().invoke(app, ["export", str(weights), str(target), "--int8", str(pairs_folder)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [f"{target}: int8 network of 7 steps, for --model"]
    assert os.environ["NNCF_CI"]  # it stays at home
    graph = onnx.load(target).graph
    assert {node.op_type for node in graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    assert sum(init.data_type == onnx.TensorProto.INT8 for init in graph.initializer) > 20
    engine = open_engine(target, backend="onnx")
    assert engine.info.precision == "int8"
    assert engine.info.weights_hash == Weights.load(weights).sha256()
    image = np.random.default_rng(0).random((engine.info.height, engine.info.width), np.float32)
    assert np.isfinite(engine(image, image).confidence).all()


def test_without_nncf_it_is_one_line(
    weights: Path, pairs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    result = CliRunner().invoke(
        app, ["export", str(weights), str(tmp_path / "out.onnx"), "--int8", str(pairs_folder)]
    )
    assert result.exit_code == 2
    assert "pip install 'distillmatch_ros[int8]'" in result.output and "Traceback" not in result.output
    assert not (tmp_path / "out.onnx").exists()


def test_pairs_that_are_missing_are_named(weights: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["export", str(weights), str(tmp_path / "out.onnx"), "--int8", str(tmp_path / "no")]
    )
    assert result.exit_code == 2 and str(tmp_path / "no") in result.output.replace("\n", "")
