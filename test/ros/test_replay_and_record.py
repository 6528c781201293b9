"""Bags are played when those who asked for them listen, and records tell when messages came."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep, time_ns

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from support.bags import Drive, write_bag
from support.ros_process import domain

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.tools.graph import RELIABLE
from distillmatch_ros.tools.record import record
from distillmatch_ros.tools.replay import replay


@pytest.fixture
def node() -> Iterator[Node]:
    rclpy.init(domain_id=domain())
    made = rclpy.create_node("tools")
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def test_a_bag_is_played_when_all_who_are_named_listen(node: Node, tmp_path: Path) -> None:
    heard: list[list[Image]] = [[], []]
    node.create_subscription(Image, "/rgb/image", heard[0].append, RELIABLE)
    with Bag(write_bag(tmp_path, "mcap", Drive(pairs=2))) as bag:
        with pytest.raises(DistillMatchError, match="/rgb/image has 1 of 2"):
            replay(node, bag, 10.0, ["/rgb/image", "/rgb/image"], 0.5)
        node.create_subscription(Image, "/rgb/image", heard[1].append, RELIABLE)
        replay(node, bag, 10.0, ["/rgb/image", "/rgb/image"], 10.0)
    for _ in range(20):
        rclpy.spin_once(node, timeout_sec=0.05)
    assert [len(each) for each in heard] == [2, 2]


class SlowWriter:
    """A disk that takes a while for each message."""

    def __init__(self) -> None:
        self.received: list[int] = []

    def write_serialised(self, topic: str, kind: str, received: int, data: bytes) -> None:
        sleep(0.2)
        self.received.append(received)
        if len(self.received) == 5:
            raise ExternalShutdownException


def test_a_slow_disk_delays_no_receipt(node: Node) -> None:
    publisher = node.create_publisher(CameraInfo, "info", RELIABLE)
    writer = SlowWriter()
    listener = rclpy.create_node("recorder")
    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(record, listener, writer, ["/info"])  # type: ignore[arg-type]
        while not publisher.get_subscription_count():
            sleep(0.02)
        sleep(0.3)
        begin = time_ns()
        for _ in range(5):
            publisher.publish(CameraInfo())
        end = time_ns()
        with pytest.raises(ExternalShutdownException):
            recording.result(timeout=10)
    listener.destroy_node()
    assert all(begin <= each < end + 100_000_000 for each in writer.received)
