"""Cameras in bags: their CameraInfo, where it is, sizes of their images, and images undistorted by it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.stream.robot import TF_STATIC, Robot
from distillmatch_ros.stream.sensors import Sensor, is_rectified
from distillmatch_ros.stream.stream import Stream

_TRANSPORT = re.compile(r"/(compressed|compressedDepth|zstd|theora|ffmpeg|foxglove|h264|h265)$")


def without_transport(topic: str) -> str:
    """The topic without the name of its transport, under which one camera's images come several times."""
    return _TRANSPORT.sub("", topic)


def info_topic(image: str) -> str:
    """Where the CameraInfo of an image topic is by ROS's convention: ``camera_info`` beside the image."""
    return f"{without_transport(image).rpartition('/')[0]}/camera_info"


def first_info(bag: Bag, image: str) -> Any:
    """The first CameraInfo beside an image topic, or None; a camera does not change its lens on the way."""
    first = next(bag.messages((info_topic(image),)), None)
    return None if first is None else first.message


def first_size(bag: Bag, topic: str) -> Size | None:
    """Size of a topic's first image; None if it has none.

    Raises:
        DistillMatchError: it cannot be read.
    """
    first = next(bag.messages((topic,)), None)
    return None if first is None else ros2_messages().to_frame(first.message).image.shape[:2]


def camera_of(info: Any, image: str) -> Camera | None:
    """The camera of an image topic by the CameraInfo beside it; None without a usable one."""
    with suppress(DistillMatchError):  # it is not calibrated
        return None if info is None else Camera.from_camera_info(info, rectified=is_rectified(image))
    return None


def check_rig(bag: Bag, topics: Mapping[Sensor, str], stream: Stream) -> None:
    """Reject a bag whose images are not those of the rig that is named, before any work.

    Raises:
        DistillMatchError: they are not.
    """
    thermal: Size | None = None
    visible: Size | None = None
    with suppress(DistillMatchError):  # an image that cannot be read is counted with the others
        thermal, visible = (first_size(bag, topics[each]) for each in (Sensor.THERMAL, Sensor.VISIBLE))
    if thermal is not None and visible is not None:
        stream.check_rig(thermal, visible)


def describe_robot(bag: Bag, infos: Mapping[Sensor, Any], topics: Mapping[Sensor, str], robot: Robot) -> None:
    """Tell the cameras, by their CameraInfo if there is any, and the frames that a bag describes."""
    for sensor, info in infos.items():
        if (camera := camera_of(info, topics[sensor])) is not None:
            robot.set_camera(sensor, camera)
    if TF_STATIC in bag.topics:
        for each in bag.messages((TF_STATIC,)):
            robot.take_transforms(each.message)


def undistort(
    stream: Stream, infos: Mapping[Sensor, Any], topics: Mapping[Sensor, str], summary: BagSummary
) -> None:
    """Undistort the images of each camera with a usable CameraInfo, unless they are rectified.

    Raises:
        DistillMatchError: there is none.
    """
    problems = {}
    for sensor, info in infos.items():
        if is_rectified(topics[sensor]):
            stream.undistort(sensor, None)
            summary.notes.append(
                f"{sensor} images are not undistorted: {topics[sensor]} is rectified already"
            )
        elif (problem := _undistort_one(stream, sensor, info)) is None:
            summary.undistorted.append(sensor.value)
        else:
            problems[sensor] = problem
    if len(problems) == len(infos):
        listed = "; ".join(f"{sensor}: {error}" for sensor, error in problems.items())
        raise DistillMatchError(f"undistort: no camera is calibrated ({listed}); or leave undistort out")
    summary.notes.extend(
        f"{sensor} images are not undistorted: {error}" for sensor, error in problems.items()
    )


def _undistort_one(stream: Stream, sensor: Sensor, info: Any) -> str | None:
    """Undistort the images of one camera; the reason if its CameraInfo is None or unusable."""
    stream.undistort(sensor, None)
    if info is None:
        return f"the bag has no camera_info beside its {sensor} image; record it"
    try:
        stream.undistort(sensor, Camera.from_camera_info(info))
    except DistillMatchError as error:
        return str(error)
    return None
