"""CameraInfo files of ROS (camera_calibration_parsers, camera_calibration): one camera each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.exchange.known import Known, Sizes, mapping, numbers
from distillmatch_ros.rig.model import RigModel


def holds(record: Any) -> bool:
    """Whether a YAML file is one."""
    return isinstance(record, dict) and {"image_width", "camera_matrix"} <= record.keys()


def read(record: Mapping[str, Any], sizes: Sizes) -> Known:
    """The camera of a file; raises KeyError, TypeError or ValueError if it is invalid."""
    matrix = mapping(record["camera_matrix"], "camera_matrix")["data"]
    distortion = mapping(record["distortion_coefficients"], "distortion_coefficients")["data"]
    camera = Camera(
        (int(record["image_height"]), int(record["image_width"])),
        numbers(matrix, "camera_matrix", 3, 3),
        numbers(distortion, "distortion_coefficients"),
        str(record["distortion_model"]),
    )
    return sizes.single(camera, str(record.get("camera_name", "")))


def write(rig: RigModel) -> str:
    """The thermal camera as a file for a driver's ``camera_info_url``."""
    camera = rig.thermal
    record = {
        "image_width": camera.size[1],
        "image_height": camera.size[0],
        "camera_name": "thermal",
        "camera_matrix": _matrix(camera.matrix),
        "distortion_model": camera.model,
        "distortion_coefficients": _matrix(camera.distortion[None]),
        "rectification_matrix": _matrix(np.eye(3)),
        "projection_matrix": _matrix(np.column_stack([camera.matrix, np.zeros(3)])),
    }
    return str(yaml.safe_dump(record, sort_keys=False, default_flow_style=None))


def _matrix(values: Float64) -> dict[str, Any]:
    return {"rows": values.shape[0], "cols": values.shape[1], "data": values.ravel().tolist()}
