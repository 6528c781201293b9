"""Converts camera messages to frames and results to messages, for rclpy's or rosbags' classes."""

import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.camera import PLUMB_BOB, Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.compressed import decode_compressed
from distillmatch_ros.images.encodings import decode, encode, output_encoding
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.points import XYZ, decode_points
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.stream.pair_status import PairStatus

MESSAGE_TYPES = (
    "builtin_interfaces/msg/Time",
    "diagnostic_msgs/msg/DiagnosticArray",
    "diagnostic_msgs/msg/DiagnosticStatus",
    "diagnostic_msgs/msg/KeyValue",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/PointField",
    "sensor_msgs/msg/RegionOfInterest",
    "std_msgs/msg/Header",
)
"""Message classes that `Messages` needs."""
TF_MESSAGE = "tf2_msgs/msg/TFMessage"
TRANSFORM_TYPES = (
    "geometry_msgs/msg/Quaternion",
    "geometry_msgs/msg/Transform",
    "geometry_msgs/msg/TransformStamped",
    "geometry_msgs/msg/Vector3",
    TF_MESSAGE,
)
"""Message classes that `Messages.transform` needs; ROS 2 from PyPI lacks the last one."""
POINT_FIELDS = ("u_visible", "v_visible", "u_thermal", "v_thermal", "confidence", "inlier")
"""Fields of a point in `Messages.correspondences`."""
CLOUD_FIELDS = ("x", "y", "z", "rgb", "thermal")
"""Fields of a point in `Messages.points`; rgb is packed into four bytes, as viewers and PCL expect it."""

_FLOAT32 = 7  # constant of sensor_msgs/msg/PointField


def to_array(data: NDArray[Any]) -> "array[Any]":
    """Values (N,) as array.array: rclpy copies any other type value by value."""
    values: array[Any] = array(data.dtype.char)
    values.frombytes(data.view(np.uint8).data)
    return values


