"""A bench of cameras and listeners around a node that runs in a process of its own."""

# ruff: noqa: E402 (a module that imports this one is skipped where ROS is not installed)

import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import monotonic, time_ns
from typing import Any

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 for Python is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from support.ros_process import PATIENCE_S

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.tools.load import image_message

NODE = "/distillmatch"
RATE = 5.0
"""Pairs a second that a busy machine keeps up with too, Hz."""
SETTLING_S = 0.3
"""DDS tells one end of a match a little before the other."""
OUTPUTS = {
    "correspondences": PointCloud2,
    "homography": Image,
    "overlay": Image,
    "overlay/compressed": CompressedImage,
    "thermal_registered/image": Image,
    "thermal_registered/camera_info": CameraInfo,
    "thermal_registered/mask": Image,
    "rgb_registered/image": Image,
    "rgb_registered/camera_info": CameraInfo,
}
"""What a node without depth publishes, and before it knows the rig."""
ALL_OUTPUTS = {**OUTPUTS, "points": PointCloud2, "thermal/camera_info": CameraInfo}
TRANSITIONS = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4}
SHAPE = (64, 80)


class Bench:
    """Two cameras, and somebody who listens to what the node says."""

    def __init__(self, domain_id: int, reliable_cameras: bool = False) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node("bench", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.outputs: defaultdict[str, list[Any]] = defaultdict(list)
        self.diagnostics: list[DiagnosticStatus] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        self.cameras = {
            name: self.node.create_publisher(Image, f"/{name}/image", 5) for name in ("rgb", "thermal")
        }
        self.now = time_ns()

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.diagnostics.extend(message.status)

    def listen(self, *names: str) -> None:
        """Subscribe to outputs, and wait until node and subscriptions know of each other."""
        subscriptions = [
            self.node.create_subscription(
                ALL_OUTPUTS[name], f"{NODE}/{name}", self.outputs[name].append, QoSProfile(depth=50)
            )
            for name in names
        ]
        self.until(lambda: all(each.get_publisher_count() for each in subscriptions))
        self.spin(SETTLING_S)

    def spin(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def until(self, true: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
        """Spin until something is true."""
        end = monotonic() + seconds
        while not (found := true()):
            assert monotonic() < end, f"not within {seconds} s; the last diagnostics: {self.diagnostics[-1:]}"
            self._executor.spin_once(timeout_sec=0.02)
        return found

    def diagnosed(self, text: str, seconds: float = PATIENCE_S) -> DiagnosticStatus:
        """The next diagnosis with this text in its message."""
        del self.diagnostics[:]
        self.until(lambda: any(text in status.message for status in self.diagnostics), seconds)
        return next(status for status in self.diagnostics if text in status.message)

    def driven(self, text: str, **how: Any) -> DiagnosticStatus:
        """A diagnosis with this text while cameras run (see `drive`), however long a busy machine takes."""
        del self.diagnostics[:]
        end = monotonic() + PATIENCE_S
        while not (found := [each for each in self.diagnostics if text in each.message]):
            assert monotonic() < end, (
                f"not within {PATIENCE_S} s: {[each.message for each in self.diagnostics]}"
            )
            self.drive(2.0, **how)
        return found[-1]

    def figures(self) -> dict[str, str]:
        """Those of the next diagnosis."""
        del self.diagnostics[:]
        self.until(lambda: self.diagnostics)
        return {value.key: value.value for value in self.diagnostics[-1].values}

    def see(self, *names: str) -> None:
        """Wait until the node subscribes to cameras."""
        self.until(lambda: all(self.cameras[name].get_subscription_count() for name in names or self.cameras))
        self.spin(SETTLING_S)

    def call(self, kind: Any, name: str, request: Any = None, again_s: float = 3.0) -> Any:
        """Ask the node's service, anew every ``again_s`` seconds without an answer.

        DDS loses a request or its answer while the two sides are discovering each other, and takes a
        service for ready that belongs to a node that has just gone.
        """
        client = self.node.create_client(kind, f"{NODE}/{name}")
        self.until(client.service_is_ready)
        futures: list[Any] = []
        asked = -math.inf

        def answered() -> Any:
            nonlocal asked
            if monotonic() - asked >= again_s:
                futures.append(client.call_async(request or kind.Request()))
                asked = monotonic()
            return next((future for future in futures if future.done()), None)

        answer = self.until(answered)
        self.node.destroy_client(client)
        return answer.result()

    @property
    def state(self) -> str:
        return str(self.call(GetState, "get_state").current_state.label)

    def change(self, transition: str) -> bool:
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        assert self.state  # the node is reached: a transition cannot be asked for twice
        return bool(self.call(ChangeState, "change_state", request, again_s=math.inf).success)

    def set(self, together: bool = False, **values: Any) -> list[Any]:
        """Set parameters; each result has ``successful`` and ``reason``."""
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        if together:
            request = SetParametersAtomically.Request(parameters=parameters)
            return [self.call(SetParametersAtomically, "set_parameters_atomically", request).result]
        request = SetParameters.Request(parameters=parameters)
        return list(self.call(SetParameters, "set_parameters", request).results)

    def send(self, name: str, image: NDArray[Any], encoding: str, stamp: int, /, **header: Any) -> None:
        """Publish an image; ``header`` overrides fields, as a driver that lies would."""
        message = image_message(f"{name}_optical", encoding, image)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
        for key, value in header.items():
            setattr(message, key, value)
        self.cameras[name].publish(message)

    def drive(
        self,
        seconds: float,
        *,
        start: int | None = None,
        thermal_ahead: int = 0,
        sides: Sequence[str] = ("rgb", "thermal"),
        lost: float = 0.0,
        rate: float = 30.0,
    ) -> list[int]:
        """Both cameras for a while, in real time; returns the visible stamps sent.

        Without ``start`` the stamps go on where the last drive ended.
        """
        begin, stamp = monotonic(), self.now if start is None else start
        chance, sent = random.Random(0), []
        for index in range(round(seconds * rate)):
            self.spin(max(0.0, begin + index / rate - monotonic()))
            for name in sides:
                if chance.random() < lost:
                    continue
                self.send(name, *picture(name, index), stamp + (thermal_ahead if name == "thermal" else 0))
                if name == "rgb":
                    sent.append(stamp)
            stamp += round(SECOND / rate)
        self.now = stamp
        return sent


def picture(name: str, index: int) -> tuple[NDArray[Any], str]:
    """An image of a camera with a sensor's noise: 8-bit colour, or the same scene as raw 16-bit thermal."""
    scene = cv2.GaussianBlur(np.random.default_rng(0).random(SHAPE), (0, 0), 2.5)
    scene = (scene - scene.min()) / np.ptp(scene)
    noise = np.random.default_rng(index).random(SHAPE)
    if name == "rgb":
        return np.dstack([20 + 150 * scene + 4 * noise] * 3).astype(np.uint8), "rgb8"
    return (29000 + 2000 * (1 - scene) + 40 * noise).astype(np.uint16), "16UC1"


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * SECOND + int(message.header.stamp.nanosec)


def drive_and_recover(bench: Bench, seconds: float = 3.0, **how: object) -> None:
    """Good data leads to results within a second of it."""
    del bench.outputs["homography"][:]
    sent = bench.drive(seconds, rate=RATE, **how)  # type: ignore[arg-type]
    # Results of an earlier drive may still come in.
    stamps = bench.until(lambda: set(sent) & set(map(stamp_of, bench.outputs["homography"])))
    assert min(stamps) <= sent[0] + SECOND


def said(bench: Bench, text: str) -> DiagnosticStatus:
    """A diagnosis of the last drive."""
    found = [status for status in bench.diagnostics if text in status.message]
    assert found, [status.message for status in bench.diagnostics]
    return found[-1]
