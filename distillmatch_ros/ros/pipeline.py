"""Processing of a pair of messages: decode, register, publish."""

import threading
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import monotonic_ns, perf_counter
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.engines import EngineInfo
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.events import RigEvent
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.history import Use, use_of
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.ros.message_types import is_installed, message_maker
from distillmatch_ros.ros.publishers import Outputs
from distillmatch_ros.ros.statistics import AGE, CAMERA_INFO, UNUSABLE, Statistics
from distillmatch_ros.stream.assembly import (
    awaited_rig,
    calibration_path,
    load_calibration,
    load_rig,
    open_registrar,
    rig_path,
)
from distillmatch_ros.stream.calibration import Calibration, Known
from distillmatch_ros.stream.messages import MESSAGE_TYPES, TRANSFORM_TYPES, Messages
from distillmatch_ros.stream.outputs import Outgoing, withheld
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.sensors import MATCHED, Sensor, is_rectified
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.synchroniser import Pair

PAIR = "pair"
"""Sensor of drops that concern both frames of a pair."""
INFO_PATIENCE_S = 3.0
"""Time from the first pair for which one camera's CameraInfo is waited for if the other's is there."""


def ros_messages(max_pixels: int) -> Messages:
    """Converter between rclpy's messages and frames or results."""
    names = filter(is_installed, (*MESSAGE_TYPES, *TRANSFORM_TYPES))
    return Messages({name: message_maker(name) for name in names}, max_pixels=max_pixels)


