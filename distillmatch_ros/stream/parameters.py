"""The node's parameters: one table for declaration, validation, parameter file and documentation.

``python -m distillmatch_ros.stream.parameters`` regenerates `config/fusion.yaml` and the page.
"""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_text
from distillmatch_ros.base.settings import Description, Model, Settings, describe, setting
from distillmatch_ros.engines.registry import AUTO, Backend
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.stream.sensors import ATTACHED, Sensor
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.temporal import Mode

YAML, PAGE = "config/fusion.yaml", "docs/reference/parameters.md"
Transport = Literal["raw", "compressed"]
RAW: Transport = "raw"
COMPRESSED: Transport = "compressed"
Pairing = Literal["stamp", "arrival", "message_filters"]
ARRIVAL: Pairing = "arrival"
MESSAGE_FILTERS: Pairing = "message_filters"


class Parameters(Settings):
    """All settings of the node and of bags, validated on construction.

    Raises:
        DistillMatchError: a value is not allowed, or not in combination with another.
    """

    autostart: bool = setting(
        True, "Configure and activate at start; false if a lifecycle manager does that."
    )
    model: str = setting("", "Network file; empty for the shipped network.")
    backend: Backend = setting(AUTO, "Runtime of the network; auto is the fastest that works here.")
    threads: int = setting(
        0,
        "CPU threads of the engine; 0 for one per core that the node may use, less one for tracking.",
        least=0,
        most=1024,
    )
    passes: int = setting(
        2, "Greatest number of network passes per pair: 1 is faster, 2 more accurate.", least=1, most=2
    )
    rgb_transport: Transport = setting(
        "raw", "raw subscribes to rgb/image, compressed to rgb/image/compressed."
    )
    thermal_transport: Transport = setting(
        "raw", "raw subscribes to thermal/image, compressed to thermal/image/compressed."
    )
    max_pixels: int = setting(
        MAX_PIXELS,
        "Greatest number of pixels of an image; larger ones are rejected before decoding.",
        least=1,
        most=1 << 28,
    )
    undistort: bool = setting(
        False, "Undistort the images of each camera whose camera_info holds a calibration; one must."
    )
    pairing: Pairing = setting(
        "stamp",
        "Pair frames by stamp, by time of receipt (arrival) if the cameras' clocks are unrelated, or by the "
        "package message_filters.",
    )
    tolerance: float = setting(
        0.025, "Greatest time difference between the frames of a pair.", unit="s", least=0, most=10
    )
    thermal_offset: float = setting(
        0.0,
        "Added to thermal stamps before pairing, if clocks differ; diagnostics suggest a value.",
        unit="s",
        least=-1e10,
        most=1e10,
    )
    depth: bool = setting(
        False,
        "Subscribe to depth/image, for mode rig: depth registered to the RGB camera, of a camera with a "
        "frame of its own, or points of a LiDAR. Bags: --depth.",
    )
    depth_tolerance: float = setting(
        0.05,
        "Greatest time difference between a pair's RGB image and the depth image that is attached to it.",
        unit="s",
        least=0,
        most=10,
    )
    calibration_file: str = setting(
        "",
        "YAML file of mode fixed: one homography, as the service save_calibration writes it, or a rig.",
    )
    rig_file: str = setting(
        "",
        "YAML file of the rig, for mode rig: read at start, and believed once passes confirm it. The "
        "node writes what it learns, also where there is no such file yet; bags need one that exists. Empty: "
        "the rig is learned anew at each start.",
    )
    jpeg_quality: int = setting(90, "JPEG quality of overlay/compressed.", least=1, most=100)
    stream: StreamSettings = setting(StreamSettings(), "Settings that may change while a stream runs.")

    def model_post_init(self, _: Any) -> None:
        if self.stream.mode is Mode.FIXED and not self.calibration_file:
            raise DistillMatchError("mode fixed needs a calibration; set calibration_file with it")

    @property
    def attached(self) -> tuple[Sensor, ...]:
        """The further sensors that are used: each has a parameter of its name."""
        return tuple(sensor for sensor in ATTACHED if getattr(self, sensor.namespace))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Parameters":
        """Parameters from values by table name; the others have their defaults.

        Raises:
            DistillMatchError: a name is not in the table, or a value is not allowed.
        """
        return cls().changed(values)

    def changed(self, values: Mapping[str, Any]) -> "Parameters":
        """A copy with other values by table name; if one is not allowed, none is changed.

        Raises:
            DistillMatchError: a name is not in the table, or a value is not allowed.
        """
        for name, value in values.items():
            if fault := unknown(name):
                raise DistillMatchError(fault)
            _check_type(name, value)
        try:
            return _changed(self, {TABLE[name].path: value for name, value in values.items()})
        except DistillMatchError as error:
            raise DistillMatchError(f"parameter {error}") from None

    def flat(self) -> dict[str, Any]:
        """All values by table name."""
        return {name: parameter.read(self) for name, parameter in TABLE.items()}


