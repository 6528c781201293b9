"""The node's parameters: one table, from which come their declaration, their checks, the YAML and the page.

``python -m distillmatch_ros.stream.parameters`` writes `config/fusion.yaml` and the page anew.
"""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_text
from distillmatch_ros.base.settings import Description, Model, Settings, describe, setting
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.stream.stream import StreamSettings
from distillmatch_ros.stream.synchroniser import Side
from distillmatch_ros.stream.temporal import Mode

YAML, PAGE = "config/fusion.yaml", "docs/reference/parameters.md"
NAMESPACES = {Side.VISIBLE: "rgb", Side.THERMAL: "thermal"}
"""What the topics of a camera begin with."""
Transport = Literal["raw", "compressed"]
RAW: Transport = "raw"
COMPRESSED: Transport = "compressed"
Pairing = Literal["stamp", "arrival", "message_filters"]
ARRIVAL: Pairing = "arrival"
MESSAGE_FILTERS: Pairing = "message_filters"


class Parameters(Settings):
    """All settings of the node and of bags; a set that is not allowed cannot be made.

    Raises:
        DistillMatchError: a value is not allowed, or does not go with another.
    """

    autostart: bool = setting(
        True, "Configure and activate when the node starts; false for a lifecycle manager."
    )
    model: str = setting("", "Network file; empty for the shipped one.")
    backend: str = setting("auto", "Runtime: auto takes the fastest; onnx, openvino, tensorrt, torch.")
    threads: int = setting(
        0,
        "CPU threads of the engine; 0 for one for each core the node may use, less one for tracking.",
        least=0,
        most=1024,
    )
    passes: int = setting(
        2, "Passes of the network over each pair: 1 is faster, 2 more accurate.", least=1, most=2
    )
    rgb_transport: Transport = setting(
        "raw", "raw subscribes to rgb/image, compressed to rgb/image/compressed."
    )
    thermal_transport: Transport = setting(
        "raw", "raw subscribes to thermal/image, compressed to thermal/image/compressed."
    )
    max_pixels: int = setting(
        MAX_PIXELS,
        "Images of more pixels are rejected by their header, before memory is taken to decode them.",
        least=1,
        most=1 << 28,
    )
    undistort: bool = setting(
        False, "Undistort both images first, by rgb/camera_info and thermal/camera_info, which must come."
    )
    pairing: Pairing = setting(
        "stamp",
        "Pair frames by stamp, by arrival where the cameras' clocks have nothing in common, or by the "
        "package message_filters where it is installed.",
    )
    tolerance: float = setting(
        0.025, "Greatest time between the frames of a pair.", unit="s", least=0, most=10
    )
    thermal_offset: float = setting(
        0.0,
        "Added to thermal stamps before pairing, for clocks that differ; the diagnostics suggest a value.",
        unit="s",
        least=-1e10,
        most=1e10,
    )
    calibration_file: str = setting(
        "", "YAML file that mode fixed reads and the service save_calibration writes."
    )
    jpeg_quality: int = setting(90, "Of overlay/compressed.", least=1, most=100)
    stream: StreamSettings = setting(StreamSettings(), "What may be changed while a stream runs.")

    def model_post_init(self, _: Any) -> None:
        if self.stream.mode is Mode.FIXED and not self.calibration_file:
            raise DistillMatchError("mode fixed needs a calibration; set calibration_file with it")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Parameters":
        """Parameters by their names in the table; the others have their defaults.

        Raises:
            DistillMatchError: a name is not in the table, or a value not allowed.
        """
        return cls().changed(values)

    def changed(self, values: Mapping[str, Any]) -> "Parameters":
        """The same with other values, by their names in the table; all or none.

        Raises:
            DistillMatchError: a name is not in the table, or a value not allowed.
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
        """Every value by its name in the table."""
        return {name: parameter.read(self) for name, parameter in TABLE.items()}


@dataclass(frozen=True)
class Parameter:
    """A row of the table.

    Attributes:
        path: of the setting that it is.
        live: may be set while the node runs; otherwise only when it starts.
    """

    path: tuple[str, ...]
    live: bool

    @property
    def description(self) -> Description:
        """What the setting says of itself."""
        return describe(Parameters, self.path)

    def read(self, parameters: Parameters) -> Any:
        """The value, a text for an enumeration."""
        found: Any = parameters
        for name in self.path:
            found = getattr(found, name)
        return found.value if isinstance(found, Mode) else found


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
    "mode": _live("stream", "mode"),
    "pass_seconds": _live("stream", "pass_seconds"),
    "hold_seconds": _live("stream", "hold_seconds"),
    "smoothing": _live("stream", "smoothing"),
    "max_jump_px": _live("stream", "max_jump_px"),
    "frozen_seconds": _live("stream", "frozen_seconds"),
    "calibration_file": _live("calibration_file"),
    "min_matches": _live("stream", "gate", "min_matches"),
    "inlier_px": _live("stream", "gate", "inlier_px"),
    "min_inliers": _live("stream", "gate", "min_inliers"),
    "min_inlier_ratio": _live("stream", "gate", "min_inlier_ratio"),
    "min_spread": _live("stream", "gate", "min_spread"),
    "max_corner_std_px": _live("stream", "gate", "max_corner_std_px"),
    "min_peak_prominence": _live("stream", "gate", "min_peak_prominence"),
    "min_probability": _live("stream", "gate", "min_probability"),
    "max_second_peak_ratio": _live("stream", "gate", "max_second_peak_ratio"),
    "overlay": _live("stream", "overlay"),
    "jpeg_quality": _live("jpeg_quality"),
}
"""Every parameter of ROS and the setting that it is, in the order in which people read them."""


def _changed(settings: Model, values: Mapping[tuple[str, ...], Any]) -> Model:
    """Settings with other values by their paths; those of a part are made together."""
    changes: dict[str, Any] = {path[0]: value for path, value in values.items() if len(path) == 1}
    for part in {path[0] for path in values if len(path) > 1}:
        below = {path[1:]: value for path, value in values.items() if path[0] == part}
        changes[part] = _changed(getattr(settings, part), below)
    return settings.replace(**changes)


def _check_type(name: str, value: Any) -> None:
    """As ROS does, which takes no whole number for a DOUBLE: the same file must serve node and bag."""
    wanted, kind = TABLE[name].description.type, type(value)
    if kind is not wanted:
        remedy = f"; write {value}.0" if kind is int and wanted is float else ""
        raise DistillMatchError(
            f"parameter {name}: {value!r:.60} is {kind.__name__}, not {wanted.__name__}{remedy}"
        )


def unknown(name: str) -> str | None:
    """The fault of a name that is not in the table, and what may have been meant; None for one that is."""
    if name in TABLE:
        return None
    meant = get_close_matches(name, TABLE, 1)
    remedy = f"did you mean {meant[0]}?" if meant else f"see {resources.locate(YAML)}"
    return f"parameter {name} is unknown; {remedy}"


def is_of_every_node(name: str) -> bool:
    """Whether a parameter is one of ROS's own, which every node has."""
    return name.partition(".")[0] in ("use_sim_time", "qos_overrides", "start_type_description_service")


