"""Replay of a bag to a running node: node, player and recorder as processes on DDS."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from time import sleep

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.demo.drive import RGB, RGB_INFO, THERMAL, THERMAL_INFO
from distillmatch_ros.stream.outputs import NODE
from distillmatch_ros.tools.processes import own_graph, running

RECORDED = tuple(
    f"{NODE}/{name}" for name in ("correspondences", "homography", "status", "overlay/compressed")
)


def is_possible() -> bool:
    """Whether ROS 2 for Python is installed."""
    return find_spec("rclpy") is not None


def run_live(bag: Path, out: Path, log: Path, rate: float = 1.0, arguments: Sequence[str] = ()) -> None:
    """Replay a bag to the node and record its outputs.

    Args:
        bag: bag with ``/rgb/image`` and ``/thermal/image``.
        out: recording to write, ``NAME.mcap``.
        log: file for the output of the processes; ROS logs go to the same folder.
        rate: replay speed; 1 is real time.
        arguments: arguments of the node, such as ``-p overlay:=edges``.

    Raises:
        DistillMatchError: a process failed; the message names the log.
    """
    environment = own_graph(log.parent)
    # CameraInfo is published with its image: it times the image's receipt at a thousandth of its size.
    # The node subscribes to the thermal one, and the recorder does last: with both, all subscriptions exist.
    topics = [*RECORDED, RGB_INFO, THERMAL_INFO]
    awaited = [part for topic in (RGB, THERMAL, THERMAL_INFO, THERMAL_INFO) for part in ("--wait-for", topic)]
    with (
        log.open("w") as said,
        running("ros.fusion_node", ["--ros-args", *arguments], environment, said) as node,
        running("tools.record", [str(out), *topics], environment, said) as recorder,
        running("tools.replay", [str(bag), "--rate", str(rate), *awaited], environment, said) as player,
    ):
        while player.poll() is None:
            for name, process in (("node", node), ("recorder", recorder)):
                if process.poll() is not None:
                    raise DistillMatchError(f"{log}: the {name} ended early; the log tells why")
            sleep(0.05)
        if player.returncode:
            raise DistillMatchError(f"{log}: the bag was not played; the log tells why")
        sleep(1.0)  # until the last pair is processed
