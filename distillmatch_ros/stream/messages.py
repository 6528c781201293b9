"""Camera messages to frames, results to messages, in the classes of rclpy or of rosbags."""

import sys
from array import array
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.homography import resizing
from distillmatch_ros.geometry.undistortion import Intrinsics
from distillmatch_ros.images.compressed import decode_compressed
from distillmatch_ros.images.encodings import decode, encode, output_encoding
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.registration.registrar import Registration

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
    "std_msgs/msg/Header",
)
"""The message classes that `Messages` needs."""
POINT_FIELDS = ("x", "y", "z", "u", "v", "confidence", "inlier")
"""Of a point in `Messages.correspondences`."""

_FLOAT32 = 7  # of sensor_msgs/msg/PointField


def to_array(data: NDArray[np.uint8]) -> "array[int]":
    """Bytes as rclpy wants them: it takes everything but this class one value at a time."""
    values = array("B")
    values.frombytes(data.data)
    return values


class Messages:
    """Converts messages of one set of classes.

    Messages that it reads may be of any classes with the same fields, those of ROS 1 included.
    """

    def __init__(
        self,
        types: Mapping[str, type],
        to_data: Callable[[NDArray[np.uint8]], Any] = to_array,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Choose the classes of the messages to make.

        Args:
            types: `MESSAGE_TYPES` by name; other names do no harm.
            to_data: turns bytes (N,) into what those classes hold as ``data``: `to_array` for rclpy. They may
                be the memory of the image, which has to stay as it is while such a message is in use.
            max_pixels: images of more are rejected by their header, before they are decoded.
        """
        self._types = types
        self._to_data = to_data
        self._max_pixels = max_pixels

    def to_frame(self, message: Any) -> Frame:
        """Read an Image or CompressedImage; the frame may share its memory.

        Raises:
            DistillMatchError: its stamp is none, or see `decode` and `decode_compressed`.
        """
        if message.header.stamp.nanosec >= SECOND:
            raise DistillMatchError(
                f"stamp: {message.header.stamp.nanosec} nanoseconds are more than a second; "
                "see to the driver's header"
            )
        if hasattr(message, "format"):
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
        """An Image, in the frame's encoding where that can be kept (see `output_encoding`).

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
        """A CompressedImage, as JPEG; alpha is dropped.

        Args:
            frame: 8 bit.
            quality: 1 to 100.

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
        """A PointCloud2 of the correspondences, one point each; no point if there are none.

        Its fields are `POINT_FIELDS`, all float32, so that every reader can take it as one (N, 7) array: x
        and y in visible pixels, z = 0, u and v in thermal pixels, confidence, inlier (1 or 0).
        """
        count = len(registration.inliers)
        points = np.column_stack(
            [
                registration.visible_points,
                np.zeros(count),
                registration.thermal_points,
                registration.confidence,
                registration.inliers,
            ]
        ).astype(np.float32)
        fields = [
            self._make("sensor_msgs/msg/PointField", name=name, offset=4 * index, datatype=_FLOAT32, count=1)
            for index, name in enumerate(POINT_FIELDS)
        ]
        step = 4 * len(POINT_FIELDS)
        return self._make(
            "sensor_msgs/msg/PointCloud2",
            header=self._header(header_of),
            height=1,
            width=count,
            fields=fields,
            is_bigendian=sys.byteorder == "big",
            point_step=step,
            row_step=step * count,
            data=self._data(points),
            is_dense=True,
        )

    def homography(self, registration: Registration, header_of: Frame) -> Any:
        """A 3x3 ``64FC1`` Image: thermal pixels to visible pixels, all NaN where there is no homography.

        One for every pair: a subscriber can tell "none" from "lost", and message_filters, which waits for
        one message of each topic, does not drop the other outputs of the pair. NaN spoils whatever is
        computed from it, where a stale matrix would go unnoticed.
        """
        found = registration.homography
        matrix = np.full((3, 3), np.nan) if found is None else found
        return self.image(Frame(matrix, "64FC1", header_of.stamp, header_of.frame_id))

    def status(self, registration: Registration, visible: Frame, thermal: Frame) -> Any:
        """A DiagnosticArray with one DiagnosticStatus: how a pair was registered.

        Its message is the status, its level OK, or WARN unless the homography is the pair's own or fixed. Its
        values are text: ``matches``, ``inliers``, ``probability`` where the registration has one, ``skew_ms``
        (thermal stamp minus visible stamp), ``visible_size`` and ``thermal_size`` (WIDTHxHEIGHT, pixels).
        """
        kind = self._types["diagnostic_msgs/msg/DiagnosticStatus"]
        values = {
            "matches": len(registration.inliers),
            "inliers": int(registration.inliers.sum()),
            "probability": registration.probability,
            "skew_ms": (thermal.stamp - visible.stamp) / 1e6,
            "visible_size": _size(visible),
            "thermal_size": _size(thermal),
        }
        status = kind(
            level=kind.OK if str(registration.status) in ("OK", "TRACKED", "FIXED") else kind.WARN,  # type: ignore[attr-defined]
            name="registration",
            message=str(registration.status),
            hardware_id="",
            values=[
                self._make("diagnostic_msgs/msg/KeyValue", key=key, value=str(value))
                for key, value in values.items()
                if value is not None
            ],
        )
        header = self._header(visible)
        return self._make("diagnostic_msgs/msg/DiagnosticArray", header=header, status=[status])

    def camera_info(self, info: Any, header_of: Frame, undistorted: bool = False) -> Any:
        """A CameraInfo with another's calibration and the frame's header.

        Args:
            info: the camera's.
            header_of: frame that it goes with.
            undistorted: that frame's distortion was taken out, so that only K is left to tell.
        """
        names = ("height", "width", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y", "roi")
        fields = {name: getattr(info, name) for name in names}
        if undistorted:
            projection = np.column_stack([np.reshape(info.k, (3, 3)), np.zeros(3)])
            # A slice stays what the library wants: an array.array in rclpy, NumPy's in rosbags.
            fields.update(d=info.d[:0], r=np.eye(3).ravel(), p=projection.ravel())
        return self._make("sensor_msgs/msg/CameraInfo", header=self._header(header_of), **fields)

    def intrinsics(self, info: Any) -> Intrinsics:
        """How the camera of a CameraInfo projects into the images it sends, binning and region included.

        Raises:
            DistillMatchError: the camera is not calibrated.
        """
        matrix = np.array(info.k, np.float64).reshape(3, 3)
        distortion = np.array(info.d, np.float64)
        left, top = info.roi.x_offset, info.roi.y_offset
        full = (info.roi.height or info.height, info.roi.width or info.width)
        size = (full[0] // max(info.binning_y, 1), full[1] // max(info.binning_x, 1))
        calibrated = np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0 and matrix[2, 2] == 1
        if not (calibrated and np.isfinite(distortion).all() and min(size) > 0):
            raise DistillMatchError(
                "camera_info: holds no calibration (focal length or size is 0, or a value is not finite); "
                "calibrate the camera, or do not pass its camera_info"
            )
        region = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
        return Intrinsics(resizing(full, size) @ region @ matrix, distortion, info.distortion_model, size)

    def _header(self, frame: Frame) -> Any:
        seconds, nanoseconds = divmod(frame.stamp, SECOND)
        stamp = self._make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self._make("std_msgs/msg/Header", stamp=stamp, frame_id=frame.frame_id)

    def _data(self, values: NDArray[Any]) -> Any:
        """The memory of a contiguous array."""
        return self._to_data(values.reshape(-1).view(np.uint8))

    def _make(self, name: str, /, **fields: Any) -> Any:
        return self._types[name](**fields)


def _size(frame: Frame) -> str:
    height, width = frame.image.shape[:2]
    return f"{width}x{height}"
