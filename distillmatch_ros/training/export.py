"""Export of trained weights to ONNX."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import replacing
from distillmatch_ros.engines.lint import check_graph
from distillmatch_ros.engines.protocol import MODALITY_ORDER, SCHEMA
from distillmatch_ros.model.weights import Weights

OPSET = 18
PRECISIONS = ("fp32", "fp16")


def export(weights: Weights, path: Path, precision: str = "fp32") -> None:
    """Write an ONNX file with static shapes and the metadata that an engine needs.

    Args:
        weights: the trained network.
        path: file to write.
        precision: ``fp32``, or ``fp16`` for a graph whose blocks compute in half precision between float32
            boundaries (similarities, coordinates and indices stay float32 and int64).

    Raises:
        DistillMatchError: unknown precision, or a graph that TensorRT does not support.
    """
    if precision not in PRECISIONS:
        raise DistillMatchError(f"precision {precision!r} is unknown; choose {' or '.join(PRECISIONS)}")
    network = weights.network()
    if precision == "fp16":
        network.halve()
    config = weights.config
    # Two tensors: if one is passed twice, the exporter merges the inputs.
    images = tuple(torch.zeros(1, 1, config.height, config.width) for _ in range(2))
    with _quiet():
        program = torch.onnx.export(
            network,
            images,
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=["visible", "thermal"],
            output_names=["visible_points", "thermal_points", "confidence"],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _forget_where_it_was_made(model)
    metadata = {
        "schema": SCHEMA,
        "height": str(config.height),
        "width": str(config.width),
        "max_matches": str(config.max_matches),
        "modality_order": MODALITY_ORDER,
        "config_name": config.name,
        "config": json.dumps(config.to_dict()),
        "weights_sha256": weights.sha256(),
        "precision": precision,
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    check_graph(path, model)
    with replacing(path) as file:
        onnx.save(model, file)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's messages on optional packages and renamed values."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _forget_where_it_was_made(model: onnx.ModelProto) -> None:
    """Remove the exporter's metadata: it contains local paths and would change the file's hash."""
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
