"""All formats of other tools: which are read, by what the file holds, and which are written, by name."""

import json
from collections.abc import Callable
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_text
from distillmatch_ros.base.yaml import parse_yaml, read_text
from distillmatch_ros.rig.exchange import frames, kalibr, matlab, opencv, ros
from distillmatch_ros.rig.exchange.known import Known, Sizes
from distillmatch_ros.rig.files import RigFile, holds_rig
from distillmatch_ros.rig.model import RigModel

WRITERS: dict[str, Callable[[RigModel], str]] = {
    "camera-info": ros.write,
    "kalibr": kalibr.write,
    "urdf": frames.urdf_joint,
    "static-transform": frames.static_transform,
}
"""Formats to write, by name. All but the first have lengths in metres."""

_READ = (
    "a rig of `distillmatch calibrate`, a CameraInfo YAML of ROS, a camchain of Kalibr, a stereo "
    "calibration by OpenCV's FileStorage, or MATLAB's jsonencode(toStruct(stereoParams))"
)


def read_known(path: Path, sizes: Sizes) -> Known:
    """What a file tells about a rig.

    Args:
        path: a file of any of the formats.
        sizes: of the rig's images; they tell which camera is which.

    Raises:
        DistillMatchError: it cannot be read, is of no known format, or of images of other sizes.
    """
    text = read_text(path, "text", f"name {_READ}")
    try:
        return _known(path, text, sizes)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DistillMatchError(f"{path}: cannot be used ({what}); name {_READ}") from error
    except DistillMatchError as error:
        if str(error).startswith(str(path)):
            raise
        raise DistillMatchError(f"{path}: {error}") from error


def _known(path: Path, text: str, sizes: Sizes) -> Known:
    if opencv.holds(text):
        return opencv.read(path, sizes)
    if text.lstrip().startswith("{"):
        record = json.loads(text)
        if matlab.holds(record):
            return matlab.read(record, sizes)
    record = parse_yaml(text, str(path), f"name {_READ}")
    if ros.holds(record):
        return ros.read(record, sizes)
    if kalibr.holds(record):
        return kalibr.read(record, sizes)
    if holds_rig(path):
        model = RigFile.load(path).rig.model
        for camera, size in ((model.visible, sizes.visible), (model.thermal, sizes.thermal)):
            if camera.size != size:
                sizes.single(camera, "")  # raises, unless the two are exchanged
                raise ValueError("its cameras are exchanged")
        return Known(model.visible, model.thermal, model.T_visible_thermal, _has_scale(model))
    raise ValueError("its format is unknown")


def _has_scale(rig: RigModel) -> bool:
    """Whether the rig says that its lengths are in metres; one that says nothing may be in any unit."""
    return "scale" in rig.origins and rig.tells_lengths


def write_format(name: str, path: Path, rig: RigModel) -> None:
    """Write a rig for another tool.

    Raises:
        DistillMatchError: the rig has no scale, which the format needs; or the file cannot be written.
    """
    if name != "camera-info" and not _has_scale(rig):
        raise DistillMatchError(
            f"{path}: {name} has lengths in metres, which images do not tell; give the distance of the "
            "lenses with --baseline-m, or depth and the camera_info of both cameras"
        )
    write_text(path, WRITERS[name](rig))
