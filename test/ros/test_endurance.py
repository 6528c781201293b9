"""The node goes on through what a long day brings."""

import pytest
import rclpy
from sensor_msgs.msg import Image
from support.bench import NODE, Bench


@pytest.mark.slow
def test_fifty_rounds_of_the_lifecycle_while_images_come(active: Bench) -> None:
    active.listen("homography")
    for _ in range(50):
        assert active.change("deactivate")
        active.drive(0.05, rate=20)
        assert active.change("activate")
        active.drive(0.05, rate=20)
    active.see()
    del active.outputs["homography"][:]
    active.drive(1.0, rate=10)
    active.until(lambda: active.outputs["homography"])


@pytest.mark.slow
def test_a_subscriber_that_never_reads_holds_nobody_up(active: Bench) -> None:
    stuck = rclpy.create_node("stuck", context=active.context)  # nobody spins it
    try:
        reading = stuck.create_subscription(Image, f"{NODE}/overlay", lambda _: None, 1)
        active.until(reading.get_publisher_count)
        active.listen("homography")
        del active.outputs["homography"][:]
        sent = active.drive(3.0, rate=10)
        active.until(lambda: len(active.outputs["homography"]) > len(sent) // 2)
    finally:
        stuck.destroy_node()
