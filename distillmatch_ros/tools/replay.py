"""Plays a bag into the ROS graph in real time: ``python -m distillmatch_ros.tools.replay BAG``.

For machines without ``ros2 bag play``. Messages keep their stamps and their bytes.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from distillmatch_ros.bags.foreign import read_as
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_types
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.ros.installation import require_ros
from distillmatch_ros.ros.message_types import message_class

if TYPE_CHECKING:
    from rclpy.node import Node

LOG_S = 10.0
"""Interval of lines about the progress."""
SETTLING_S = 0.5
"""Delay after a subscription is matched, s: DDS reports it shortly before messages get through."""


def replay(node: "Node", bag: Bag, rate: float, wait_for: Sequence[str], patience_s: float) -> None:
    """Publish every message of a bag at its recorded time of receipt, scaled by ``rate``.

    Args:
        node: publishing node.
        bag: open bag.
        rate: replay speed; 1 is real time.
        wait_for: topics that must have a subscriber before the replay starts, or as many as they are named
            times; the image topics if empty.
        patience_s: time limit for these subscriptions, s.

    Raises:
        DistillMatchError: the bag lacks such a topic, or there is no subscriber in time.
    """
    from distillmatch_ros.tools.graph import RELIABLE

    publishers = {
        name: node.create_publisher(message_class(read_as(topic.type)), name, RELIABLE)
        for name, topic in bag.topics.items()
    }
    awaited = list(wait_for) or [topic.name for topic in bag.images]
    if missing := sorted(set(awaited) - publishers.keys()):
        raise DistillMatchError(f"{bag.path}: has no topic {missing[0]}; leave it out of --wait-for")
    deadline = monotonic() + patience_s
    wanted = Counter(awaited)
    while unheard := [name for name in wanted if publishers[name].get_subscription_count() < wanted[name]]:
        if monotonic() > deadline:
            raise DistillMatchError(
                f"{bag.path}: {unheard[0]} has {publishers[unheard[0]].get_subscription_count()} of "
                f"{wanted[unheard[0]]} subscribers after {patience_s:.0f} s; "
                "start the node first, check ROS_DOMAIN_ID, or name what it reads in --wait-for"
            )
        _rest(node, 0.05)
    _rest(node, SETTLING_S)
    begin, first, told = monotonic(), None, monotonic()
    for number, each in enumerate(bag.messages(list(publishers))):
        if monotonic() - told > LOG_S:
            told = monotonic()
            print(f"{number} messages in {told - begin:.0f} s", file=sys.stderr, flush=True)
        first = each.received if first is None else first
        _rest(node, (each.received - first) / 1e9 / rate - (monotonic() - begin))
        data = ros2_types().serialize_cdr(each.message, each.message.__msgtype__)
        publishers[each.topic].publish(bytes(data))
    _rest(node, SETTLING_S)  # the last messages are still in transit


def _rest(node: "Node", seconds: float) -> None:
    from rclpy.executors import ExternalShutdownException

    sleep(max(0.0, seconds))
    if not node.context.ok():
        raise ExternalShutdownException


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Play a bag in real time.")
    parser.add_argument("bag", type=Path)
    parser.add_argument("--rate", type=float, default=1.0, help="1 for real time, 0.5 for half as fast")
    parser.add_argument(
        "--wait-for",
        action="append",
        default=[],
        metavar="TOPIC",
        help="start when this topic has a subscriber, or two where it is named twice; "
        "by default the image topics",
    )
    parser.add_argument("--patience", type=float, default=30.0, help="seconds to wait for them")
    arguments = parser.parse_args()
    try:
        require_ros()
        from distillmatch_ros.tools.graph import guest

        with Bag(arguments.bag) as bag, guest("replay") as node:
            replay(node, bag, arguments.rate, arguments.wait_for, arguments.patience)
    except DistillMatchError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
