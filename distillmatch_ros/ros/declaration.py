"""Declares the parameter table to rclpy."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
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

QOS_OVERRIDES = "qos_overrides"
"""First part of the parameters of a topic's QoS: topic, kind of endpoint and policy follow."""
QOS_CHOICES = {"history": ("keep_last", "keep_all"), "reliability": ("reliable", "best_effort")}
DEPTH, MOST_MESSAGES = "depth", 10_000


def declare(node: Node) -> Parameters:
    """Declare every parameter, and read the values from the launch file or the command line.

    Names that are not in the table are logged; rclpy would ignore them silently.

    Args:
        node: made with ``automatically_declare_parameters_from_overrides``, the only way to get the names
            that were set.

    Raises:
        DistillMatchError: a value is not allowed, or the override of a topic's QoS.
    """
    overrides = overrides_of(node)
    for name in overrides:
        _check_override(name, node.get_parameter(name).value)
    for name in node.get_parameters_by_prefix(""):
        if name in overrides or not is_of_every_node(name):
            node.undeclare_parameter(name)  # declared again with a description below, or with its topic
            if name not in overrides and (fault := unknown(name)):
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


def overrides_of(node: Node) -> list[str]:
    """Names of the QoS overrides that are declared: before `declare` those given, later those of topics."""
    return [name for name in node.get_parameters_by_prefix("") if name.partition(".")[0] == QOS_OVERRIDES]


def unused_overrides(node: Node, given: Iterable[str]) -> Iterator[str]:
    """A sentence for each given QoS override that is none of the node's topics', which ROS passes over.

    Args:
        node: with all its publishers and subscriptions.
        given: names; see `overrides_of`.
    """
    used = overrides_of(node)
    for name in sorted(set(given) - set(used)):
        meant = get_close_matches(name, used, 1)
        remedy = f"did you mean {meant[0]}?" if meant else "`ros2 node info` shows its topics"
        yield f"{name} is of no topic whose QoS may be set here; {remedy}"


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
        allowed = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_MESSAGES
        wanted = f"a number of messages from 1 to {MOST_MESSAGES}"
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
