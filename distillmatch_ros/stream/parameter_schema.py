"""JSON Schema of the parameter file that launch files and ``--params`` take."""

from typing import Any

from distillmatch_ros.base.settings import Description
from distillmatch_ros.stream.parameters import TABLE

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema() -> dict[str, Any]:
    """The schema: any node name, then ``ros__parameters`` with the table's and ROS's own parameters."""
    parameters = {name: _property(parameter.description) for name, parameter in TABLE.items()}
    return {
        "title": "Parameters of distillmatch_ros",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "required": ["ros__parameters"],
            "properties": {
                "ros__parameters": {
                    "type": "object",
                    "properties": {
                        **parameters,
                        "use_sim_time": {"type": "boolean"},
                        "qos_overrides": {"type": "object"},
                        "start_type_description_service": {"type": "boolean"},
                    },
                    "additionalProperties": False,
                }
            },
        },
    }


def _property(described: Description) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": TYPES[described.type],
        "default": described.default,
        "description": f"{described.text} [{described.unit}]" if described.unit else described.text,
    }
    if described.choices:
        shown["enum"] = [described.type(choice) for choice in described.choices]
    if described.least is not None:
        shown["minimum"] = described.least
    if described.most is not None:
        shown["maximum"] = described.most
    return shown
