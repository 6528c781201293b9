"""Records topics of the ROS graph as MCAP: ``python -m distillmatch_ros.tools.record OUT.mcap TOPIC ...``.

For machines without ``ros2 bag record``. SIGINT and SIGTERM end it and leave a complete bag.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from distillmatch_ros.bags.typestore import ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.ros.installation import require_ros
from distillmatch_ros.ros.message_types import message_class

if TYPE_CHECKING:
    from rclpy.node import Node


def record(node: "Node", writer: BagWriter, topics: Sequence[str]) -> None:
    """Write the messages of some topics until a signal ends the process.

    Topics are subscribed to in the given order, each as soon as it has a publisher: when the last one has a
    subscriber, all have.
    """
    import rclpy

    from distillmatch_ros.tools.graph import RELIABLE

    waiting = list(topics)
    while True:
        types = dict(node.get_topic_names_and_types())
        while waiting and node.count_publishers(waiting[0]) and waiting[0] in types:
            topic, kind = waiting[0], types[waiting.pop(0)][0]
            written = partial(_write, writer, topic, kind)
            node.create_subscription(message_class(kind), topic, written, RELIABLE, raw=True)
        rclpy.spin_once(node, timeout_sec=0.05 if waiting else None)


def _write(writer: BagWriter, topic: str, kind: str, data: bytes, about: Mapping[str, int]) -> None:
    # DDS knows when a message came; here it may have waited behind later ones of other topics.
    writer.write_serialised(topic, kind, about["received_timestamp"], data)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Record topics as an MCAP bag.")
    parser.add_argument("out", type=Path)
    parser.add_argument("topics", nargs="+")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    arguments = parser.parse_args()
    try:
        require_ros()
        from distillmatch_ros.tools.graph import guest

        with BagWriter(arguments.out, ros2_types(), arguments.overwrite) as writer, guest("record") as node:
            record(node, writer, arguments.topics)
    except DistillMatchError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
