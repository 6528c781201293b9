"""Publishers of the node; an output is made only if it has a subscriber."""

from functools import partial
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from distillmatch_ros.ros.message_types import is_installed, message_class
from distillmatch_ros.stream.messages import TF_MESSAGE
from distillmatch_ros.stream.outputs import TOPICS, Outgoing
from distillmatch_ros.stream.robot import TF_STATIC


class Outputs:
    """Publishers from configuration to clean-up; one thread at a time may publish."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._warned: set[str] = set()
        self._publishers = {
            name: node.create_publisher(
                message_class(kind),
                f"~/{name}",
                QoSProfile(depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE),
                event_callbacks=PublisherEventCallbacks(incompatible_qos=partial(self._warn, name)),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, (kind, _) in TOPICS.items()
        }
        self._tf_static = self._latched(node) if is_installed(TF_MESSAGE) else None

    def publish(self, outgoing: Outgoing) -> list[str]:
        """Make and publish all outputs with subscribers; returns the topics of the published messages."""
        published = []
        for name, publisher in self._publishers.items():
            if publisher.get_subscription_count() == 0:
                continue
            message = TOPICS[name][1](outgoing)
            if message is not None:
                publisher.publish(message)
                published.append(name)
        transform = None if self._tf_static is None else outgoing.tf_static()
        if self._tf_static is not None and transform is not None:
            self._tf_static.publish(transform)
            published.append(TF_STATIC)
        return published

    @property
    def missing(self) -> dict[str, str]:
        """Outputs that this ROS installation has no messages for, and what to do."""
        return {} if self._tf_static is not None else {TF_STATIC: "tf2_msgs is not installed: install it"}

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._publishers.values(), self._tf_static):
            if publisher is not None:
                self._node.destroy_publisher(publisher)

    def _latched(self, node: Node) -> Publisher:
        """A publisher of static transforms, as tf2's: those who come later get the last one."""
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return node.create_publisher(message_class(TF_MESSAGE), TF_STATIC, qos)

    def _warn(self, name: str, event: Any) -> None:
        if name not in self._warned:
            self._warned.add(name)
            policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
            self._node.get_logger().warning(
                f"~/{name}: a subscription's QoS is incompatible with this publisher ({policy}), and it "
                f"gets no messages; set this publisher's qos_overrides to what the subscriber asks for"
            )