@dataclass(frozen=True)
class Parameter:
    """A row of the table.

    Attributes:
        path: path of the setting in `Parameters`.
        live: whether it can be set while the node runs; otherwise only at start.
    """

    path: tuple[str, ...]
    live: bool

    @property
    def description(self) -> Description:
        """Type, default, range and description of the setting."""
        return describe(Parameters, self.path)

    def read(self, parameters: Parameters) -> Any:
        """The value of the setting, as text for an enumeration."""
        found: Any = parameters
        for name in self.path:
            found = getattr(found, name)
        return found.value if isinstance(found, Enum) else found


def _fixed(*path: str) -> Parameter:
    return Parameter(path, live=False)


def _live(*path: str) -> Parameter:
    return Parameter(path, live=True)


TABLE: dict[str, Parameter] = {
    "autostart": _fixed("autostart"),
    "model": _fixed("model"),
    "backend": _fixed("backend"),
    "threads": _fixed("threads"),
    "passes": _fixed("passes"),
    "rgb_transport": _fixed("rgb_transport"),
    "thermal_transport": _fixed("thermal_transport"),
    "max_pixels": _fixed("max_pixels"),
    "undistort": _fixed("undistort"),
    "rgb_rotation": _live("stream", "rgb_rotation"),
    "rgb_flip": _live("stream", "rgb_flip"),
    "thermal_rotation": _live("stream", "thermal_rotation"),
    "thermal_flip": _live("stream", "thermal_flip"),
    "pairing": _fixed("pairing"),
    "tolerance": _live("tolerance"),
    "thermal_offset": _live("thermal_offset"),
    "depth": _fixed("depth"),
    "depth_tolerance": _live("depth_tolerance"),
    "depth_pose": _live("stream", "depth_pose"),
    "baseline_m": _live("stream", "baseline_m"),
    "parallax": _live("stream", "parallax"),
    "mode": _live("stream", "mode"),
    "pass_seconds": _live("stream", "pass_seconds"),
    "hold_seconds": _live("stream", "hold_seconds"),
    "smoothing": _live("stream", "smoothing"),
    "max_jump_px": _live("stream", "max_jump_px"),
    "frozen_seconds": _live("stream", "frozen_seconds"),
    "calibration_file": _live("calibration_file"),
    "rig_file": _fixed("rig_file"),
    "min_matches": _live("stream", "gate", "min_matches"),
    "inlier_px": _live("stream", "gate", "inlier_px"),
    "min_inliers": _live("stream", "gate", "min_inliers"),
    "min_inlier_ratio": _live("stream", "gate", "min_inlier_ratio"),
    "min_spread": _live("stream", "gate", "min_spread"),
    "max_corner_std_px": _live("stream", "gate", "max_corner_std_px"),
    "min_peak_prominence": _live("stream", "gate", "min_peak_prominence"),
    "min_probability": _live("stream", "gate", "min_probability"),
    "max_second_peak_ratio": _live("stream", "gate", "max_second_peak_ratio"),
    "temperature": _live("stream", "temperature"),
    "overlay": _live("stream", "overlay"),
    "jpeg_quality": _live("jpeg_quality"),
}
"""All ROS parameters and the settings they correspond to, in the order of the documentation."""


