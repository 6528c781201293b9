"""What the node takes in: compressed images, calibrations, and other ways to pair."""

from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from support.bench import RATE, SECOND, SHAPE, Bench, drive_and_recover, picture, said
from support.ros_fixtures import StartNode

pytestmark = pytest.mark.slow


def test_compressed_thermal_images_keep_sixteen_bits(start: StartNode) -> None:
    _, bench = start("-p", "thermal_transport:=compressed")
    camera = bench.node.create_publisher(CompressedImage, "/thermal/image/compressed", 5)
    bench.listen("thermal_registered/image")
    bench.until(camera.get_subscription_count)
    bench.see("rgb")
    for index in range(5):
        image, _ = picture("thermal", index)
        message = CompressedImage(format="16UC1; png compressed")
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(bench.now, SECOND)
        message.data = array("B", cv2.imencode(".png", image)[1].tobytes())
        camera.publish(message)
        bench.send("rgb", *picture("rgb", index), bench.now)
        bench.now += SECOND // 5
        bench.spin(0.2)
    bench.until(lambda: bench.outputs["thermal_registered/image"])
    registered = bench.outputs["thermal_registered/image"][-1]
    assert registered.encoding == "16UC1"
    assert np.frombuffer(registered.data, np.uint16).reshape(SHAPE)[10:-10, 10:-10].min() > 28000


def publish_infos(bench: Bench, name: str, focal: float) -> None:
    """A calibration of one camera; with focal length 0 that of a camera that was never calibrated."""
    publisher = bench.node.create_publisher(CameraInfo, f"/{name}/camera_info", 5)
    bench.until(publisher.get_subscription_count)
    bench.spin(0.3)
    info = CameraInfo(
        height=SHAPE[0], width=SHAPE[1], distortion_model="plumb_bob", d=[0.1, 0.0, 0.0, 0.0, 0.0]
    )
    info.k = [focal, 0.0, 40.0, 0.0, focal, 32.0, 0.0, 0.0, 1.0]
    publisher.publish(info)


def test_undistortion_waits_for_a_calibration(start: StartNode) -> None:
    _, bench = start("-p", "undistort:=true")
    bench.see()
    bench.listen("homography", "thermal_registered/camera_info")
    bench.drive(2.5, rate=RATE)
    assert "rgb/camera_info and thermal/camera_info" in said(bench, "undistort: nothing usable on").message
    publish_infos(bench, "rgb", 0)  # not usable, and harmless
    bench.drive(1, rate=RATE)
    assert not bench.outputs["homography"]
    publish_infos(bench, "rgb", 60)
    publish_infos(bench, "thermal", 60)
    drive_and_recover(bench)
    assert not any(bench.outputs["thermal_registered/camera_info"][-1].d)


@pytest.mark.parametrize("other", ["silent", "uncalibrated"])
def test_one_calibrated_camera_is_undistorted_by_itself(start: StartNode, other: str) -> None:
    _, bench = start("-p", "undistort:=true")
    bench.see()
    bench.listen("homography", "thermal_registered/camera_info")
    publish_infos(bench, "thermal", 60)
    if other == "uncalibrated":
        publish_infos(bench, "rgb", 0)
    bench.drive(4, rate=RATE)  # a camera_info that does not come is waited for, but not for ever
    drive_and_recover(bench)
    warning = said(bench, "undistort: nothing usable on rgb/camera_info")
    assert warning.level == b"\x01"
    assert ("camera_info: " in warning.message) == (other == "uncalibrated")  # the reason
    if other == "uncalibrated":
        assert any(bench.outputs["thermal_registered/camera_info"][-1].d)


@pytest.mark.parametrize("pairing", ["arrival", "message_filters"])
def test_other_ways_to_pair(start: StartNode, pairing: str) -> None:
    if pairing == "message_filters":
        pytest.importorskip("message_filters", reason="message_filters comes with a ROS installation")
    ahead = 100 * SECOND if pairing == "arrival" else 0
    _, bench = start("-p", f"pairing:={pairing}", "-p", "tolerance:=0.05")
    bench.see()
    bench.listen("homography")
    drive_and_recover(bench, thermal_ahead=ahead)
    drive_and_recover(bench, thermal_ahead=ahead, start=bench.now - 60 * SECOND)


def test_message_filters_missing_is_said(start: StartNode) -> None:
    try:
        import message_filters  # noqa: F401
    except ModuleNotFoundError:
        node, bench = start("-p", "pairing:=message_filters")
        assert "message_filters: that package is not installed" in bench.diagnosed("inactive: ").message
        assert bench.state == "inactive"
        assert "Traceback" not in node.said
    else:
        pytest.skip("message_filters is installed")


def test_a_topic_of_compressed_images_is_subscribed_as_such(start: StartNode) -> None:
    """Remapped to a CompressedImage topic, the node waited for images for ever."""
    topic = "/thermal/image_raw/compressed"
    node, bench = start("-r", f"thermal/image:={topic}")
    publisher = bench.node.create_publisher(CompressedImage, topic, 5)
    bench.listen("homography")
    png = array("B", cv2.imencode(".png", np.zeros(SHAPE, np.uint8))[1].tobytes())
    visible = Image(height=SHAPE[0], width=SHAPE[1], encoding="mono8", step=SHAPE[1])
    visible.data = array("B", bytes(SHAPE[0] * SHAPE[1]))
    thermal = CompressedImage(format="png", data=png)

    def answered() -> bool:
        stamp = bench.node.get_clock().now().to_msg()
        visible.header.stamp = thermal.header.stamp = stamp
        bench.cameras["rgb"].publish(visible)
        publisher.publish(thermal)
        bench.spin(0.1)
        return bool(bench.outputs["homography"])

    bench.until(answered)
    assert f"{topic} publishes CompressedImage" in node.said
