"""What robots do to a node: it goes on, and its diagnostics say what happened."""

import re
import sys
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from support.bench import RATE, SECOND, Bench, drive_and_recover, picture, said, stamp_of
from support.ros_fixtures import StartNode
from support.ros_process import Process

from distillmatch_ros.ros.transport import before_a_command, shipped

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(active: Bench) -> Bench:
    """With a node that works, and knows nothing of earlier tests."""
    if "homography" not in active.outputs:
        active.listen("homography")
    active.drive(0.6, rate=RATE)
    active.until(lambda: active.outputs["homography"])
    del active.outputs["homography"][:]
    del active.diagnostics[:]
    return active


def test_headers_that_lie_are_counted_and_kill_nothing(bench: Bench) -> None:
    before = int(bench.figures().get("dropped rgb UNUSABLE", 0))
    lies = [
        {"height": 4_000_000_000, "step": 3},
        {"width": 100_000},
        {"step": 5},
        {"data": array("B", b"short")},
        {"encoding": "rgb7"},
        {"height": 0},
    ]
    for index, lie in enumerate(lies):
        bench.send("rgb", *picture("rgb", index), bench.now + index * SECOND // 5, **lie)
        bench.send("thermal", *picture("thermal", index), bench.now + index * SECOND // 5)
        bench.spin(0.2)
    bench.now += 2 * SECOND
    assert "unusable" in bench.diagnosed("unusable").message
    assert int(bench.figures()["dropped rgb UNUSABLE"]) == before + len(lies)
    drive_and_recover(bench)


def test_bag_played_three_times(bench: Bench) -> None:
    begin = bench.now
    for _ in range(3):
        drive_and_recover(bench, start=begin)
        bench.spin(1.5)  # what is under way has the stamps of the next round


def test_clocks_five_seconds_apart(bench: Bench) -> None:
    bench.drive(4.0, thermal_ahead=5 * SECOND, rate=RATE)
    status = said(bench, "no pairs")
    assert status.level == DiagnosticStatus.ERROR
    apart = re.search(r"stamps are ([\d.]+) s apart, set ", status.message)
    assert apart is not None, status.message
    assert float(apart[1]) == pytest.approx(5, abs=0.1)
    # Which of the two fits better follows from how evenly the images came.
    assert "pairing: arrival" in status.message or "thermal_offset to -" in status.message
    (result,) = bench.set(thermal_offset=-5.0)
    assert result.successful
    drive_and_recover(bench, thermal_ahead=5 * SECOND)
    bench.set(thermal_offset=0.0)
    drive_and_recover(bench)


def test_one_frame_in_five_lost(bench: Bench) -> None:
    before = bench.figures()
    del bench.diagnostics[:]
    drive_and_recover(bench, 6.0, lost=0.2)
    said(bench, "pairs/s")
    after = bench.figures()
    unmatched = "dropped thermal UNMATCHED"
    assert int(after[unmatched]) > int(before.get(unmatched, 0))


def test_most_images_lost_on_their_way(bench: Bench) -> None:
    """The advice is about the transport: an offset between the clocks would mend nothing."""
    status = bench.driven("are lost between publisher and node", lost=0.6, rate=4 * RATE)
    bench.drive(6.0, lost=0.6, rate=4 * RATE)
    assert before_a_command(shipped()) in status.message
    assert not [each.message for each in bench.diagnostics if "thermal_offset" in each.message]
    drive_and_recover(bench)


def test_silent_topic(bench: Bench) -> None:
    bench.drive(5.0, sides=["rgb"], rate=RATE)
    status = said(bench, "no messages on /thermal/image for ")
    assert status.level == DiagnosticStatus.STALE
    drive_and_recover(bench)
    bench.driven("pairs/s", rate=RATE)


def test_cameras_change_size_and_encoding(bench: Bench) -> None:
    def send(index: int, thermal: tuple[np.ndarray, str], rgb: tuple[np.ndarray, str]) -> int:
        stamp = bench.now
        bench.send("rgb", *rgb, stamp)
        bench.send("thermal", *thermal, stamp)
        bench.now += SECOND // 5
        bench.spin(0.2)
        return stamp

    def twice(image: np.ndarray) -> np.ndarray:
        return cv2.resize(image, None, fx=2, fy=2)

    for change in ("thermal", "rgb", "encoding", "back"):
        del bench.outputs["homography"][:]
        sent = []
        for index in range(10):
            rgb, thermal = picture("rgb", index), picture("thermal", index)
            if change == "thermal":
                thermal = twice(thermal[0]), thermal[1]
            elif change == "rgb":
                rgb = twice(rgb[0]), rgb[1]
            elif change == "encoding":
                thermal = (thermal[0].astype(np.float32), "32FC1")
            sent.append(send(index, thermal, rgb))
        bench.until(lambda: set(sent) & set(map(stamp_of, bench.outputs["homography"])))  # noqa: B023


def test_thermal_picture_that_stands_still(bench: Bench) -> None:
    for index in range(15):
        bench.send("rgb", *picture("rgb", index), bench.now)
        bench.send("thermal", *picture("thermal", 0), bench.now)
        bench.now += SECOND // 5
        bench.spin(0.2)
    said(bench, "the thermal image is frozen")
    drive_and_recover(bench)


def test_large_images_arrive(bench: Bench) -> None:
    """With FastDDS's own settings more than half of them are lost."""
    image = np.zeros((512, 640, 3), np.uint8)
    bench.figures()
    del bench.diagnostics[:]
    for _ in range(20):
        bench.send("rgb", image, "rgb8", bench.now)
        bench.now += SECOND // 10
        bench.spin(0.1)
    bench.spin(1.5)
    rates = [
        float(value.value)
        for status in bench.diagnostics
        for value in status.values
        if value.key == "rgb in [Hz]"
    ]
    assert sum(rates) > 16, rates  # each report is of one second


def test_cameras_killed_and_restarted(start: StartNode, tmp_path: Path) -> None:
    node, bench = start()
    bench.listen("homography")

    def camera() -> Process:
        command = [sys.executable, "-m", "support.camera"]
        return Process(command, bench.context.get_domain_id(), tmp_path / "camera.log")

    first = camera()
    try:
        bench.until(lambda: bench.outputs["homography"])
    finally:
        first.kill()
    bench.diagnosed("no messages on /rgb/image")
    seen = len(bench.outputs["homography"])
    second = camera()
    try:
        bench.until(lambda: len(bench.outputs["homography"]) > seen + 3)
        bench.diagnosed("pairs/s")
    finally:
        second.kill()
    assert node.is_running()


def test_qos_that_does_not_go_together_is_said_once(start: StartNode) -> None:
    node, bench = start("-p", "qos_overrides./rgb/image.subscription.reliability:=reliable")
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    for _ in range(2):
        bench.node.create_publisher(Image, "/rgb/image", best_effort)
    status = bench.diagnosed("QoS is incompatible with")
    assert status.level == DiagnosticStatus.ERROR
    assert "qos_overrides./rgb/image.subscription.reliability" in status.message
    assert node.said.count("a publisher's QoS is incompatible with this subscription (reliability)") == 1
    bench.see()  # the camera of the bench is reliable
    bench.listen("homography")
    drive_and_recover(bench)
