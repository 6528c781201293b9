"""Outgoing messages of a pair by topic, for the node and for bags."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.stream.messages import Messages
from distillmatch_ros.stream.stream import Result

NODE = "/distillmatch"
"""The node's name, the prefix of its topics."""


class Outgoing:
    """The messages of one result, each made on demand."""

    def __init__(
        self,
        messages: Messages,
        result: Result,
        info: Any = None,
        *,
        quality: int = 90,
    ) -> None:
        """Set the result.

        Args:
            messages: converter that makes the messages.
            result: result for a pair.
            info: CameraInfo of the visible camera, or None.
            quality: JPEG quality, 1 to 100.
        """
        self._messages = messages
        self._result = result
        self._info = info
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
        registered = self._result.registered_thermal()
        return None if registered is None else self._messages.image(registered)

    def camera_info(self) -> Any | None:
        """CameraInfo of the registered image; None without one, since synchronisers would wait for it."""
        if self._info is None or self._result.registration.homography is None:
            return None
        return self._messages.camera_info(
            self._info, self._result.visible, self._result.rig.visible.undistorted
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
    "thermal_registered": ("sensor_msgs/msg/Image", Outgoing.thermal_registered),
    "thermal_registered/camera_info": ("sensor_msgs/msg/CameraInfo", Outgoing.camera_info),
}
"""Message type and maker by topic name below `NODE`; a maker returns None for no message."""


def chosen_outputs(names: Sequence[str] | None) -> tuple[str, ...]:
    """Some of `TOPICS`; all but the JPEGs, which show what the overlay shows, if none are named.

    Raises:
        DistillMatchError: there is no such output.
    """
    chosen = names or [name for name in TOPICS if name != "overlay/compressed"]
    for name in chosen:
        if name not in TOPICS:
            raise DistillMatchError(f"output {name!r} is unknown; choose from {', '.join(TOPICS)}")
    return tuple(name for name in TOPICS if name in chosen)
