"""Publishers of the node; an output is made only if it has a subscriber."""

from functools import partial
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

from distillmatch_ros.ros.message_types import message_class
from distillmatch_ros.stream.outputs import TOPICS, Outgoing


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
        return published

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)

    def _warn(self, name: str, event: Any) -> None:
        if name not in self._warned:
            self._warned.add(name)
            policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
            self._node.get_logger().warning(
                f"~/{name}: a subscription's QoS is incompatible with this publisher ({policy}), and it "
                f"gets no messages; set this publisher's qos_overrides to what the subscriber asks for"
            )