def _changed(settings: Model, values: Mapping[tuple[str, ...], Any]) -> Model:
    """A copy with other values by path; values of the same nested settings are replaced together."""
    changes: dict[str, Any] = {path[0]: value for path, value in values.items() if len(path) == 1}
    for part in {path[0] for path in values if len(path) > 1}:
        below = {path[1:]: value for path, value in values.items() if path[0] == part}
        changes[part] = _changed(getattr(settings, part), below)
    return settings.replace(**changes)


_WRITTEN = {
    int: "a whole number, such as 5",
    float: "a number with a point, such as 1.0",
    bool: "true or false",
    str: "a text, in quotes if it looks like a number",
}
"""What a value of each type looks like."""


def _check_type(name: str, value: Any) -> None:
    """Reject an integer for a DOUBLE parameter as ROS does: the same file must work for node and bag."""
    wanted = TABLE[name].description.type
    if type(value) is not wanted:
        shown = "nothing" if value is None else repr(value)
        raise DistillMatchError(f"parameter {name} is {shown:.60}; write {_WRITTEN[wanted]}")


def tolerance_of(sensor: Sensor) -> str:
    """Name of the parameter by which the frames of a further sensor are attached."""
    return f"{sensor.namespace}_tolerance"


def unknown(name: str) -> str | None:
    """Error text for a name that is not in the table, with the most similar one; None for a valid name."""
    if name in TABLE:
        return None
    meant = get_close_matches(name, TABLE, 1)
    remedy = f"did you mean {meant[0]}?" if meant else f"see {resources.locate(YAML)}"
    return f"parameter {name} is unknown; {remedy}"


def is_of_every_node(name: str) -> bool:
    """Whether a parameter is one that ROS declares for every node."""
    return name.partition(".")[0] in ("use_sim_time", "qos_overrides", "start_type_description_service")


def to_yaml() -> str:
    """The defaults as a parameter file with descriptions."""
    lines = ["# The node's parameters and their defaults, for launch files and `--params`."]
    lines += ["/**:", "  ros__parameters:"]
    for name, parameter in TABLE.items():
        described = parameter.description
        notes = [described.text, *([f"({described.range})"] if described.range else [])]
        lines += [f"    # {line}" for line in textwrap.wrap(" ".join(notes), 100)]
        lines.append(f"    {name}: {json.dumps(described.default)}")
    return "\n".join(lines) + "\n"


def to_page() -> str:
    """The table as a Markdown page."""
    lines = [
        "# Parameters of `fusion_node`",
        "",
        "Live parameters can be set while the node runs (`ros2 param set /distillmatch overlay edges`), the",
        "others only at start: in a copy of the shipped `config/fusion.yaml`, or with",
        "`--ros-args -p name:=value`. A value that is not allowed is rejected with the reason and changes",
        "nothing; a name that is not in this table is logged as a warning; several that depend on each other",
        "are set at once (`set_parameters_atomically`).",
        "",
        "QoS has parameters too, by topic: see [the node](../how-to/node.md#qos).",
        "",
        "| name | type | default | allowed | set | |",
        "|---|---|---|---|---|---|",
    ]
    for name, parameter in TABLE.items():
        described = parameter.description
        default = json.dumps(described.default)
        when = "live" if parameter.live else "at start"
        lines.append(
            f"| `{name}` | {described.type.__name__} | `{default}` | {described.range} | {when} "
            f"| {described.text} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    checkout = Path(__file__).parents[2]
    write_text(checkout / YAML, to_yaml())
    write_text(checkout / PAGE, to_page())
