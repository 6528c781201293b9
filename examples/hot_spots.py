"""Example node for a costmap: publishes where hot things stand on flat ground, as points in metres."""

from array import array

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from distillmatch_ros.geometry.camera import Camera

INPUTS = {"image": Image, "mask": Image, "camera_info": CameraInfo}
XYZ = [PointField(name=axis, offset=4 * i, datatype=7, count=1) for i, axis in enumerate("xyz")]  # float32


class HotSpots(Node):
    def __init__(self) -> None:
        super().__init__("hot_spots")
        self._height = self.declare_parameter("height", 1.2).value  # of the visible camera, m
        self._pitch = self.declare_parameter("pitch", 0.1).value  # downwards, radians; without roll
        self._above = self.declare_parameter("above", 500.0).value  # the median of the scene, in its counts
        self._last: dict[str, Image | CameraInfo] = {}
        self._cloud = self.create_publisher(PointCloud2, "hot_spots", 5)
        for name, kind in INPUTS.items():
            topic = f"/distillmatch/thermal_registered/{name}"
            self.create_subscription(kind, topic, lambda message, name=name: self._take(name, message), 5)

    def _take(self, name: str, message: Image | CameraInfo) -> None:
        self._last[name] = message
        if len(self._last) < len(INPUTS) or any(m.header != message.header for m in self._last.values()):
            return  # not yet the three of one pair
        image, mask, info = (self._last[name] for name in INPUTS)
        heat = np.frombuffer(image.data, np.uint16).reshape(image.height, image.width).astype(float)
        seen = np.frombuffer(mask.data, np.uint8).reshape(heat.shape) > 0
        hot = seen & (heat > np.median(heat[seen]) + self._above)
        columns = np.flatnonzero(hot.any(axis=0))
        rows = image.height - 1 - hot[::-1, columns].argmax(axis=0)  # the lowest hot pixel of each column
        rays = Camera.from_camera_info(info).unproject(np.column_stack([columns, rows]))
        down = rays @ (0, np.cos(self._pitch), np.sin(self._pitch))  # metres of descent on the ray
        points = (rays * self._height / down[:, None])[down > 0.02].astype(np.float32)
        cloud = PointCloud2(header=info.header, height=1, width=len(points), fields=XYZ, is_dense=True)
        cloud.point_step, cloud.row_step, cloud.data = 12, points.nbytes, array("B", points.tobytes())
        self._cloud.publish(cloud)


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(HotSpots())
