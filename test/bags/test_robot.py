"""What a bag says of a robot: lenses and frames, for depth in a frame of its own."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg
from support.bags import ROS1, Message, write_bag
from support.simulated_rig import RIG

from distillmatch_ros.bags.camera_infos import describe_robot, first_info, info_topic
from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.writing import BagWriter
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.points import XYZ
from distillmatch_ros.stream.messages import CLOUD_FIELDS, TF_MESSAGE
from distillmatch_ros.stream.robot import Robot
from distillmatch_ros.stream.sensors import Sensor

COLOURS = ("red", "green", "blue")
CLOUD = np.zeros(5, [(name, "f4") for name in CLOUD_FIELDS] + [(name, "u1") for name in COLOURS])
TOPICS = {Sensor.VISIBLE: "/color/image_raw", Sensor.DEPTH: "/depth/image_rect_raw/compressedDepth"}


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    messages = ros2_messages()
    body, visible = (Frame(np.zeros((2, 2)), "64FC1", 0, name) for name in ("body", "rgb"))
    with BagWriter(tmp_path / "drive.mcap", ros2_types()) as writer:
        writer.write("/tf_static", 1, messages.transform(RIG.T_visible_thermal, body, "lidar"))
        writer.write("/tf_static", 9, messages.transform(RIG.T_visible_thermal, body, "rgb"))  # a driver's
        writer.write("/color/camera_info", 5, messages.camera(RIG.visible, visible))
        writer.write("/depth/camera_info", 6, messages.camera(RIG.thermal, body))
        writer.write("/lidar/points", 7, messages.points(CLOUD, visible))
    return tmp_path / "drive.mcap"


def test_cameras_and_frames_are_told(drive: Path) -> None:
    robot = Robot()
    with Bag(drive) as bag:
        infos = {sensor: first_info(bag, topic) for sensor, topic in TOPICS.items()}
        describe_robot(bag, infos, TOPICS, robot)
    assert robot.camera(Sensor.VISIBLE).same_as(RIG.visible)
    rectified = Camera(RIG.thermal.size, RIG.thermal.matrix)  # as the topic's name says
    assert robot.camera(Sensor.DEPTH).same_as(rectified)
    np.testing.assert_allclose(robot.pose("rgb", "lidar").translation, 0, atol=1e-12)


def test_points_are_depth_and_no_camera(drive: Path) -> None:
    with Bag(drive) as bag:
        assert bag.image_topic("/lidar/points", "--depth", points=True).count == 1
        with pytest.raises(DistillMatchError, match="--rgb"):
            bag.image_topic("/lidar/points", "--rgb")
        (recorded,) = bag.messages(("/lidar/points",))
    frame = ros2_messages().to_frame(recorded.message)
    assert (frame.encoding, frame.image.shape, frame.frame_id) == (XYZ, (5, 3), "rgb")


def test_a_transport_does_not_move_the_camera_info() -> None:
    transports = ("", "/compressed", "/compressedDepth")
    assert {info_topic(f"/depth/image{each}") for each in transports} == {"/depth/camera_info"}


@pytest.mark.parametrize("kind", ["ros1", "sqlite3"])
def test_frames_of_every_kind_of_bag_are_told(kind: str, tmp_path: Path) -> None:
    body = Frame(np.zeros((2, 2)), "64FC1", 0, "/body")  # with ROS 1's slash
    transform = ros2_messages().transform(RIG.T_visible_thermal, body, "rgb")
    if TF_MESSAGE not in ROS1.fielddefs:  # rosbags knows no such type of ROS 1
        ROS1.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", TF_MESSAGE))
    robot = Robot()
    with Bag(write_bag(tmp_path, kind, [Message("/tf_static", 1, transform)])) as bag:
        describe_robot(bag, {}, {}, robot)
    np.testing.assert_allclose(robot.pose("body", "rgb").translation, RIG.T_visible_thermal.translation)
