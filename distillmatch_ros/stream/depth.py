"""Depth frames of a stream: what has to hold before a pair is mapped by one."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.geometry.undistortion import Undistorter
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.points import XYZ
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.depth_image import from_camera, from_points, holds_distances, registered
from distillmatch_ros.stream.robot import Robot
from distillmatch_ros.stream.sensors import Sensor


class MeasuredDepth:
    """The depth of a pair, found when it is first asked for, in any thread."""

    def __init__(self, find: Callable[[], Float32]) -> None:
        """Ask a function, which may raise DistillMatchError."""
        self._find = find

    @cached_property
    def _found(self) -> tuple[Float32 | None, str | None]:
        try:
            return self._find(), None
        except DistillMatchError as error:
            return None, str(error)

    def inverse(self) -> Float32 | None:
        """Inverse depth of the visible pixels, see `depth_of_visible`; None if there is a problem."""
        return self._found[0]

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; None if it can."""
        return self._found[1]


def is_registered(depth: Frame, visible: Frame, given: Pose | None) -> bool:
    """Whether depth is an image in the visible camera's frame, which shows what that camera shows.

    Args:
        depth: the depth frame.
        visible: the visible frame.
        given: see `depth_of_visible`.
    """
    is_same = depth.frame_id.lstrip("/") == visible.frame_id.lstrip("/")
    return depth.encoding != XYZ and is_same and given is None


def hung() -> Float32:
    """What a depth camera that hangs tells of a pair: raises DistillMatchError."""
    raise DistillMatchError(
        "depth: its image stays the same while the view moves: its camera or driver hangs; restart it"
    )


def depth_of_visible(
    depth: Frame, visible: Frame, robot: Robot, given: Pose | None, undistorter: Undistorter | None
) -> Float32:
    """Inverse depth of the visible pixels, float32 (H, W), 1 / metre; NaN where unknown.

    Depth in the visible camera's frame is registered to its images. A depth camera in a frame of its own is
    carried over by both cameras' CameraInfo, points of a LiDAR are projected; what is nearer hides what is
    behind it.

    Args:
        depth: an image, see `inverse_depth_of` for units; or points, see `XYZ`.
        visible: the visible frame, undistorted if there is an undistorter.
        robot: cameras and frames.
        given: takes the depth sensor's frame to the visible camera's; None takes it from the robot's frames.
        undistorter: of the visible images; None if they are as the camera gave them.

    Raises:
        DistillMatchError: the depth is of another size or unit, or all unknown; or what is needed to carry it
            over is not known.
    """
    size = visible.image.shape[:2]
    shows_the_same = is_registered(depth, visible, given)
    if shows_the_same:
        found = registered(depth.image, size)
        if undistorter is not None:
            found = undistorter(replace(depth, image=found)).image
    else:
        pose = robot.pose(visible.frame_id, depth.frame_id) if given is None else given
        camera = _seeing(robot.camera(Sensor.VISIBLE), size, undistorter)
        if depth.encoding == XYZ:
            found = from_points(depth.image, pose, camera)
        else:
            found = from_camera(depth.image, robot.camera(Sensor.DEPTH), pose, camera)
    if not holds_distances(found):
        raise DistillMatchError(
            "depth: no pixel holds a distance; check the depth camera and its range"
            if shows_the_same
            else "depth: none of it lies in the RGB images; check the depth sensor, its range, and its pose"
        )
    return found


def _seeing(camera: Camera, size: tuple[int, ...], undistorter: Undistorter | None) -> Camera:
    """The camera of the visible images, if it is that of images of this size."""
    if camera.size != size:
        raise DistillMatchError(
            f"rgb/camera_info: describes {camera.size[1]}x{camera.size[0]} pixels, but the images are of "
            f"{size[1]}x{size[0]}; calibrate at the resolution in use"
        )
    return camera if undistorter is None else undistorter.straightened
