from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_typestore

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.ros.message_types import message_class, message_maker
from distillmatch_ros.stream.messages import MESSAGE_TYPES, POINT_FIELDS, SECOND, Messages

ROS1, ROS2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
STAMP = 1_700_000_000 * SECOND + 123_456_789
HOMOGRAPHY = np.array([[1.1, 0.02, -3.0], [0.01, 1 / 3, 7.0], [1e-5, 0.0, 1.0]])
RNG = np.random.default_rng(0)
FRAMES = [
    Frame(RNG.integers(0, 255, (6, 8, 3), np.uint8), "bgr8", STAMP, "rgb_optical"),
    Frame(RNG.integers(0, 255, (6, 8, 3), np.uint8), "rgb8", STAMP, "rgb_optical"),
    Frame(RNG.integers(0, 255, (6, 8, 4), np.uint8), "rgba8", STAMP, "rgb_optical"),
    Frame(RNG.integers(0, 255, (6, 8), np.uint8), "mono8", STAMP, "thermal_optical"),
    Frame(RNG.integers(0, 65535, (6, 8), np.uint16), "16UC1", STAMP, "thermal_optical"),
    Frame(RNG.random((6, 8), np.float32), "32FC1", STAMP, "thermal_optical"),
    Frame(RNG.random((1, 1)), "64FC1", 0, ""),
]


@dataclass(frozen=True)
class Library:
    """One set of message classes."""

    name: str
    types: Mapping[str, type]
    messages: Messages


def rosbags_library() -> Library:
    return Library("rosbags", ROS2.types, Messages(ROS2.types, to_data=lambda data: data))


def rclpy_library() -> Library:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    names = (*MESSAGE_TYPES, "sensor_msgs/msg/RegionOfInterest")
    types = {name: message_class(name) for name in names}
    return Library("rclpy", types, Messages({name: message_maker(name) for name in names}))


@pytest.fixture(params=["rosbags", "rclpy"])
def library(request: pytest.FixtureRequest) -> Library:
    if request.param == "rosbags":
        return rosbags_library()
    return rclpy_library()


def registration(count: int = 5, homography: np.ndarray | None = HOMOGRAPHY) -> Registration:
    return Registration(
        visible_points=RNG.random((count, 2), np.float32) * 640,
        thermal_points=RNG.random((count, 2), np.float32) * 320,
        confidence=RNG.random(count, np.float32),
        inliers=np.arange(count) % 2 == 0,
        mapping=None if homography is None else HomographyMapping(homography, (256, 320), (512, 640)),
        status=Status.FEW_MATCHES if homography is None else Status.OK,
        latency_ms={},
    )


def camera_info(library: Library, **changes: Any) -> Any:
    region = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
    region.update(changes.pop("roi", {}))
    fields: dict[str, Any] = {
        "header": library.messages.image(FRAMES[-1]).header,
        "height": 512,
        "width": 640,
        "distortion_model": "plumb_bob",
        "d": np.array([-0.3, 0.1, 0.001, 0.002, 0.0]),
        "k": np.array([500.0, 0, 320, 0, 510, 256, 0, 0, 1]),
        "r": np.eye(3).ravel(),
        "p": np.array([500.0, 0, 320, 0, 0, 510, 256, 0, 0, 0, 1, 0]),
        "binning_x": 0,
        "binning_y": 0,
        "roi": library.types["sensor_msgs/msg/RegionOfInterest"](**region),
    }
    fields.update(changes)
    if library.name == "rclpy":
        fields["d"] = fields["d"].tolist()
    return library.types["sensor_msgs/msg/CameraInfo"](**fields)


def assert_same(frame: Frame, other: Frame) -> None:
    np.testing.assert_array_equal(frame.image, other.image)
    assert frame.image.dtype == other.image.dtype
    assert (frame.encoding, frame.stamp, frame.frame_id) == (other.encoding, other.stamp, other.frame_id)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.encoding)
