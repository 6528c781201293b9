"""What the lint finds in real graphs, and that it finds nothing in what this project exports."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.tiny_network import tiny_graph

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.lint import check_graph, lint

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def graph(
    *nodes: onnx.NodeProto,
    inputs: dict[str, tuple[int, list[int | str]]] | None = None,
    outputs: dict[str, tuple[int, list[int | str]]] | None = None,
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 18,
) -> onnx.ModelProto:
    def values(given: dict[str, tuple[int, list[int | str]]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in given.items()]

    made = helper.make_graph(
        nodes,
        "graph",
        values(inputs or {"x": (FLOAT, [1, 1, 8, 8])}),
        values(outputs or {"y": (FLOAT, [1, 1, 8, 8])}),
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.example", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)


def node(operator: str, inputs: str = "x", outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), name="culprit", **attributes)


TOPK = {"inputs": {"x": (FLOAT, [1, 5000])}, "outputs": {"y": (FLOAT, [1, 4000]), "i": (INT64, [1, 4000])}}
BRANCH = helper.make_graph(
    [helper.make_node("Identity", ["x"], ["z"])],
    "branch",
    [],
    [helper.make_tensor_value_info("z", FLOAT, [1, 1, 8, 8])],
)
CASES = {
    "opset": (graph(node("Relu"), opset=20), "opset is 20"),
    "grid sample of opset 20": (
        graph(
            node("GridSample", "x g", mode="linear"),
            inputs={"x": (FLOAT, [1, 1, 8, 8]), "g": (FLOAT, [1, 8, 8, 2])},
            opset=20,
        ),
        "opset is 20",
    ),
    "non-zero": (graph(node("NonZero"), outputs={"y": (INT64, [4, "n"])}), "NonZero culprit: the size"),
    "control flow": (
        graph(
            node("If", "c", then_branch=BRANCH, else_branch=BRANCH),
            inputs={"x": (FLOAT, [1, 1, 8, 8]), "c": (TensorProto.BOOL, [1])},
        ),
        "If culprit: control flow",
    ),
    "scatter": (
        graph(
            node("ScatterND", "x i u", reduction="add"),
            inputs={
                "x": (FLOAT, [1, 1, 8, 8]),
                "i": (INT64, [1, 1]),
                "u": (FLOAT, [1, 1, 8, 8]),
            },
        ),
        "ScatterND culprit: reduction add",
    ),
    "large top-k": (
        graph(node("TopK", "x k", "y i"), constants={"k": np.array([4000])}, **TOPK),
        "TopK culprit: K is 4000; TensorRT takes at most 3840",
    ),
    "computed top-k": (
        graph(
            node("TopK", "x k", "y i"),
            inputs={"x": (FLOAT, [1, 5000]), "k": (INT64, [1])},
            outputs=TOPK["outputs"],
        ),
        "TopK culprit: its K is computed",
    ),
    "antialiased resize": (
        graph(
            node("Resize", "x  s", mode="linear", antialias=1),
            constants={"s": np.array([1, 1, 1, 1], np.float32)},
        ),
        "Resize culprit: only nearest and linear",
    ),
    "einsum of three": (
        graph(
            node("Einsum", "x x x", equation="abcd,abcd,abcd->abcd"),
        ),
        "Einsum culprit: has 3 operands",
    ),
    "attention": (
        graph(node("Attention", "x x x"), opset=19),
        "Attention culprit: the parser supports it only from",
    ),
    "foreign operator": (graph(helper.make_node("Glow", ["x"], ["y"], domain="com.example")), "com.example"),
    "unknown operator": (graph(node("Celu")), "Celu culprit: is not among"),
    "dynamic input": (
        graph(
            node("Relu"),
            inputs={"x": (FLOAT, ["batch", 1, 8, 8])},
            outputs={"y": (FLOAT, ["batch", 1, 8, 8])},
        ),
        "x: its shape is not static",
    ),
    "computed shape": (
        graph(
            node("Reshape", "x s", "r"),
            helper.make_node("Relu", ["r"], ["y"]),
            inputs={"x": (FLOAT, [1, 1, 8, 8]), "s": (INT64, [2])},
            outputs={"y": (FLOAT, [8, 8])},
        ),
        "r: its shape is not static",
    ),
    "double": (
        graph(
            node("Relu"),
            inputs={"x": (TensorProto.DOUBLE, [1, 1, 8, 8])},
            outputs={"y": (TensorProto.DOUBLE, [1, 1, 8, 8])},
        ),
        "x: type DOUBLE",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_tensorrt_would_stumble_over(case: str) -> None:
    model, expected = CASES[case]
    assert any(expected in finding for finding in lint(model)), list(lint(model))


def test_weights_in_another_file(tmp_path: Path) -> None:
    model = graph(node("Add", "x w"), constants={"w": np.zeros((1, 1, 8, 8), np.float32)})
    onnx.save(model, tmp_path / "a.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    loaded = onnx.load(tmp_path / "a.onnx", load_external_data=False)
    assert any("w: its values are in another file" in finding for finding in lint(loaded))


def test_all_findings_are_told_in_one_line(tmp_path: Path) -> None:
    model = graph(node("NonZero", outputs="n"), node("Celu"), opset=21)
    with pytest.raises(DistillMatchError) as caught:
        check_graph(tmp_path / "model.onnx", model)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'model.onnx'}: ") and "\n" not in message
    assert all(word in message for word in ("opset is 21", "NonZero culprit", "Celu culprit"))


def test_nothing_is_found_in_a_graph_of_the_contract() -> None:
    model = helper.make_model(tiny_graph(), opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    assert list(lint(model)) == []


def test_nothing_is_found_in_the_shipped_network() -> None:
    for path in sorted(resources.find("models").glob("*.onnx")):
        assert list(lint(onnx.load(path))) == []
