"""The file of a rig: YAML that people can read, written atomically."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from distillmatch_ros.base.errors import DistillMatchError, check_type
from distillmatch_ros.base.files import write_text
from distillmatch_ros.base.yaml import read_yaml
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.intrinsics import FOCAL
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.projection import SHARED

VERSION = 1
"""Of the file's layout."""

_HEADER = (
    "# A visible-thermal rig: T_visible_thermal takes the thermal camera's frame to the visible camera's.\n"
    "# Inverse depths are in units of the translation, 1 / its length.\n"
    "# The homography, thermal to visible pixels, comes closest in the middle of them; it is not read.\n"
)
_STRONGEST = 1e6  # coefficient of distortion; calibrations by rational polynomials have up to some thousands
_REMEDY = "make it with `distillmatch calibrate`, or `distillmatch match --rig auto --rig-out FILE`"


@dataclass(frozen=True, eq=False)
class RigFile:
    """A learned rig as it is kept.

    Attributes:
        rig: the rig.
        frames: number of frames that it was learned from.
        date: when, ISO 8601 in UTC.
    """

    rig: LearnedRig
    frames: int
    date: str

    @classmethod
    def of(cls, rig: LearnedRig, frames: int) -> "RigFile":
        """A rig that was learned now."""
        return cls(rig, frames, datetime.now(timezone.utc).isoformat(timespec="seconds"))

    def save(self, path: Path | str) -> None:
        """Write the file.

        Raises:
            DistillMatchError: it cannot be written.
        """
        text = yaml.safe_dump(self.record(), sort_keys=False, default_flow_style=None)
        check_type(path, (str, Path), "rig file")
        write_text(Path(path), _HEADER + text)

    def record(self) -> dict[str, Any]:
        """The file's content as plain values; `of_record` is its inverse."""
        model = self.rig.model
        return {
            "version": VERSION,
            "date": self.date,
            "frames": self.frames,
            "visible": _camera_record(model.visible),
            "thermal": _camera_record(model.thermal),
            "T_visible_thermal": {
                "rotation": model.T_visible_thermal.rotation.tolist(),
                "translation": model.T_visible_thermal.translation.tolist(),
            },
            "inverse_depths": [float(depth) for depth in self.rig.inverse_depths],
            "homography": self.rig.middle.homography.tolist(),
            "shifted": self.rig.shifted,
            "origins": dict(model.origins),
            "covariance": None if model.covariance is None else model.covariance.tolist(),
        }

    @classmethod
    def load(cls, path: Path | str) -> "RigFile":
        """Read a file.

        Raises:
            DistillMatchError: it cannot be read, is of a later version, or holds no rig.
        """
        check_type(path, (str, Path), "rig file")
        record = read_yaml(Path(path), _REMEDY)
        if isinstance(record, dict) and "rms_px" in record:
            raise DistillMatchError(
                f"{path}: holds one homography, which mode fixed uses, and no rig; {_REMEDY}"
            )
        try:
            read = cls.of_record(record)
            return replace(read, rig=replace(read.rig, source=str(path)))
        except ValueError as error:
            raise DistillMatchError(f"{path}: holds no rig ({error}); {_REMEDY}") from error

    @classmethod
    def of_record(cls, record: Any) -> "RigFile":
        """Make it from what `record` gives.

        Raises:
            ValueError: a value is missing, or invalid.
        """
        try:
            return _read(record)
        except KeyError as error:
            raise ValueError(f"{error} is missing") from error
        except (TypeError, OverflowError, DistillMatchError) as error:
            raise ValueError(str(error)) from error


def holds_rig(path: Path) -> bool:
    """Whether a file that `calibrate` wrote holds a rig; else it holds one homography, or nothing known.

    Raises:
        DistillMatchError: it cannot be read.
    """
    record = read_yaml(path, _REMEDY)
    return isinstance(record, dict) and "T_visible_thermal" in record


def _camera_record(camera: Camera) -> dict[str, Any]:
    return {
        "width": camera.size[1],
        "height": camera.size[0],
        "matrix": camera.matrix.tolist(),
        "distortion_model": camera.model,
        "distortion": camera.distortion.tolist(),
    }


def _read(record: Any) -> RigFile:
    """Make it from plain values; raises KeyError, TypeError or ValueError if they are invalid."""
    fields = _mapping(record)
    if fields["version"] != VERSION:
        raise ValueError(f"it is of version {fields['version']!r}, and this program reads {VERSION}")
    pose = _mapping(fields["T_visible_thermal"])
    rotation = _numbers(pose["rotation"], (3, 3), "rotation")
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) or np.linalg.det(rotation) < 0:
        raise ValueError("rotation is no rotation matrix")
    covariance = fields["covariance"]
    origins = {str(name): origin for name, origin in _mapping(fields["origins"]).items()}
    if unknown := set(origins.values()) - {"measured", "given", "assumed"}:
        raise ValueError(f"origins has {next(iter(unknown))!r}")
    far, near = _numbers(fields["inverse_depths"], (2,), "inverse_depths")
    if far > near:
        raise ValueError("inverse_depths has the greatest one first")
    if not isinstance(fields["shifted"], bool):
        raise ValueError(f"shifted is {fields['shifted']!r:.40}, and neither true nor false")
    model = RigModel(
        visible=_camera(fields["visible"]),
        thermal=_camera(fields["thermal"]),
        T_visible_thermal=Pose(rotation, _numbers(pose["translation"], (3,), "translation")),
        origins=origins,
        covariance=None if covariance is None else _numbers(covariance, (len(SHARED),) * 2, "covariance"),
    )
    rig = LearnedRig(model, (float(far), float(near)), fields["shifted"])
    return RigFile(rig, _whole(fields["frames"], "frames"), str(fields["date"]))


def _camera(record: Any) -> Camera:
    fields = _mapping(record)
    size = _whole(fields["height"], "height"), _whole(fields["width"], "width")
    matrix = _numbers(fields["matrix"], (3, 3), "matrix")
    least, most = (max(*size, 0) * bound for bound in FOCAL)
    if min(size) < 1 or not all(least < focal < most for focal in (matrix[0, 0], matrix[1, 1])):
        raise ValueError("a camera has no pixels, or a focal length that is none for its images")
    skewed = matrix[0, 1] or matrix[1, 0]  # no lens model here has a skew
    if skewed or (abs(matrix[:2, 2]) > most).any() or matrix[2].tolist() != [0, 0, 1]:
        raise ValueError("matrix is none of a camera")
    distortion = np.array(fields["distortion"], np.float64)
    if distortion.ndim != 1 or not (abs(distortion) < _STRONGEST).all():  # true for NaN
        raise ValueError("distortion is no list of a lens's coefficients")
    return Camera(size, matrix, distortion, str(fields["distortion_model"]))


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r:.40}, and no number of things")
    return value


def _numbers(value: Any, shape: tuple[int, ...], name: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    numbers = np.array(value, np.float64)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise ValueError(f"{name} is not {'x'.join(map(str, shape))} numbers")
    return numbers


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is not a mapping")
    return value
