"""Declares the parameter table to rclpy."""

from collections.abc import Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.settings import Description
from distillmatch_ros.stream.parameters import TABLE, Parameters, is_of_every_node, unknown

PARAMETER_TYPES = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
}

QOS_OVERRIDES = "qos_overrides."
"""Prefix of the parameters of a topic's QoS: topic, kind of endpoint and policy follow."""
QOS_CHOICES = {"history": ("keep_last", "keep_all"), "reliability": ("reliable", "best_effort")}
DEPTH = "depth"


def declare(node: Node) -> Parameters:
    """Declare every parameter, and read the values from the launch file or the command line.

    Names that are not in the table are logged; rclpy would ignore them silently.

    Args:
        node: made with ``automatically_declare_parameters_from_overrides``, the only way to get the names
            that were set.

    Raises:
        DistillMatchError: a value is not allowed, or the override of a topic's QoS.
    """
    for name in node.get_parameters_by_prefix(""):
        if name.startswith(QOS_OVERRIDES):
            _check_override(name, node.get_parameter(name).value)
        if name.startswith(QOS_OVERRIDES) or not is_of_every_node(name):
            node.undeclare_parameter(name)  # declared again with a description below, or with its topic
            if not name.startswith(QOS_OVERRIDES) and (fault := unknown(name)):
                node.get_logger().warning(f"ignored: {fault}")
    try:
        declared = node.declare_parameters(
            "",
            [
                (name, parameter.description.default, _describe(parameter.description, parameter.live))
                for name, parameter in TABLE.items()
            ],
        )
    except ParameterException as error:
        raise DistillMatchError(str(error)) from error
    return Parameters.of({parameter.name: parameter.value for parameter in declared})


def changed(parameters: Parameters, settings: Iterable[Parameter]) -> Parameters:
    """The parameters after rclpy set some; parameters outside the table are handled by rclpy.

    Raises:
        DistillMatchError: a value is not allowed.
    """
    return parameters.changed({setting.name: setting.value for setting in settings if setting.name in TABLE})


def _check_override(name: str, value: Any) -> None:
    """Check the override of a topic's QoS, of which rclpy complains only where the topic is subscribed.

    Raises:
        DistillMatchError: there is no such policy, or it has no such value.
    """
    policy = name.rpartition(".")[2]
    if policy == DEPTH:
        allowed, wanted = isinstance(value, int) and value >= 0, "a number of messages"
    elif policy in QOS_CHOICES:
        allowed, wanted = value in QOS_CHOICES[policy], " or ".join(QOS_CHOICES[policy])
    else:
        raise DistillMatchError(f"{name}: no policy of QoS; choose {', '.join((*QOS_CHOICES, DEPTH))}")
    if not allowed:
        raise DistillMatchError(f"{name} is {value!r}; choose {wanted}")


def _describe(row: Description, live: bool) -> ParameterDescriptor:
    # Ranges are shown by tools, and rclpy checks them before `Parameters` does.
    descriptor = ParameterDescriptor(
        type=PARAMETER_TYPES[row.type].value,
        description=row.text,
        additional_constraints=row.range,
        read_only=not live,
    )
    if row.least is None or row.most is None:
        return descriptor
    if row.type is int:
        descriptor.integer_range = [IntegerRange(from_value=int(row.least), to_value=int(row.most))]
    else:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(row.least), to_value=float(row.most))
        ]
    return descriptor
