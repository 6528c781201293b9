"""Fixtures that more than one test module needs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.scene import SyntheticPair, render_pair

HEIGHT, WIDTH = 64, 80
METADATA = {
    "schema": "1",
    "height": str(HEIGHT),
    "width": str(WIDTH),
    "slots": "100",
    "modality_order": "visible,thermal",
    "config_name": "tiny",
    "config": "{}",
    "weights_sha256": "0" * 64,
    "precision": "fp32",
}

WriteNetwork = Callable[..., Path]


def tiny_graph(prefix: str = "", slots: int = 100) -> onnx.GraphProto:
    """A network that finds a 10 x 10 grid of points in the same places of both images.

    The confidence of slot 0 is the mean of the visible image, and of slot 1 that of the thermal image,
    so that a test can tell which input went where.
    """
    rows, columns = np.mgrid[4.0 : HEIGHT - 4 : 10j, 4.0 : WIDTH - 4 : 10j]
    grid = np.stack([columns.ravel(), rows.ravel()], axis=-1)[None].astype(np.float32)
    constants = {
        "grid": grid[:, :slots],
        "sure": np.full((1, slots - 2), 0.9, np.float32),
        "flat": np.array([1, 1]),
    }
    nodes = [
        helper.make_node("Identity", ["grid"], [prefix + "visible_points"]),
        helper.make_node("Identity", ["grid"], ["thermal_points"]),
        helper.make_node("ReduceMean", [prefix + "visible"], ["visible_mean"], keepdims=1),
        helper.make_node("ReduceMean", ["thermal"], ["thermal_mean"], keepdims=1),
        helper.make_node("Reshape", ["visible_mean", "flat"], ["visible_confidence"]),
        helper.make_node("Reshape", ["thermal_mean", "flat"], ["thermal_confidence"]),
        helper.make_node(
            "Concat", ["visible_confidence", "thermal_confidence", "sure"], ["confidence"], axis=1
        ),
    ]

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    return helper.make_graph(
        nodes,
        "tiny",
        [value(prefix + "visible", 1, 1, HEIGHT, WIDTH), value("thermal", 1, 1, HEIGHT, WIDTH)],
        [
            value(prefix + "visible_points", 1, slots, 2),
            value("thermal_points", 1, slots, 2),
            value("confidence", 1, slots),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )


@pytest.fixture
def write_network(tmp_path: Path) -> WriteNetwork:
    """Writes a real ONNX network; keywords change its metadata, None leaves a key out."""

    def write(graph: onnx.GraphProto | None = None, **changes: str | None) -> Path:
        model = helper.make_model(
            graph or tiny_graph(), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
        )
        metadata = {key: text for key, text in {**METADATA, **changes}.items() if text is not None}
        helper.set_model_props(model, metadata)
        path = tmp_path / "tiny.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture
def tiny_config() -> ModelConfig:
    """Every block, as small as it goes."""
    return ModelConfig(
        name="tiny",
        height=64,
        width=96,
        slots=16,
        texture_widths=(8, 16, 32),
        texture_blocks=(1, 1, 1),
        semantic_width=32,
        semantic_depth=1,
        modality_depth=1,
        coarse_layers=1,
        heads=2,
        token_stride=2,
        fine_widths=(16, 8),
        temperature=0.1,
        coarse_threshold=0.0,
        fine_threshold=0.0,
        border=1,
    )


@pytest.fixture(scope="session")
def day() -> SyntheticPair:
    return render_pair(1)


@pytest.fixture(scope="session")
def night() -> SyntheticPair:
    return render_pair(1, night=True)
