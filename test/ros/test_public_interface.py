"""The node keeps to what rclpy makes public: private names change from release to release."""

import ast
import re
from inspect import getsource
from pathlib import Path

import pytest
from support import ROOT

pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")

ROOMS = (ROOT / "distillmatch_ros/ros", ROOT / "distillmatch_ros/tools")
MODULES = sorted(path for room in ROOMS for path in room.glob("*.py"))


def private_names_of_rclpy() -> set[str]:
    import rclpy.lifecycle.node
    import rclpy.node

    sources = getsource(rclpy.node) + getsource(rclpy.lifecycle.node)
    return set(re.findall(r"\bself\.(_[a-z]\w*)", sources)) | set(re.findall(r"\bdef (_[a-z]\w*)", sources))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_private_name_of_rclpy_is_used(module: Path) -> None:
    private = private_names_of_rclpy()
    assert "_state_machine" in private, "the names are found"
    attributes = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Attribute)]
    # Of a node that derives from rclpy's, `self._name` may be rclpy's as well.
    assert not {node.attr for node in attributes if "FusionNode" in module.read_text()} & private
    foreign = {
        node.attr
        for node in attributes
        if node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }
    assert foreign <= {"_exit"}, "os._exit, which is documented"