def test_frame_comes_back_from_its_message(library: Library, frame: Frame) -> None:
    assert_same(library.messages.to_frame(library.messages.image(frame)), frame)


def outputs(library: Library, found: Registration) -> Iterator[tuple[str, Any]]:
    """A message of every kind that goes out, with its type."""
    messages, frame = library.messages, FRAMES[0]
    for each in FRAMES:
        yield "sensor_msgs/msg/Image", messages.image(each)
    for each in (found, registration(0, None)):
        yield "sensor_msgs/msg/PointCloud2", messages.correspondences(each, frame)
        yield "sensor_msgs/msg/Image", messages.homography(each, frame)
    yield "sensor_msgs/msg/CompressedImage", messages.compressed(frame)
    for undistorted in (False, True):
        yield "sensor_msgs/msg/CameraInfo", messages.camera_info(camera_info(library), frame, undistorted)


def test_rclpy_and_rosbags_read_each_other() -> None:
    """All bytes are equal but those that align values: rclpy leaves there what was in memory."""
    live, recorded, found = rclpy_library(), rosbags_library(), registration()
    from rclpy.serialization import deserialize_message, serialize_message

    for (kind, sent), (_, written) in zip(outputs(live, found), outputs(recorded, found), strict=True):
        over_the_wire = bytes(serialize_message(sent))
        in_the_bag = bytes(ROS2.serialize_cdr(written, kind))
        assert len(over_the_wire) == len(in_the_bag)
        assert bytes(ROS2.serialize_cdr(ROS2.deserialize_cdr(over_the_wire, kind), kind)) == in_the_bag
        again = serialize_message(deserialize_message(in_the_bag, live.types[kind]))
        assert bytes(ROS2.serialize_cdr(ROS2.deserialize_cdr(again, kind), kind)) == in_the_bag


def test_message_of_ros1_is_read() -> None:
    types = ROS1.types
    time = types["builtin_interfaces/msg/Time"](sec=12, nanosec=34)
    header = types["std_msgs/msg/Header"](seq=99, stamp=time, frame_id="thermal")
    values = np.arange(48, dtype=">u2").reshape(6, 8)
    data = values.view(np.uint8).ravel()
    message = types["sensor_msgs/msg/Image"](header, 6, 8, "mono16", 1, 16, data)
    expected = Frame(np.arange(48, dtype=np.uint16).reshape(6, 8), "mono16", 12 * SECOND + 34, "thermal")
    messages = rosbags_library().messages
    read = ROS1.deserialize_ros1(
        ROS1.serialize_ros1(message, "sensor_msgs/msg/Image"), "sensor_msgs/msg/Image"
    )
    assert_same(messages.to_frame(read), expected)
    assert_same(messages.to_frame(messages.image(expected)), expected)


def test_frame_shares_the_memory_of_its_message(library: Library) -> None:
    message = library.messages.image(FRAMES[4])
    assert np.shares_memory(library.messages.to_frame(message).image, np.frombuffer(message.data, np.uint8))


def test_mosaic_goes_out_as_colour(library: Library) -> None:
    message = library.messages.image(Frame(FRAMES[0].image, "bayer_rggb8", STAMP, "rgb"))
    assert message.encoding == "bgr8"
    assert_same(library.messages.to_frame(message), Frame(FRAMES[0].image, "bgr8", STAMP, "rgb"))


def test_header_that_lies_raises(library: Library) -> None:
    message = library.messages.image(FRAMES[0])
    message.height = 4_000_000_000
    with pytest.raises(DistillMatchError, match="beyond"):
        library.messages.to_frame(message)
    message.height = 7
    with pytest.raises(DistillMatchError, match="144 bytes of data, but size and step need 168"):
        library.messages.to_frame(message)
    message.height, message.header.stamp.nanosec = 6, 4_294_967_295
    with pytest.raises(DistillMatchError, match="4294967295 nanoseconds are more than a second"):
        library.messages.to_frame(message)


