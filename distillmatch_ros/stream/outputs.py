"""Outgoing messages of a pair by topic, for the node and for bags."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.model import POSE, THERMAL_INTRINSICS
from distillmatch_ros.stream.messages import Messages
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.robot import TF_STATIC
from distillmatch_ros.stream.sensors import Sensor

NODE = "/distillmatch"
"""The node's name, the prefix of its topics."""


THERMAL_CAMERA = "thermal/camera_info"
"""Output that tells of the rig, as `TF_STATIC`, which is said once for each geometry, and latched."""


def withheld(result: Result) -> dict[str, str]:
    """Outputs that a known rig does not give, and why: nothing that is assumed is published."""
    geometry = result.geometry
    if geometry is None:
        return {}
    reasons = {}
    if result.formats.thermal.undistorted:
        reasons[THERMAL_CAMERA] = "the thermal camera's own one is known"
    elif lacks := geometry.model.assumed(*THERMAL_INTRINSICS):
        reasons[THERMAL_CAMERA] = f"the {' and the '.join(lacks)} are assumed"
    frames = result.visible.frame_id, result.thermal.frame_id
    if "scale" in (lacks := geometry.model.assumed(*POSE)):
        reasons[TF_STATIC] = "the distance of the cameras is unknown: set baseline_m, or give depth"
        if geometry.model.is_metric:
            reasons[TF_STATIC] = reasons["points"] = (
                "neither the focal lengths nor the distance of the cameras are known: publish the "
                "camera_info of the RGB camera, or set baseline_m"
            )
    elif lacks:
        reasons[TF_STATIC] = f"the {' and the '.join(lacks)} are assumed"
    elif "" in frames or frames[0] == frames[1]:
        reasons[TF_STATIC] = f"the images have the frame_id {frames[0]!r} and {frames[1]!r}: no two frames"
    elif geometry.parent not in (None, frames[0].lstrip("/")):
        reasons[TF_STATIC] = (
            f"{frames[1]!r} hangs on {geometry.parent!r} in the robot's tree already; a frame has one parent"
        )
    return reasons


class Outgoing:
    """The messages of one result, each made on demand."""

    def __init__(
        self,
        messages: Messages,
        result: Result,
        infos: Mapping[Sensor, Any] | None = None,
        *,
        quality: int = 90,
    ) -> None:
        """Set the result.

        Args:
            messages: converter that makes the messages.
            result: result for a pair.
            infos: CameraInfo by sensor, as far as known.
            quality: JPEG quality, 1 to 100.
        """
        self._messages = messages
        self._result = result
        self._infos = infos or {}
        self._quality = quality

    def correspondences(self) -> Any:
        """PointCloud2; see `Messages.correspondences`."""
        return self._messages.correspondences(self._result.matched(), self._result.visible)

    def homography(self) -> Any:
        """Image, 3x3; see `Messages.homography`."""
        return self._messages.homography(self._result.registration, self._result.visible)

    def status(self) -> Any:
        """DiagnosticArray; see `Messages.status`."""
        return self._messages.status(self._result.registration, self._result.visible, self._result.thermal)

    def overlay(self) -> Any:
        """Image, bgr8."""
        return self._messages.image(self._overlay)

    def overlay_compressed(self) -> Any:
        """CompressedImage."""
        return self._messages.compressed(self._overlay, self._quality)

    def thermal_registered(self) -> Any | None:
        """Image with the thermal camera's encoding and values; None without a homography."""
        return self._image(self._result.registered_thermal())

    def thermal_mask(self) -> Any | None:
        """Image, mono8: 255 where the thermal camera sees the pixel of the registered image, else 0."""
        return self._image(self._result.mask())

    def thermal_info(self) -> Any | None:
        """CameraInfo of the thermal image in the visible frame: that of the visible camera."""
        return self._camera_info(Sensor.VISIBLE, self._result.visible)

    def rgb_registered(self) -> Any | None:
        """Image in the thermal frame with the visible camera's encoding; None without a homography."""
        return self._image(self._result.registered_visible())

    def rgb_info(self) -> Any | None:
        """CameraInfo of the visible image in the thermal frame: that of the thermal camera."""
        return self._camera_info(Sensor.THERMAL, self._result.in_thermal_frame)

    def points(self) -> Any | None:
        """PointCloud2; see `Messages.points`."""
        cloud = self._result.points()
        return None if cloud is None else self._messages.points(cloud, self._result.visible)

    def thermal_camera(self) -> Any | None:
        """CameraInfo of the thermal camera as the rig knows it, with the header of the thermal image.

        None without a rig that this pair's own images support, and where it is `withheld`.
        """
        geometry = self._result.geometry
        if geometry is None or THERMAL_CAMERA in withheld(self._result):
            return None
        return self._messages.camera(geometry.model.thermal, self._result.thermal)

    def tf_static(self) -> Any | None:
        """TFMessage that says where the thermal camera is in the visible camera's frame.

        None but for the first pair of a geometry, and where it is `withheld`.
        """
        geometry = self._result.geometry
        if geometry is None or not geometry.is_new or TF_STATIC in withheld(self._result):
            return None
        pose, child = geometry.model.T_visible_thermal, self._result.thermal.frame_id
        return self._messages.transform(pose, self._result.visible, child)

    def _image(self, frame: Frame | None) -> Any | None:
        return None if frame is None else self._messages.image(frame)

    def _camera_info(self, sensor: Sensor, header_of: Frame) -> Any | None:
        """CameraInfo of a registered image; None without one, since synchronisers would wait for it."""
        info = self._infos.get(sensor)
        if info is None or self._result.registration.mapping is None:
            return None
        return self._messages.camera_info(
            info, header_of, getattr(self._result.formats, sensor.value).undistorted
        )

    @cached_property
    def _overlay(self) -> Frame:
        return self._result.overlay()


