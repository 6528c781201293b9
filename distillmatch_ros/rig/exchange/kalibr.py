"""Camera chains of Kalibr (camchain.yaml): two cameras and their pose."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import EQUIDISTANT, PLUMB_BOB, Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.exchange.known import (
    Known,
    Sizes,
    inverse,
    mapping,
    matrix_of,
    numbers,
    rotation_of,
)
from distillmatch_ros.rig.model import RigModel

_MODELS = {"radtan": PLUMB_BOB, "equidistant": EQUIDISTANT, "none": PLUMB_BOB}


def holds(record: Any) -> bool:
    """Whether a YAML file is one."""
    return isinstance(record, dict) and "cam0" in record


def read(record: Mapping[str, Any], sizes: Sizes) -> Known:
    """The cameras of a chain of two; raises KeyError, TypeError or ValueError if it is invalid."""
    if "cam2" in record:
        raise ValueError("the chain has more than two cameras")
    first, second = (mapping(record[name], name) for name in ("cam0", "cam1"))
    pose = numbers(second["T_cn_cnm1"], "T_cn_cnm1", 4, 4)
    return sizes.stereo(
        (_camera(first), _camera(second)),
        (str(first.get("rostopic", "")), str(second.get("rostopic", ""))),
        Pose(rotation_of(pose[:3, :3], "T_cn_cnm1"), pose[:3, 3]),
        metric=True,
    )


def _camera(record: Mapping[str, Any]) -> Camera:
    if record["camera_model"] != "pinhole" or record["distortion_model"] not in _MODELS:
        raise ValueError(
            f"the camera model {record['camera_model']}-{record['distortion_model']} is unknown; use "
            "pinhole-radtan or pinhole-equi"
        )
    width, height = (int(length) for length in record["resolution"])
    matrix = matrix_of(*numbers(record["intrinsics"], "intrinsics", 4))
    distortion = numbers(record["distortion_coeffs"], "distortion_coeffs")
    return Camera((height, width), matrix, distortion, _MODELS[record["distortion_model"]])


def write(rig: RigModel) -> str:
    """A chain of the visible camera, cam0, and the thermal one.

    Raises:
        DistillMatchError: Kalibr has no such lens model.
    """
    to_thermal = inverse(rig.T_visible_thermal)
    pose = np.vstack([np.column_stack([to_thermal.rotation, to_thermal.translation]), [0, 0, 0, 1]])
    chain = {
        "cam0": {"cam_overlaps": [1], **_record(rig.visible), "rostopic": "/rgb/image"},
        "cam1": {
            "T_cn_cnm1": pose.tolist(),
            "cam_overlaps": [0],
            **_record(rig.thermal),
            "rostopic": "/thermal/image",
        },
    }
    return str(yaml.safe_dump(chain, sort_keys=False, default_flow_style=None))


def _record(camera: Camera) -> dict[str, Any]:
    names = {model: name for name, model in _MODELS.items() if name != "none"}
    if camera.model not in names or np.any(camera.distortion[4:]):
        raise DistillMatchError(
            f"kalibr: has no lens with the {len(camera.distortion)} coefficients of {camera.model}; it has "
            "k1 k2 p1 p2, and fisheyes"
        )
    matrix = camera.matrix
    return {
        "camera_model": "pinhole",
        "distortion_coeffs": camera.distortion[:4].tolist(),
        "distortion_model": names[camera.model],
        "intrinsics": [float(matrix[row, column]) for row, column in ((0, 0), (1, 1), (0, 2), (1, 2))],
        "resolution": [camera.size[1], camera.size[0]],
    }
