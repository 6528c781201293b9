"""Reads the node's parameters from files and settings, without a node."""

from pathlib import Path
from typing import Any

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.yaml import parse_yaml, read_yaml
from distillmatch_ros.stream.parameters import TABLE, YAML, Parameters, is_of_every_node, unknown


def read_parameters(file: Path | None, settings: list[str]) -> Parameters:
    """Read the node's parameters from a parameter file, with some values replaced.

    Args:
        file: YAML such as ``config/fusion.yaml``; None for the defaults.
        settings: ``NAME=VALUE``, the value in YAML.

    Raises:
        DistillMatchError: the file cannot be read, a parameter is unknown, or a value not allowed.
    """
    values = {} if file is None else _from_file(file)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise DistillMatchError(
                f"--set {setting}: has no value; write NAME=VALUE, such as tolerance=0.05"
            )
        values[name] = parse_yaml(value, f"--set {setting}", "write NAME=VALUE, such as tolerance=0.05")
        _check_name(name, f"--set {setting}")
    return Parameters.of({name: _as_declared(name, value) for name, value in values.items()})


def _from_file(file: Path) -> dict[str, Any]:
    remedy = f"see {resources.locate(YAML)}"
    content = read_yaml(file, remedy)
    if not isinstance(content, dict) or not content:
        raise DistillMatchError(f"{file}: holds no parameters of a node; {remedy}")
    values: dict[str, Any] = {}
    for node in content.values():
        if not isinstance(node, dict) or not isinstance(node.get("ros__parameters"), dict):
            raise DistillMatchError(f"{file}: no parameter file of ROS 2; {remedy}")
        values |= node["ros__parameters"]
    values = {str(name): value for name, value in values.items() if not is_of_every_node(str(name))}
    for name in values:
        _check_name(name, str(file))
    return values


def _as_declared(name: str, value: Any) -> Any:
    """A value with the type of its parameter: a whole number is a number with a point, unlike in ROS."""
    return float(value) if type(value) is int and TABLE[name].description.type is float else value


def _check_name(name: str, source: str) -> None:
    if fault := unknown(name):
        raise DistillMatchError(f"{source}: {fault}")