TOPICS: Mapping[str, tuple[str, Callable[[Outgoing], Any | None]]] = {
    "correspondences": ("sensor_msgs/msg/PointCloud2", Outgoing.correspondences),
    "homography": ("sensor_msgs/msg/Image", Outgoing.homography),
    "status": ("diagnostic_msgs/msg/DiagnosticArray", Outgoing.status),
    "overlay": ("sensor_msgs/msg/Image", Outgoing.overlay),
    "overlay/compressed": ("sensor_msgs/msg/CompressedImage", Outgoing.overlay_compressed),
    "thermal_registered/image": ("sensor_msgs/msg/Image", Outgoing.thermal_registered),
    "thermal_registered/camera_info": ("sensor_msgs/msg/CameraInfo", Outgoing.thermal_info),
    "thermal_registered/mask": ("sensor_msgs/msg/Image", Outgoing.thermal_mask),
    "rgb_registered/image": ("sensor_msgs/msg/Image", Outgoing.rgb_registered),
    "rgb_registered/camera_info": ("sensor_msgs/msg/CameraInfo", Outgoing.rgb_info),
    "points": ("sensor_msgs/msg/PointCloud2", Outgoing.points),
    THERMAL_CAMERA: ("sensor_msgs/msg/CameraInfo", Outgoing.thermal_camera),
}
"""Message type and maker by topic name below `NODE`; a maker returns None for no message."""


ON_REQUEST = ("overlay/compressed", "rgb_registered/image", "rgb_registered/camera_info", "points")
"""Topics that a bag gets only if they are named: large ones, which few need beside the others."""


def chosen_outputs(names: Sequence[str] | None) -> tuple[str, ...]:
    """Some of `TOPICS`; all but those `ON_REQUEST` if none are named.

    Raises:
        DistillMatchError: there is no such output.
    """
    chosen = names or [name for name in TOPICS if name not in ON_REQUEST]
    for name in chosen:
        if name not in TOPICS:
            raise DistillMatchError(f"output {name!r} is unknown; choose from {', '.join(TOPICS)}")
    return tuple(name for name in TOPICS if name in chosen)