class Messages:
    """Makes messages of one set of classes.

    Messages to read may be of any class with the same fields, including ROS 1.
    """

    def __init__(
        self,
        types: Mapping[str, Callable[..., Any]],
        to_data: Callable[[NDArray[Any]], Any] = to_array,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Set the classes of the messages to make.

        Args:
            types: classes by name, or what makes their messages from fields; at least `MESSAGE_TYPES`.
            to_data: converts values (N,) to the type of a sequence in these classes: `to_array` for rclpy.
                The result may be the image's memory, which must not change while the message is in use.
            max_pixels: larger images are rejected by their header, before decoding.
        """
        self._types = types
        self._to_data = to_data
        self._max_pixels = max_pixels

    def to_frame(self, message: Any) -> Frame:
        """Convert an Image, CompressedImage or PointCloud2; the frame may share its memory.

        Raises:
            DistillMatchError: the stamp is invalid, or see `decode`, `decode_compressed` and `decode_points`.
        """
        if message.header.stamp.nanosec >= SECOND:
            raise DistillMatchError(
                f"stamp: {message.header.stamp.nanosec} nanoseconds are more than a second; "
                "correct the driver's header"
            )
        if hasattr(message, "point_step"):
            image, encoding = decode_points(message, self._max_pixels), XYZ
        elif hasattr(message, "format"):
            image, encoding = decode_compressed(message.data, message.format, self._max_pixels)
        else:
            encoding = message.encoding
            image = decode(
                message.data,
                message.height,
                message.width,
                message.step,
                encoding,
                message.is_bigendian,
                self._max_pixels,
            )
        return Frame(image, encoding, self.stamp_of(message), message.header.frame_id)

    def stamp_of(self, message: Any) -> int:
        """The stamp of a message with a header, ns."""
        stamp = message.header.stamp
        return int(stamp.sec) * SECOND + int(stamp.nanosec)

    def image(self, frame: Frame) -> Any:
        """An Image, in the frame's encoding if possible (see `output_encoding`).

        Raises:
            DistillMatchError: the image does not fit its encoding.
        """
        pixels = encode(frame.image, frame.encoding)
        height, width = pixels.shape[:2]
        return self._make(
            "sensor_msgs/msg/Image",
            header=self._header(frame),
            height=height,
            width=width,
            encoding=output_encoding(frame.encoding),
            is_bigendian=int(sys.byteorder == "big"),
            step=pixels.nbytes // height,
            data=self._data(pixels),
        )

    def compressed(self, frame: Frame, quality: int = 90) -> Any:
        """A CompressedImage in JPEG; alpha is dropped.

        Args:
            frame: 8-bit frame.
            quality: JPEG quality, 1 to 100.

        Raises:
            DistillMatchError: the image is not 8 bit.
        """
        if frame.image.dtype != np.uint8:
            raise DistillMatchError(
                f"{frame.encoding} image: JPEG holds 8 bits and this has more; publish it uncompressed"
            )
        _, data = cv2.imencode(".jpg", frame.image, (cv2.IMWRITE_JPEG_QUALITY, quality))
        held = "mono8" if frame.image.ndim == 2 else "bgr8"
        return self._make(
            "sensor_msgs/msg/CompressedImage",
            header=self._header(frame),
            format=f"{output_encoding(frame.encoding)}; jpeg compressed {held}",
            data=self._data(data),
        )

    def correspondences(self, registration: Registration, header_of: Frame) -> Any:
        """A PointCloud2 with one point for each correspondence, possibly none.

        Its fields are `POINT_FIELDS`, all float32, so that it can be read as one (N, 6) array: pixels of both
        images, confidence, inlier (1 or 0). None is called x, y or z: they would be taken for metres.
        """
        points = np.column_stack(
            [
                registration.visible_points,
                registration.thermal_points,
                registration.confidence,
                registration.inliers,
            ]
        ).astype(np.float32)
        return self._cloud(POINT_FIELDS, points, header_of)

    def points(self, cloud: NDArray[np.void], header_of: Frame) -> Any:
        """A PointCloud2 of a thermal point cloud, whose fields are `CLOUD_FIELDS`, all float32.

        Args:
            cloud: see `thermal_cloud`.
            header_of: the visible frame.
        """
        points = np.empty((len(cloud), len(CLOUD_FIELDS)), np.float32)
        for index, name in enumerate(CLOUD_FIELDS):
            if name != "rgb":
                points[:, index] = cloud[name]
        red, green, blue = (cloud[name].astype(np.uint32) for name in ("red", "green", "blue"))
        points.view(np.uint32)[:, CLOUD_FIELDS.index("rgb")] = red << 16 | green << 8 | blue
        return self._cloud(CLOUD_FIELDS, points, header_of)

    def homography(self, registration: Registration, header_of: Frame) -> Any:
        """A 3x3 ``64FC1`` Image: thermal pixels to visible pixels, all NaN without a homography.

        It is published for every pair: subscribers can distinguish "none" from "lost", and message_filters,
        which waits for one message of each topic, does not drop the pair's other outputs. NaN propagates to
        everything computed from it, whereas a stale matrix would remain unnoticed.
        """
        found = registration.homography
        matrix = np.full((3, 3), np.nan) if found is None else found
        return self.image(Frame(matrix, "64FC1", header_of.stamp, header_of.frame_id))

    def status(self, registration: Registration, visible: Frame, thermal: Frame) -> Any:
        """A DiagnosticArray with one DiagnosticStatus that describes the registration of a pair.

        Its message is the status, its level that of the status; see `PairStatus` for its values.
        """
        kind = self._types["diagnostic_msgs/msg/DiagnosticStatus"]
        values = PairStatus.of(registration, visible, thermal).values()
        status = kind(
            level=kind.OK if registration.status.is_good else kind.WARN,  # type: ignore[attr-defined]
            name="registration",
            message=registration.status.value,
            hardware_id="",
            values=[
                self._make("diagnostic_msgs/msg/KeyValue", key=key, value=value)
                for key, value in values.items()
            ],
        )
        header = self._header(visible)
        return self._make("diagnostic_msgs/msg/DiagnosticArray", header=header, status=[status])

    def camera_info(self, info: Any, header_of: Frame, undistorted: bool = False) -> Any:
        """A CameraInfo with the calibration of another and the header of a frame.

        Args:
            info: CameraInfo of the camera.
            header_of: frame that it accompanies.
            undistorted: whether that frame is undistorted, so that only K applies.
        """
        names = ("height", "width", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y", "roi")
        fields = {name: getattr(info, name) for name in names}
        if undistorted:
            projection = np.column_stack([np.reshape(info.k, (3, 3)), np.zeros(3)])
            # A slice keeps the library's type: array.array in rclpy, a NumPy array in rosbags.
            fields.update(distortion_model=PLUMB_BOB, d=info.d[:0], r=np.eye(3).ravel(), p=projection.ravel())
        return self._make("sensor_msgs/msg/CameraInfo", header=self._header(header_of), **fields)

    def camera(self, camera: Camera, header_of: Frame) -> Any:
        """A CameraInfo of a camera, with the header of a frame of it."""
        nothing = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
        fields = camera.camera_info()
        return self._make(
            "sensor_msgs/msg/CameraInfo",
            header=self._header(header_of),
            **{**fields, "d": self._to_data(fields["d"])},
            binning_x=0,
            binning_y=0,
            roi=self._make("sensor_msgs/msg/RegionOfInterest", **nothing),
        )

    def transform(self, pose: Pose, header_of: Frame, child: str) -> Any | None:
        """A TFMessage with one transform; None if `TRANSFORM_TYPES` are not there.

        Args:
            pose: takes points of the child's frame to that of the header.
            header_of: frame with the parent's frame_id.
            child: the child's frame_id.
        """
        if TF_MESSAGE not in self._types:
            return None
        stamped = self._make(
            "geometry_msgs/msg/TransformStamped",
            header=self._header(header_of),
            child_frame_id=child,
            transform=self._make(
                "geometry_msgs/msg/Transform",
                translation=self._vector("Vector3", "xyz", pose.translation),
                rotation=self._vector("Quaternion", "xyzw", pose.quaternion),
            ),
        )
        return self._make(TF_MESSAGE, transforms=[stamped])

    def _vector(self, kind: str, names: str, values: NDArray[np.float64]) -> Any:
        fields = zip(names, values.tolist(), strict=True)
        return self._make(f"geometry_msgs/msg/{kind}", **dict(fields))

    def _cloud(self, names: Sequence[str], points: NDArray[np.float32], header_of: Frame) -> Any:
        """A PointCloud2 of points (N, fields)."""
        fields = [
            self._make("sensor_msgs/msg/PointField", name=name, offset=4 * index, datatype=_FLOAT32, count=1)
            for index, name in enumerate(names)
        ]
        step = 4 * len(names)
        return self._make(
            "sensor_msgs/msg/PointCloud2",
            header=self._header(header_of),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=sys.byteorder == "big",
            point_step=step,
            row_step=step * len(points),
            data=self._data(points),
            is_dense=True,
        )

    def _header(self, frame: Frame) -> Any:
        seconds, nanoseconds = divmod(frame.stamp, SECOND)
        stamp = self._make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self._make("std_msgs/msg/Header", stamp=stamp, frame_id=frame.frame_id)

    def _data(self, values: NDArray[Any]) -> Any:
        """The memory of a contiguous array as message data."""
        return self._to_data(values.reshape(-1).view(np.uint8))

    def _make(self, name: str, /, **fields: Any) -> Any:
        return self._types[name](**fields)