@given(st.integers(0, 2**31 * SECOND - 1))
def test_stamp_is_exact(stamp: int) -> None:
    messages = rosbags_library().messages
    assert messages.stamp_of(messages.image(Frame(FRAMES[0].image, "bgr8", stamp, ""))) == stamp


def test_compressed_frame_can_be_read(library: Library) -> None:
    ramp = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    for image, encoding, read_as in (
        (np.stack([ramp, 2 * ramp, 255 - ramp], axis=2), "bgr8", "bgr8"),
        (np.stack([ramp, 2 * ramp, 255 - ramp], axis=2), "rgb8", "rgb8"),
        (np.stack([ramp, 2 * ramp, 255 - ramp, ramp], axis=2), "bgra8", "bgr8"),
        (ramp, "mono8", "mono8"),
    ):
        message = library.messages.compressed(Frame(image, encoding, STAMP, "rgb"), quality=95)
        read = library.messages.to_frame(message)
        assert (read.encoding, read.stamp, read.frame_id) == (read_as, STAMP, "rgb")
        held = image if image.ndim == 2 else image[..., :3]
        assert np.abs(read.image.astype(int) - held).mean() < 3
        assert message.format.startswith(f"{encoding}; jpeg compressed ")
    small = library.messages.compressed(FRAMES[0], quality=10)
    assert len(small.data) < len(library.messages.compressed(FRAMES[0], quality=95).data)


def test_16_bit_is_not_compressed(library: Library) -> None:
    with pytest.raises(DistillMatchError, match=r"16UC1 image: JPEG holds 8 bits.*publish it uncompressed"):
        library.messages.compressed(FRAMES[4])


def test_correspondences_are_points_with_all_there_is_to_know(library: Library) -> None:
    found = registration(9)
    cloud = library.messages.correspondences(found, FRAMES[0])
    assert (cloud.height, cloud.width, len(cloud.data)) == (1, 9, cloud.row_step)
    assert cloud.row_step == 9 * cloud.point_step
    assert [(each.name, each.datatype, each.count) for each in cloud.fields] == [
        (name, library.types["sensor_msgs/msg/PointField"].FLOAT32, 1) for name in POINT_FIELDS
    ]
    point = np.dtype(
        {
            "names": [each.name for each in cloud.fields],
            "formats": [">f4" if cloud.is_bigendian else "<f4"] * len(cloud.fields),
            "offsets": [each.offset for each in cloud.fields],
            "itemsize": cloud.point_step,
        }
    )
    points = np.frombuffer(cloud.data, point)
    np.testing.assert_array_equal(
        np.column_stack([points["u_visible"], points["v_visible"]]), found.visible_points
    )
    np.testing.assert_array_equal(
        np.column_stack([points["u_thermal"], points["v_thermal"]]), found.thermal_points
    )
    assert not {"x", "y", "z"} & set(points.dtype.names or ())
    np.testing.assert_array_equal(points["confidence"], found.confidence)
    np.testing.assert_array_equal(points["inlier"], found.inliers)
    assert library.messages.stamp_of(cloud) == STAMP
    assert cloud.header.frame_id == "rgb_optical"


def test_no_correspondences_are_a_cloud_without_points(library: Library) -> None:
    cloud = library.messages.correspondences(registration(0, None), FRAMES[0])
    assert (cloud.height, cloud.width, cloud.row_step, len(cloud.data)) == (1, 0, 0, 0)
    assert len(cloud.fields) == len(POINT_FIELDS)


def test_homography_is_exact_and_nan_where_there_is_none(library: Library) -> None:
    message = library.messages.homography(registration(), FRAMES[0])
    read = library.messages.to_frame(message)
    assert_same(read, Frame(HOMOGRAPHY, "64FC1", STAMP, "rgb_optical"))
    assert (message.height, message.width, message.step) == (3, 3, 24)
    none = library.messages.homography(registration(0, None), FRAMES[0])
    assert np.isnan(library.messages.to_frame(none).image).all()
    assert library.messages.stamp_of(none) == STAMP


