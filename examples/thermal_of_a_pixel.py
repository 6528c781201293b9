"""Example node that uses ~/homography: logs the thermal pixel at the visible image's centre."""

from contextlib import suppress

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image


class ThermalOfAPixel(Node):
    """Remap rgb/image to the visible camera's topic."""

    def __init__(self) -> None:
        super().__init__("thermal_of_a_pixel")
        self._centre = np.array([0.0, 0.0, 1.0])
        self.create_subscription(Image, "rgb/image", self._see, rclpy.qos.qos_profile_sensor_data)
        self.create_subscription(Image, "/distillmatch/homography", self._tell, 5)

    def _see(self, image: Image) -> None:
        self._centre[:2] = (image.width - 1) / 2, (image.height - 1) / 2

    def _tell(self, message: Image) -> None:
        thermal_to_visible = np.frombuffer(message.data, np.float64).reshape(3, 3)
        if np.isnan(thermal_to_visible).any():
            self.get_logger().info("no homography for this pair")
            return
        x, y, w = np.linalg.solve(thermal_to_visible, self._centre)
        self.get_logger().info(f"thermal pixel {x / w:.1f}, {y / w:.1f}")


if __name__ == "__main__":
    rclpy.init()
    with suppress(KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        rclpy.spin(ThermalOfAPixel())
