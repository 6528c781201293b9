"""Depth sensors with a frame of their own: carried into the visible image by known lenses and poses."""

from dataclasses import replace

import numpy as np
import pytest

from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.parallax import true_rig
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.points import XYZ
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Result, Stream
from distillmatch_ros.stream.temporal import Mode
from test.stream.test_depth import STAMP, images, rig_of, stream_of

MOUNT = Pose.from_vectors(np.array([0.3, -1.2, 0.5]), np.array([0.2, 1.0, 0.4]))


def on_a_robot(stream: Stream, room: SyntheticPair) -> Stream:
    """The depth sensor stands where the thermal camera does; both hang on the robot's body."""
    rig = true_rig(room)
    stream.robot.frames.add("body", "rgb", MOUNT)
    stream.robot.frames.add("body", "sensor", MOUNT @ rig.T_visible_thermal)
    stream.robot.set_camera(Sensor.VISIBLE, rig.visible)
    stream.robot.set_camera(Sensor.DEPTH, rig.thermal)
    return stream


def depth_image(room: SyntheticPair) -> Frame:
    return Frame(room.depth.astype(np.float32), "32FC1", STAMP, "sensor")


def lidar(room: SyntheticPair) -> Frame:
    """Every twelfth row, as its rings are, in the sensor's frame; some rays met nothing."""
    rig = true_rig(room)
    rows, columns = np.mgrid[4:720:12, 4:960:4].reshape(2, -1)
    rays = rig.visible.unproject(np.column_stack([columns, rows]))
    points = rig.T_visible_thermal.inverse().apply(rays * room.visible_depth[rows, columns, None])
    points[::50] = np.nan
    return Frame(points.astype(np.float32), XYZ, STAMP, "sensor")


def errors(result: Result, room: SyntheticPair) -> np.ndarray:
    """Relative errors of the depth that a pair is mapped by, where it is known."""
    assert not result.unused, result.unused
    mapping = result.registration.mapping
    assert isinstance(mapping, DepthMapping)
    known = np.isfinite(mapping.inverse_depth)
    assert known.mean() > 0.5
    return np.abs(mapping.inverse_depth * room.visible_depth - 1)[known]


@pytest.mark.parametrize("make", [depth_image, lidar])
def test_a_sensor_with_a_frame_of_its_own_maps_pairs(make: object, room: SyntheticPair) -> None:
    found = on_a_robot(stream_of(rig_of(room)), room).process(*images(room), make(room))  # type: ignore[operator]
    assert np.mean(errors(found, room) < 0.03) > 0.9


def test_a_given_pose_counts_more_than_frames(room: SyntheticPair) -> None:
    rig = true_rig(room)
    pose = " ".join(map(str, [*rig.T_visible_thermal.translation, *rig.T_visible_thermal.quaternion]))
    stream = on_a_robot(stream_of(rig_of(room)), room)
    stream.robot.frames.add("body", "sensor", Pose.identity())
    stream.configure(StreamSettings(mode=Mode.FIXED, depth_pose=pose), rig_of(room))
    assert np.mean(errors(stream.process(*images(room), depth_image(room)), room) < 0.03) > 0.9


@pytest.mark.parametrize(
    "text", ["0 0 0 0 0 0", "0 0 0 0 0 0 0", "a b c 0 0 0 1", "nan 0 0 0 0 0 1", "0 0 0 2 0 0 1"]
)
def test_a_text_that_is_no_pose_is_rejected(text: str) -> None:
    with pytest.raises(DistillMatchError, match="qx qy qz qw"):
        StreamSettings(depth_pose=text)


def spoiled_camera(room: SyntheticPair) -> Camera:
    camera = true_rig(room).visible
    return Camera((480, 640), camera.matrix)


WRONG = {
    "frames that are not connected": (lambda depth: replace(depth, frame_id="elsewhere"), "'elsewhere'"),
    "points in millimetres": (
        lambda depth: replace(
            depth, image=1000 * depth.image.reshape(-1)[:3000].reshape(-1, 3), encoding=XYZ
        ),
        "median",
    ),
    "no points": (
        lambda depth: replace(depth, image=np.zeros((0, 3), np.float32), encoding=XYZ),
        "none of it",
    ),
    "points behind": (
        lambda depth: replace(depth, image=-np.ones((9, 3), np.float32), encoding=XYZ),
        "none of it",
    ),
    "another size": (lambda depth: replace(depth, image=depth.image[::2, ::2]), "differs from"),
    "millimetres": (lambda depth: replace(depth, image=depth.image * 1000), "median"),
    "NaN": (lambda depth: replace(depth, image=depth.image * np.float32(np.nan)), "none of it"),
    "zeros": (lambda depth: replace(depth, image=depth.image * 0), "none of it"),
}


@pytest.fixture(scope="module")
def without(room: SyntheticPair) -> np.ndarray:
    """The homography of the pair without depth."""
    found = stream_of(rig_of(room)).process(*images(room)).registration.homography
    assert found is not None
    return found


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_carried_over_is_named_and_the_pair_goes_on(
    what: str, room: SyntheticPair, without: np.ndarray
) -> None:
    spoil, word = WRONG[what]
    found = on_a_robot(stream_of(rig_of(room)), room).process(*images(room), spoil(depth_image(room)))
    assert word in found.unused[Sensor.DEPTH]
    np.testing.assert_array_equal(found.registration.homography, without)


@pytest.mark.parametrize("sensor", [Sensor.VISIBLE, Sensor.DEPTH])
def test_without_camera_info_depth_stays_where_it_is(sensor: Sensor, room: SyntheticPair) -> None:
    full, rig = on_a_robot(stream_of(rig_of(room)), room), true_rig(room)
    stream = stream_of(rig_of(room))
    stream.robot.frames = full.robot.frames
    other = {Sensor.VISIBLE: Sensor.DEPTH, Sensor.DEPTH: Sensor.VISIBLE}[sensor]
    stream.robot.set_camera(other, rig.thermal if other is Sensor.DEPTH else rig.visible)
    found = stream.process(*images(room), depth_image(room))
    assert f"{sensor.namespace}/camera_info" in found.unused[Sensor.DEPTH]
    stream.robot.set_camera(Sensor.VISIBLE, spoiled_camera(room))
    found = stream.process(*images(room), lidar(room))
    assert "640x480" in found.unused[Sensor.DEPTH]


def test_transforms_of_a_message_are_taken_unless_they_are_no_motion(room: SyntheticPair) -> None:
    stream, messages = stream_of(rig_of(room)), ros2_messages()
    parent = Frame(np.zeros((1, 1)), "64FC1", 0, "body")
    message = messages.transform(MOUNT, parent, "rgb")
    stream.robot.take_transforms(message)
    found = stream.robot.pose("body", "rgb")
    np.testing.assert_allclose(found.rotation, MOUNT.rotation, atol=1e-12)
    message.transforms[0].transform.rotation.x = np.nan
    message.transforms[0].child_frame_id = "sensor"
    stream.robot.take_transforms(message)
    with pytest.raises(DistillMatchError, match="sensor"):
        stream.robot.pose("body", "sensor")
