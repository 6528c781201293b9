"""A real ONNX network that is too small to be wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH = 64, 80
METADATA = {
    "schema": "1",
    "height": str(HEIGHT),
    "width": str(WIDTH),
    "max_matches": "100",
    "modality_order": "visible,thermal",
    "config_name": "tiny",
    "config": "{}",
    "weights_sha256": "0" * 64,
    "precision": "fp32",
}

WriteNetwork = Callable[..., Path]


def write_tiny(path: Path, graph: onnx.GraphProto | None = None, **changes: str | None) -> Path:
    """Write a network; keywords change its metadata, None leaves a key out."""
    model = helper.make_model(
        graph or tiny_graph(), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    metadata = {key: text for key, text in {**METADATA, **changes}.items() if text is not None}
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def tiny_graph(prefix: str = "", max_matches: int = 100) -> onnx.GraphProto:
    """A network that finds a 10 x 10 grid of points in the same places of both images.

    The confidence of slot 0 is the mean of the visible image, and of slot 1 that of the thermal image,
    so that a test can tell which input went where.
    """
    rows, columns = np.mgrid[4.0 : HEIGHT - 4 : 10j, 4.0 : WIDTH - 4 : 10j]
    grid = np.stack([columns.ravel(), rows.ravel()], axis=-1)[None].astype(np.float32)
    constants = {
        "grid": grid[:, :max_matches],
        "sure": np.full((1, max_matches - 2), 0.9, np.float32),
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
            value(prefix + "visible_points", 1, max_matches, 2),
            value("thermal_points", 1, max_matches, 2),
            value("confidence", 1, max_matches),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
