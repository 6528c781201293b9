"""Points of a LiDAR or of a depth camera, as sensor_msgs/PointCloud2 packs them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.sizes import MAX_PIXELS

XYZ = "xyz"
"""Encoding of a `Frame` whose image is (N, 3): points in metres, in the frame of frame_id."""

_TYPES = {7: "f4", 8: "f8"}  # constants of sensor_msgs/PointField


def decode_points(message: Any, max_points: int = MAX_PIXELS) -> NDArray[Any]:
    """The points of a sensor_msgs/PointCloud2 of any library.

    Args:
        message: the message.
        max_points: larger clouds are rejected.

    Returns:
        float32 or float64 (N, 3), metres; values that are not finite may be among them.

    Raises:
        DistillMatchError: it has no fields x, y and z of floating point, or less data than it says.
    """
    fields = {field.name: field for field in message.fields}
    chosen = [fields[name] for name in "xyz" if name in fields]
    types = {field.datatype for field in chosen}
    if len(chosen) < 3 or len(types) > 1 or not types <= _TYPES.keys():
        raise DistillMatchError(
            f"points: the fields {', '.join(fields) or '(none)'} are no x, y and z of floating point; give a "
            "cloud of points in space"
        )
    width, height, step = message.width, message.height, message.point_step
    row = message.row_step if height > 1 else width * step  # drivers leave it out for a single row
    if width * height > max_points:
        raise DistillMatchError(
            f"points: {width * height} are more than max_pixels allows, {max_points}; give a smaller cloud"
        )
    form = ">" if message.is_bigendian else "<"
    number = np.dtype(form + _TYPES[types.pop()])
    data = np.frombuffer(message.data, np.uint8)
    reaches = max(field.offset for field in chosen) + number.itemsize
    if width * height and (reaches > step or width * step > row or data.size < height * row):
        raise DistillMatchError(
            f"points: {data.size} bytes are no {height} rows of {width} points of {step} bytes; correct the "
            "driver's header"
        )
    point = np.dtype(
        {
            "names": list("xyz"),
            "formats": [number] * 3,
            "offsets": [field.offset for field in chosen],
            "itemsize": max(step, reaches),
        }
    )
    rows = data[: height * row].reshape(height, row)[:, : width * step] if width * height else data[:0]
    points = np.ascontiguousarray(rows).reshape(-1).view(point)
    return np.stack([points[axis] for axis in "xyz"], axis=1).astype(number.newbyteorder("="))
