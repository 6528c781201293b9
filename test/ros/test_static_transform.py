"""/tf_static between real nodes: said once, and kept for those who come later.

ROS 2 from PyPI has no tf2_msgs: a message of another type stands in where it is absent.
"""

from typing import Any
from unittest.mock import Mock

import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from support.bench import Bench
from support.ros_process import closing_all, domain

from distillmatch_ros.ros import publishers
from distillmatch_ros.ros.message_types import is_installed, message_class
from distillmatch_ros.stream.messages import TF_MESSAGE
from distillmatch_ros.stream.outputs import Outgoing
from distillmatch_ros.stream.robot import TF_STATIC

KIND: Any = message_class(TF_MESSAGE) if is_installed(TF_MESSAGE) else TransformStamped


@pytest.mark.slow
def test_who_comes_late_gets_the_last_transform(transport: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "is_installed", lambda kind: True)
    monkeypatch.setattr(
        publishers, "message_class", lambda kind: KIND if kind == TF_MESSAGE else message_class(kind)
    )
    with closing_all() as things:
        own = domain()
        node, listener = Bench(own), Bench(own)
        things += [node, listener]
        outputs = publishers.Outputs(node.node)
        assert outputs.missing == {}
        said = [outputs.publish(Mock(Outgoing, tf_static=Mock(return_value=each))) for each in (None, KIND())]
        assert said == [[], [TF_STATIC]], "without a subscriber"
        heard: list[Any] = []
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        listener.node.create_subscription(KIND, TF_STATIC, heard.append, latched)
        listener.until(lambda: heard)
        outputs.close()
        assert node.node.count_publishers(TF_STATIC) == 0


def test_without_tf2_msgs_the_node_says_so(transport: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishers, "is_installed", lambda kind: False)
    with closing_all() as things:
        bench = Bench(domain())
        things.append(bench)
        outputs = publishers.Outputs(bench.node)
        assert "tf2_msgs" in outputs.missing[TF_STATIC]
        outgoing = Mock(Outgoing)
        assert outputs.publish(outgoing) == []
        outgoing.tf_static.assert_not_called()