def test_camera_of_a_camera_info_is_the_same_in_all_libraries(library: Library) -> None:
    matrix = np.array([[500, 0, 320], [0, 510, 256], [0, 0, 1]])
    expected = Camera((512, 640), matrix, np.array([-0.3, 0.1, 1e-3, 2e-3]))
    assert Camera.from_camera_info(camera_info(library)).same_as(expected)


def test_a_camera_becomes_a_camera_info(library: Library) -> None:
    matrix = np.array([[500, 0, 320], [0, 510, 256], [0, 0, 1.0]])
    camera = Camera((512, 640), matrix, np.array([-0.3, 0.1, 1e-3, 2e-3]))
    message = library.messages.camera(camera, FRAMES[4])
    assert Camera.from_camera_info(message).same_as(camera)
    assert (library.messages.stamp_of(message), message.header.frame_id) == (STAMP, "thermal_optical")
    np.testing.assert_array_equal(np.reshape(message.p, (3, 4))[:, :3], matrix)


def test_camera_info_changes_its_header_only(library: Library) -> None:
    info = camera_info(library, binning_x=2, roi={"width": 320, "do_rectify": True})
    restamped = library.messages.camera_info(info, FRAMES[0])
    assert library.messages.stamp_of(info) == 0
    assert library.messages.stamp_of(restamped) == STAMP
    assert restamped.header.frame_id == "rgb_optical"
    restamped.header = info.header
    assert str(restamped) == str(info)


def test_camera_info_of_an_undistorted_image_has_no_distortion(library: Library) -> None:
    info = camera_info(library, r=np.diag([1.0, -1, -1]).ravel(), p=np.full(12, 9.0))
    undistorted = library.messages.camera_info(info, FRAMES[0], undistorted=True)
    assert len(undistorted.d) == 0
    np.testing.assert_array_equal(undistorted.k, info.k)
    np.testing.assert_array_equal(undistorted.r, np.eye(3).ravel())
    np.testing.assert_array_equal(undistorted.p, [500, 0, 320, 0, 0, 510, 256, 0, 0, 0, 1, 0])
    assert len(info.d) == 5


def test_large_image_costs_little(library: Library) -> None:
    """Twenty times what it takes; handed to rclpy as anything but an array, the data alone takes longer."""
    frame = Frame(RNG.integers(0, 255, (512, 640, 3), np.uint8), "bgr8", STAMP, "rgb")
    durations = []
    for _ in range(10):
        start = perf_counter()
        library.messages.to_frame(library.messages.image(frame))
        durations.append(perf_counter() - start)
    assert min(durations) < 5e-3


def test_cv_bridge_sees_the_same_pixels() -> None:
    cv_bridge = pytest.importorskip("cv_bridge", reason="cv_bridge is not installed")
    messages, bridge = rclpy_library().messages, cv_bridge.CvBridge()
    wanted = {"bgr8": "bgr8", "rgb8": "bgr8", "rgba8": "bgra8"}
    for frame in FRAMES:
        message = messages.image(frame)
        theirs = bridge.imgmsg_to_cv2(message, wanted.get(frame.encoding, "passthrough"))
        np.testing.assert_array_equal(messages.to_frame(message).image, theirs)
        written = bridge.cv2_to_imgmsg(theirs, wanted.get(frame.encoding, frame.encoding))
        np.testing.assert_array_equal(messages.to_frame(written).image, frame.image)
    for pattern in ("rggb", "bggr", "gbrg", "grbg"):
        mosaic = messages.image(FRAMES[3])
        mosaic.encoding = f"bayer_{pattern}8"
        np.testing.assert_array_equal(messages.to_frame(mosaic).image, bridge.imgmsg_to_cv2(mosaic, "bgr8"))
