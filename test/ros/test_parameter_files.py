"""Files of parameters that say nothing of the node: ROS would pass over them in silence."""

from pathlib import Path

import pytest

from distillmatch_ros.ros.parameter_files import unused


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("distillmatch: {ros__parameters: {tolerance: 0.1}}", True),
        ("/front/distillmatch: {ros__parameters: {}}", False),
        ("/**: {ros__parameters: {tolerance: 0.1}}", True),
        ("/*: {ros__parameters: {tolerance: 0.1}}", True),
        ("/front: {distillmatch: {ros__parameters: {}}}", False),
        ("fusion_node: {ros__parameters: {tolerance: 0.1}}", False),
        ("{a: {ros__parameters: {}}, distillmatch: {ros__parameters: {}}}", True),
        ("tolerance: 0.1", False),
        ("[1, 2]", False),
    ],
)
def test_a_file_for_another_node_is_named(text: str, used: bool, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    said = list(unused(["node", "--ros-args", "--params-file", str(file)], "/distillmatch"))
    assert len(said) == (0 if used else 1)
    assert all(str(file) in sentence and "/distillmatch" in sentence for sentence in said)


def test_namespaces_count(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    arguments = ["node", "--params-file", str(file)]
    for text in ("/front/distillmatch", "/front/*", "/**/distillmatch", "/**"):
        file.write_text(f"{text}: {{ros__parameters: {{}}}}")
        assert not list(unused(arguments, "/front/distillmatch"))
    file.write_text("front: {distillmatch: {ros__parameters: {}}}")
    assert not list(unused(arguments, "/front/distillmatch"))
    file.write_text("/*: {ros__parameters: {}}")
    assert list(unused(arguments, "/front/distillmatch"))


def test_a_file_that_cannot_be_read_is_left_to_ros() -> None:
    assert not list(unused(["--params-file", "absent.yaml"], "/distillmatch"))
    assert not list(unused(["--params-file"], "/distillmatch"))
