"""Processes of the node benchmark.

``cameras [depth]``, ``listener FILE OUTPUT...``, ``node FILE --ros-args ...``.
"""

import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, monotonic_ns, sleep, time_ns
from typing import Any, TextIO

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from distillmatch_ros.registration.result import Registration
from distillmatch_ros.ros.fusion_node import run
from distillmatch_ros.ros.message_types import message_class
from distillmatch_ros.ros.statistics import AGE, SUPERSEDED, Statistics
from distillmatch_ros.scene import render_pair
from distillmatch_ros.stream.outputs import NODE, TOPICS
from distillmatch_ros.tools.graph import RELIABLE, guest
from distillmatch_ros.tools.near_view import SIZE, NearView

RATE_HZ = 30.0
PICTURES = 8
"""Number of images that each camera sends in turn; they differ in noise, since a constant one is frozen."""
OUTSIDE = ("decode", "undistort", "publish", AGE)
"""Latency stages that are not part of the registration."""


def cameras(depth: bool = False) -> None:
    """Publish both cameras' images, and those of a depth camera, until a signal ends the process."""
    with guest("cameras") as node:
        messages = _with_depth() if depth else _messages()
        publishers = {side: node.create_publisher(Image, f"/{side}/image", 5) for side in messages[0]}
        due, index = monotonic(), 0
        while rclpy.ok():
            sleep(max(0.0, due - monotonic()))
            seconds, nanoseconds = divmod(time_ns(), 10**9)
            for side, publisher in publishers.items():
                message = messages[index % PICTURES][side]
                message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
                publisher.publish(message)
            due, index = due + 1 / RATE_HZ, index + 1


def listener(homographies: Path, outputs: Sequence[str]) -> None:
    """Subscribe to outputs of the node, and write the homographies to a file as JSON Lines."""
    with guest("listener") as node, homographies.open("w", buffering=1) as file:

        def write(message: Image) -> None:
            row = {"time": monotonic(), "homography": np.frombuffer(message.data, np.float64).tolist()}
            file.write(json.dumps(row) + "\n")

        for name in outputs:
            kind = message_class(TOPICS[name][0])
            if name == "homography":
                node.create_subscription(kind, f"{NODE}/{name}", write, RELIABLE)
            else:
                node.create_subscription(kind, f"{NODE}/{name}", lambda data: None, RELIABLE, raw=True)
        rclpy.spin(node)


def recorded_node(rows: Path, arguments: Sequence[str]) -> int:
    """Run the node, writing one line of JSON for each pair to ``rows``; returns its exit code."""
    with rows.open("w", buffering=1) as file:
        return run(arguments, _Recording(file))


class _Recording(Statistics):
    """Statistics that also write every pair to a file."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(monotonic_ns())
        self._file = file

    def register(self, registration: Registration, latency_ms: Mapping[str, float], passes: int = 1) -> None:
        super().register(registration, latency_ms, passes)
        self._write(
            status=registration.status.value,
            age=latency_ms[AGE],
            engine=latency_ms.get("engine", 0.0),
            passes=passes,
            registration=sum(ms for stage, ms in latency_ms.items() if stage not in OUTSIDE),
            transport=latency_ms["decode"] + latency_ms["publish"],
        )

    def drop(self, side: str, reason: str, count: int = 1) -> None:
        super().drop(side, reason, count)
        if reason == SUPERSEDED:
            self._write()

    def _write(self, **row: Any) -> None:
        self._file.write(json.dumps({"time": monotonic(), **row}) + "\n")


def _messages() -> list[dict[str, Image]]:
    scene = render_pair(0)
    small = cv2.resize(scene.visible, SIZE[::-1], interpolation=cv2.INTER_AREA)
    images = zip(_noisy_rgb(small), _noisy_thermal(scene.thermal), strict=True)
    return [{"rgb": rgb, "thermal": thermal} for rgb, thermal in images]


def _with_depth() -> list[dict[str, Image]]:
    view = NearView.render()
    sensors = _noisy_rgb(view.visible), _noisy_thermal(view.thermal), _noisy_depth(view.depth)
    return [
        dict(zip(("rgb", "thermal", "depth"), images, strict=True)) for images in zip(*sensors, strict=True)
    ]


def _noisy_rgb(visible: NDArray[Any]) -> list[Image]:
    rgb = cv2.cvtColor(visible, cv2.COLOR_BGR2RGB)
    values = np.random.default_rng(1).integers(0, 4, (PICTURES, *rgb.shape), dtype=np.uint8)
    return [image_message("rgb", "rgb8", cv2.add(rgb, noise)) for noise in values]


def _noisy_thermal(thermal: NDArray[np.uint16]) -> list[Image]:
    values = np.random.default_rng(0).integers(0, 4, (PICTURES, *SIZE), dtype=np.uint16)
    return [image_message("thermal", "16UC1", thermal + noise) for noise in values]


def _noisy_depth(depth: NDArray[np.uint16]) -> list[Image]:
    values = np.random.default_rng(2).integers(0, 2, (PICTURES, *SIZE), dtype=np.uint16)
    return [image_message("rgb", "16UC1", np.where(depth > 0, depth + noise, depth)) for noise in values]


def image_message(frame_id: str, encoding: str, image: NDArray[Any]) -> Image:
    """An image as a camera publishes it, without a stamp."""
    message = Image(
        height=image.shape[0],
        width=image.shape[1],
        encoding=encoding,
        step=image.nbytes // image.shape[0],
        data=array("B", image.tobytes()),
    )
    message.header.frame_id = frame_id
    return message


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    if role == "node":
        sys.exit(recorded_node(Path(rest[0]), [sys.argv[0], *rest[1:]]))
    if role == "listener":
        listener(Path(rest[0]), rest[1:])
    else:
        cameras("depth" in rest)