def to_yaml() -> str:
    """The defaults as a parameter file, each with its description."""
    lines = ["# The node's parameters and their defaults. Launch files and `--params` take a copy."]
    lines += ["/**:", "  ros__parameters:"]
    for name, parameter in TABLE.items():
        described = parameter.description
        notes = [described.text, *([f"({described.range})"] if described.range else [])]
        lines += [f"    # {line}" for line in textwrap.wrap(" ".join(notes), 100)]
        lines.append(f"    {name}: {json.dumps(described.default)}")
    return "\n".join(lines) + "\n"


def to_page() -> str:
    """The table as Markdown."""
    lines = [
        "# Parameters of `fusion_node`",
        "",
        "Live parameters may be set while the node runs (`ros2 param set /distillmatch overlay edges`), the",
        "others when it starts: in a copy of the shipped `config/fusion.yaml`, or with",
        "`--ros-args -p name:=value`. A value that is not allowed is rejected with the reason and changes",
        "nothing; a name that is not in this table is warned of; several that go together are set at once",
        "(`set_parameters_atomically`).",
        "",
        "QoS has parameters too, by topic: see [the node](../how-to/node.md#qos).",
        "",
        "| name | type | default | allowed | set | |",
        "|---|---|---|---|---|---|",
    ]
    for name, parameter in TABLE.items():
        described = parameter.description
        default = json.dumps(described.default)
        when = "live" if parameter.live else "at the start"
        lines.append(
            f"| `{name}` | {described.type.__name__} | `{default}` | {described.range} | {when} "
            f"| {described.text} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    checkout = Path(__file__).parents[2]
    write_text(checkout / YAML, to_yaml())
    write_text(checkout / PAGE, to_page())
