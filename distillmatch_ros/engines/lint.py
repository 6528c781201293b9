"""Checks an ONNX graph for constructs that TensorRT rejects or silently misinterprets.

They are found before a build that takes minutes, and at export on machines without TensorRT. The rules hold
for TensorRT 10.3 (JetPack 6) and later.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto

from distillmatch_ros.base.errors import DistillMatchError

# 17 introduces LayerNormalization. From 20 on GridSample's mode is linear, which TensorRT reads as nearest.
OPSETS = range(17, 20)
MAX_TOPK = 3840
TENSOR_TYPES = frozenset(
    (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL)
)
# Operators allowed in an export: those that the table of TensorRT's ONNX parser supports for TENSOR_TYPES.
KNOWN = frozenset(
    (
        *(
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Mod",
            "Pow",
            "Neg",
            "Abs",
            "Min",
            "Max",
            "Clip",
            "Floor",
            "Ceil",
            "Cast",
        ),
        *("Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Tanh", "Sin", "Cos", "Sigmoid", "Softplus", "Relu"),
        *("And", "Or", "Not", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Where"),
        *(
            "ReduceMax",
            "ReduceMin",
            "ReduceMean",
            "ReduceSum",
            "ReduceL2",
            "ReduceLogSumExp",
            "ArgMax",
            "ArgMin",
        ),
        *("Softmax", "LogSoftmax", "LayerNormalization", "InstanceNormalization"),
        *("MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose", "AveragePool", "MaxPool", "GlobalAveragePool"),
        *("Gather", "GatherElements", "GatherND", "ScatterND", "ScatterElements", "TopK", "GridSample"),
        *("Concat", "Split", "Slice", "Pad", "Expand", "Tile", "Resize", "DepthToSpace", "Transpose"),
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Constant", "ConstantOfShape", "Shape"),
    )
)
UNSUPPORTED = {
    **dict.fromkeys(
        ("NonZero", "Compress", "Unique", "NonMaxSuppression"),
        "the size of its result depends on the images, which a CUDA graph does not allow",
    ),
    **dict.fromkeys(("If", "Loop", "Scan"), "control flow prevents running the network as one CUDA graph"),
    "Attention": "the parser supports it only from TensorRT 10.14 on",
}


def check_graph(path: Path, model: onnx.ModelProto) -> None:
    """Check that TensorRT can build a network and computes the same as ONNX Runtime.

    Args:
        path: the model's file, named in errors.
        model: the network.

    Raises:
        DistillMatchError: the graph has unsupported constructs; all are named.
    """
    if findings := list(lint(model)):
        raise DistillMatchError(
            f"{path}: TensorRT cannot run this graph ({'; '.join(findings)}); "
            "change the network or its export"
        )


def lint(model: onnx.ModelProto) -> Iterator[str]:
    """One line for each construct that TensorRT does not support."""
    opset = {entry.domain: entry.version for entry in model.opset_import}.get("", 0)
    if opset not in OPSETS:
        yield f"opset is {opset}; it must be {OPSETS.start} to {OPSETS.stop - 1}"
    if model.functions:
        yield "it defines functions; inline them"
    constants = {init.name: init for init in model.graph.initializer}
    constants |= {
        node.output[0]: attribute.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    for node in model.graph.node:
        if reason := _objection(node, constants):
            yield f"{node.op_type} {node.name or node.output[0]}: {reason}"
    yield from _tensors(model)


def _objection(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> str | None:
    """Why TensorRT does not support a node, or None if it does."""
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    operator = node.op_type
    if node.domain not in ("", "ai.onnx"):
        return f"comes from the domain {node.domain}, whose operators TensorRT does not know"
    if operator in UNSUPPORTED:
        return UNSUPPORTED[operator]
    if operator not in KNOWN:
        return "is not among the operators that TensorRT is known to support; use another"
    if operator in ("ScatterND", "ScatterElements") and attributes.get("reduction", b"none") != b"none":
        return f"reduction {attributes['reduction'].decode()} is not supported; write no slices"
    if operator == "TopK":
        size = constants.get(node.input[1])
        if size is None:
            return "its K is computed, not a constant"
        if int(onnx.numpy_helper.to_array(size).item()) > MAX_TOPK:
            return f"K is {int(onnx.numpy_helper.to_array(size).item())}; TensorRT takes at most {MAX_TOPK}"
    if operator == "Resize" and (attributes.get("antialias") or attributes.get("mode") == b"cubic"):
        return "only nearest and linear without antialiasing are supported"
    if operator == "Einsum" and len(node.input) > 2:
        return f"has {len(node.input)} operands; split it into products of two"
    return None


def _tensors(model: onnx.ModelProto) -> Iterator[str]:
    """Faults of tensors: external weights, unsupported types, dynamic shapes."""
    for initializer in model.graph.initializer:
        if initializer.data_location == TensorProto.EXTERNAL:
            yield f"{initializer.name}: its values are in another file; export with external_data=False"
        if initializer.data_type not in TENSOR_TYPES:
            yield f"{initializer.name}: type {_type(initializer.data_type)} is not supported"
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    except onnx.shape_inference.InferenceError as error:
        yield f"its shapes are inconsistent ({str(error).splitlines()[0]})"
        return
    values = (*inferred.input, *inferred.output, *inferred.value_info)
    typed = {value.name: value.type.tensor_type for value in values}
    for name, tensor in typed.items():
        if any(not dimension.HasField("dim_value") for dimension in tensor.shape.dim):
            yield f"{name}: its shape is not static"
        if tensor.elem_type not in TENSOR_TYPES:
            yield f"{name}: type {_type(tensor.elem_type)} is not supported"
    for node in model.graph.node:
        for name in node.output:
            if name and name not in typed:
                yield f"{name}: its shape depends on the images"


def _type(number: int) -> str:
    name: str = TensorProto.DataType.Name(number)
    return name
