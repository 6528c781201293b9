"""What a program does that takes part in a ROS graph as a guest, for as long as it is wanted."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=50, reliability=ReliabilityPolicy.RELIABLE)


@contextmanager
def guest(name: str) -> Iterator[Node]:
    """A node of that name; SIGINT and SIGTERM end the body without a traceback."""
    rclpy.init()
    node = rclpy.create_node(name)
    try:
        yield node
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def message_class(kind: str) -> type:
    """The class of a type such as ``sensor_msgs/msg/Image``."""
    package, _, name = kind.partition("/msg/")
    found: type = getattr(import_module(f"{package}.msg"), name)
    return found
