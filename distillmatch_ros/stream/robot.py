"""What a robot says of its sensors: lenses by camera_info, and where they are by /tf_static."""

from typing import Any

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.frames import FrameTree
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.depth_image import covers
from distillmatch_ros.stream.sensors import Sensor

TF_STATIC = "/tf_static"
"""Topic of the poses that do not change."""

_UNIT = 0.01  # by which the length of a quaternion may differ from 1


class Robot:
    """Cameras and frames, as far as they are known. One thread may set them while another one asks.

    Attributes:
        frames: the robot's frames.
        depth_is_registered: whether depth images show what the visible camera shows, so that their camera is
            that one.
    """

    def __init__(self) -> None:
        """Start without knowledge."""
        self.frames = FrameTree()
        self.depth_is_registered = False
        self._cameras: dict[Sensor, Camera] = {}

    def take_transforms(self, message: Any) -> None:
        """Take the transforms of a TFMessage of any library; those that are no rigid motion are left out."""
        for stamped in message.transforms:
            move, turn = stamped.transform.translation, stamped.transform.rotation
            translation = np.array([move.x, move.y, move.z])
            quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
            length = float(np.linalg.norm(quaternion))
            if np.isfinite(translation).all() and abs(length - 1) < _UNIT:
                pose = Pose.from_quaternion(quaternion, translation)
                self.frames.add(stamped.header.frame_id, stamped.child_frame_id, pose)

    def set_camera(self, sensor: Sensor, camera: Camera) -> None:
        """Set the camera that a sensor's CameraInfo describes; an equal one is ignored."""
        current = self._cameras.get(sensor)
        if current is None or not current.same_as(camera):
            self._cameras[sensor] = camera

    def lens(self, sensor: Sensor, size: Size) -> Camera | Size:
        """The camera of a sensor whose images have this size; the size if none of such images is known.

        Where the visible camera's own CameraInfo is missing, that of depth which is registered to it counts.
        """
        camera = self._cameras.get(sensor)
        if camera is None and sensor is Sensor.VISIBLE and self.depth_is_registered:
            camera = self._cameras.get(Sensor.DEPTH)
            if camera is not None and covers(camera.size, size):
                camera = camera.resized(size)
        return size if camera is None or camera.size != size else camera

    def camera(self, sensor: Sensor) -> Camera:
        """The camera of a sensor.

        Raises:
            DistillMatchError: its CameraInfo did not come, or holds no calibration.
        """
        camera = self._cameras.get(sensor)
        if camera is None:
            raise DistillMatchError(
                f"{sensor.namespace}/camera_info: nothing usable came, and depth in a frame of its own needs "
                "it; publish it, or give depth that is registered to the RGB images (called aligned)"
            )
        return camera

    def pose(self, target: str, source: str) -> Pose:
        """The pose that takes points of one frame to another.

        Raises:
            DistillMatchError: the frames do not connect them.
        """
        pose = self.frames.pose(target, source)
        if pose is None:
            raise DistillMatchError(
                f"depth: its frame_id {source!r} is not that of the RGB images, {target!r}, and /tf_static "
                "does not connect the two; publish where the depth sensor is, set depth_pose, or give depth "
                "that is registered to the RGB images (called aligned)"
            )
        return pose
