"""A temporary ROS node for the tools of this package."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from distillmatch_ros.ros.transport import variables_to_set

RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=50, reliability=ReliabilityPolicy.RELIABLE)


@contextmanager
def guest(name: str) -> Iterator[Node]:
    """A node for the duration of the body; SIGINT and SIGTERM end the body without a traceback.

    The transport is set up for large images.
    """
    os.environ.update(variables_to_set(os.environ))
    rclpy.init()
    node = rclpy.create_node(name)
    try:
        yield node
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
