"""Stereo calibrations of MATLAB's Computer Vision Toolbox: ``jsonencode(toStruct(stereoParams))``.

MATLAB multiplies row vectors by transposed matrices, and counts pixels from 1; see its
stereoParametersToOpenCV.
"""

from collections.abc import Mapping
from typing import Any

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.exchange.known import Known, Sizes, mapping, matrix_of, numbers, rotation_of

_METRES = {
    **dict.fromkeys(("m", "meters", "metres"), 1.0),
    **dict.fromkeys(("cm", "centimeters", "centimetres"), 1e-2),
    **dict.fromkeys(("mm", "millimeters", "millimetres"), 1e-3),
    **dict.fromkeys(("in", "inches"), 0.0254),
}


def holds(record: Any) -> bool:
    """Whether a JSON file is one."""
    return isinstance(record, dict) and "CameraParameters1" in record


def read(record: Mapping[str, Any], sizes: Sizes) -> Known:
    """Cameras and pose; raises KeyError, TypeError or ValueError if it is invalid."""
    first, second = (mapping(record[name], name) for name in ("CameraParameters1", "CameraParameters2"))
    unit = _METRES.get(str(first.get("WorldUnits", "")).lower())
    if "RotationOfCamera2" in record:
        turn = numbers(record["RotationOfCamera2"], "RotationOfCamera2", 3, 3).T
        shift = numbers(record["TranslationOfCamera2"], "TranslationOfCamera2", 3)
    else:
        pose = mapping(record["PoseCamera2"], "PoseCamera2")
        turn, shift = numbers(pose["R"], "R", 3, 3), numbers(pose["Translation"], "Translation", 3)
    return sizes.stereo(
        (_camera(first, sizes.visible), _camera(second, sizes.thermal)),
        ("", ""),
        Pose(rotation_of(turn, "RotationOfCamera2"), shift * (unit or 1.0)),
        metric=unit is not None,
    )


def _camera(record: Mapping[str, Any], usual: tuple[int, int]) -> Camera:
    if "K" in record:
        matrix = numbers(record["K"], "K", 3, 3)
    else:
        matrix = numbers(record["IntrinsicMatrix"], "IntrinsicMatrix", 3, 3).T
    if abs(matrix[0, 1]) > 1e-6 * matrix[0, 0]:
        raise ValueError("the camera has a skew, which lens models of ROS lack")
    radial = numbers(record["RadialDistortion"], "RadialDistortion")
    tangential = numbers(record.get("TangentialDistortion", (0, 0)), "TangentialDistortion", 2)
    size = record.get("ImageSize") or usual
    return Camera(
        (int(size[0]), int(size[1])),
        matrix_of(matrix[0, 0], matrix[1, 1], matrix[0, 2] - 1, matrix[1, 2] - 1),
        [*radial[:2], *tangential, *radial[2:]],  # type: ignore[arg-type]
        "plumb_bob",
    )