class Pipeline:
    """Owns engine and publishers. `process` is called by the worker, the other methods by the executor.

    The latter may wait for the current pair, which is acceptable for rare requests by users.
    """

    def __init__(
        self, node: Node, parameters: Parameters, messages: Messages, statistics: Statistics
    ) -> None:
        """Open the engine and create the publishers.

        Raises:
            DistillMatchError: the engine, the calibration or the rig's file cannot be read.
        """
        self._parameters = parameters
        self._messages = messages
        self._statistics = statistics
        self._lock = threading.Lock()
        self._infos: dict[Sensor, CameraInfo] = {}
        self._calibrated: set[Sensor] = set()
        self._implausible: dict[Sensor, str] = {}
        self._rectified = {
            sensor for sensor in Sensor if is_rectified(node.resolve_topic_name(f"{sensor.namespace}/image"))
        }
        self._waiting_since: int | None = None
        self._calibration = load_calibration(parameters)
        self.awaited_rig = awaited_rig(parameters)
        """The rig's file if it is still to be written."""
        self.unusable: str | None = None
        """Error of the last unusable pair."""
        self.withheld: Mapping[str, str] = {}
        """Outputs that the known rig does not give, and why."""
        with ExitStack() as undo:
            self._registrar = undo.enter_context(open_registrar(parameters, asynchronous=True))
            self._stream = Stream(
                self._registrar,
                parameters.stream,
                self._calibration,
                known=None if self.awaited_rig else load_rig(parameters),
                on_learned=self._keep_rig,
                asynchronous=True,
            )
            self._outputs = Outputs(node)
            undo.pop_all()

    @property
    def engine(self) -> EngineInfo:
        """Network and device."""
        return self._registrar.engine.info

    @property
    def exchanged(self) -> str | None:
        """Why the images of both cameras seem to be exchanged; None if they do not."""
        return self._stream.exchanged

    @property
    def advice(self) -> str | None:
        """A setting that would help if no homography is found; None if none is known."""
        return self._stream.advice

    @property
    def rig(self) -> RigEvent | None:
        """What was last found about the rig; None if nothing was."""
        events = self._stream.rig_events
        return events[-1] if events else None

    @property
    def rig_use(self) -> Use | None:
        """What the known rig is for; None if none is known."""
        return use_of(self._stream.known_rig)

    def _keep_rig(self, rig: LearnedRig, passes: int) -> None:
        """Write a learned rig to its file, if there is one."""
        path = rig_path(self._parameters)
        try:
            if path is not None:
                RigFile.of(rig, passes).save(path)
        except DistillMatchError as error:  # such as a full disk: registration goes on
            self.unusable = str(error)

    @property
    def missing_infos(self) -> dict[Sensor, str]:
        """Sensors that should be undistorted and cannot, with what is wrong with their CameraInfo.

        It is empty for one that has not come.
        """
        return {
            sensor: self._implausible.get(sensor, "")
            for sensor in MATCHED
            if self._is_undistorted(sensor) and sensor not in self._calibrated
        }

    def _is_undistorted(self, sensor: Sensor) -> bool:
        """Whether a sensor's images are to be undistorted."""
        return self._parameters.undistort and sensor in MATCHED and sensor not in self._rectified

    def calibration_for(self, parameters: Parameters, changed: Collection[str]) -> Known | None:
        """Calibration that `configure` needs for these parameters.

        It is read if the mode or the file is among what was set: a file of the same name may be new.

        Raises:
            DistillMatchError: the file is missing, or holds no calibration.
        """
        reads = not {"mode", "calibration_file"}.isdisjoint(changed)
        return load_calibration(parameters) if reads else self._calibration

    def configure(self, parameters: Parameters, calibration: Known | None) -> None:
        """Set live parameters and the calibration for them, from the next pair on."""
        with self._lock:
            self._stream.configure(parameters.stream, calibration)
            self._parameters, self._calibration = parameters, calibration

    def set_camera_info(self, sensor: Sensor, info: CameraInfo) -> None:
        """Set the CameraInfo of a camera; one without a calibration does not replace one with it."""
        undistorts = self._is_undistorted(sensor)
        if self._infos.get(sensor) != info:
            try:
                camera = Camera.from_camera_info(info, rectified=sensor in self._rectified)
                if undistorts:
                    with self._lock:
                        self._stream.undistort(sensor, camera)
                    self._calibrated.add(sensor)
                self._stream.robot.set_camera(sensor, camera)
            except DistillMatchError as error:
                if undistorts:
                    self._statistics.drop(sensor.namespace, CAMERA_INFO)
                    self.unusable = self._implausible[sensor] = str(error)
                    if sensor in self._calibrated:
                        return
        self._infos[sensor] = info

    def take_transforms(self, message: Any) -> None:
        """Take poses of the robot's frames from a TFMessage."""
        self._stream.robot.take_transforms(message)

    def reset(self) -> None:
        """Discard the state of all pairs."""
        with self._lock:
            self._stream.reset()

    def save_calibration(self) -> tuple[Path, Calibration]:
        """Write a calibration from all pairs since the last `reset`.

        Raises:
            DistillMatchError: no file is configured, it cannot be written, or the pairs do not support one.
        """
        path = calibration_path(self._parameters)
        with self._lock:
            calibration = self._stream.calibration()
        calibration.save(path)
        return path, calibration

    def process(self, pair: Pair[Any]) -> None:
        """Decode, register and publish a pair; unusable images are counted and reported."""
        if self._awaits_infos():
            self._statistics.drop(PAIR, CAMERA_INFO)
            return
        start = perf_counter()
        frames = self._decode(pair)
        if frames is None:
            return
        decoded = perf_counter()
        try:
            with self._lock:
                result = self._stream.process(**frames)
        except DistillMatchError as error:
            self._reject(PAIR, str(error))
            return
        for sensor, reason in result.unused.items():
            self._reject(sensor.namespace, reason)
        registered = perf_counter()
        outgoing = Outgoing(
            self._messages,
            result,
            self._infos,
            quality=self._parameters.jpeg_quality,
        )
        published = self._outputs.publish(outgoing)
        if result.geometry is not None:
            self.withheld = {**withheld(result), **self._outputs.missing}
        end = perf_counter()
        latency_ms: Mapping[str, float] = {
            "decode": 1e3 * (decoded - start),
            **{stage: ms for stage, ms in result.latency_ms.items() if stage != "total"},
            "publish": 1e3 * (end - registered),
            AGE: (monotonic_ns() - pair.visible.received) / 1e6,
        }
        registration = result.registration
        self._statistics.register(registration, latency_ms, result.passes)
        self._statistics.publish(published)

    def close(self) -> None:
        """Close the engine and destroy the publishers. No pair may be in process."""
        self._outputs.close()
        self._stream.close()
        self._registrar.close()

    def _awaits_infos(self) -> bool:
        """Whether pairs wait for a CameraInfo: for the first calibration, or a while for the other one."""
        missing = self.missing_infos
        if self._waiting_since is None:
            self._waiting_since = monotonic_ns()
        if not missing or len(missing) == len(MATCHED):
            return bool(missing)
        waited_s = (monotonic_ns() - self._waiting_since) / SECOND
        return waited_s < INFO_PATIENCE_S and any(sensor not in self._infos for sensor in missing)

    def _decode(self, pair: Pair[Any]) -> dict[str, Frame] | None:
        """The frames by sensor; None if an image of the two cameras is unusable."""
        frames = {sensor: self._frame(sensor, arrival.item) for sensor, arrival in pair.arrivals.items()}
        if any(frames[sensor] is None for sensor in MATCHED):
            return None
        return {sensor.value: frame for sensor, frame in frames.items() if frame is not None}

    def _frame(self, sensor: Sensor, message: Any) -> Frame | None:
        try:
            return self._messages.to_frame(message)
        except DistillMatchError as error:
            self._reject(sensor.namespace, str(error))
            return None

    def _reject(self, what: str, error: str) -> None:
        self._statistics.drop(what, UNUSABLE)
        self.unusable = error
