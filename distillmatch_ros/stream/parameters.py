"""The node's parameters: one table, from which come their declaration, their checks, the YAML and the page.

``python -m distillmatch_ros.stream.parameters`` writes `config/fusion.yaml` and the page anew.
"""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_text
from distillmatch_ros.registration.registrar import Gate
from distillmatch_ros.stream.stream import StreamSettings
from distillmatch_ros.stream.synchroniser import Side
from distillmatch_ros.stream.temporal import Mode
from distillmatch_ros.visualisation.overlay import STYLES

YAML, PAGE = "config/fusion.yaml", "docs/reference/parameters.md"
RAW, COMPRESSED = TRANSPORTS = ("raw", "compressed")
NAMESPACES = {Side.VISIBLE: "rgb", Side.THERMAL: "thermal"}
"""What the topics of a camera begin with."""
STAMP, ARRIVAL, MESSAGE_FILTERS = PAIRINGS = ("stamp", "arrival", "message_filters")


@dataclass(frozen=True)
class Row:
    """What the table says of a parameter besides its name and default.

    Attributes:
        type: bool, int, float or str.
        live: may be set while the node runs; otherwise only when it starts.
        description: for people; a sentence or two.
        unit: of a number; empty if it has none.
        least: smallest value allowed.
        greatest: largest value allowed.
        choices: texts allowed; any text if empty.
    """

    type: type
    live: bool
    description: str
    unit: str = ""
    least: float | None = None
    greatest: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def range(self) -> str:
        """What is allowed, for people."""
        if self.choices:
            return ", ".join(self.choices)
        if self.least is None or self.greatest is None:
            return ""
        return f"{self.least:g} to {self.greatest:g}"

    def check(self, name: str, value: Any) -> None:
        """Reject a value that the row does not allow.

        Raises:
            DistillMatchError: wrong type, not one of the choices, outside the range, not finite.
        """
        kind = type(value)
        if kind is not self.type:
            lacks_point = kind is int and self.type is float
            remedy = f"write {value}.0" if lacks_point else f"write a {self.type.__name__}"
            raise DistillMatchError(
                f"parameter {name}: {value!r} is {kind.__name__}, not {self.type.__name__}; {remedy}"
            )
        if self.choices and value not in self.choices:
            raise DistillMatchError(f"parameter {name}: {value!r} is unknown; choose {self.range}")
        if self.least is None or self.greatest is None:
            return
        if not self.least <= value <= self.greatest:  # NaN is not either
            raise DistillMatchError(
                f"parameter {name}: {value} is out of range; choose {self.range} {self.unit}".rstrip()
            )


def _fixed(default: Any, description: str, **row: Any) -> Any:
    """A parameter that is read when the node starts."""
    return field(default=default, metadata={"row": Row(type(default), False, description, **row)})


def _live(default: Any, description: str, **row: Any) -> Any:
    """A parameter that may be set at any time."""
    return field(default=default, metadata={"row": Row(type(default), True, description, **row)})


@dataclass(frozen=True)
class Parameters:
    """The table, and one set of values; a set that is not allowed cannot be made.

    Raises:
        DistillMatchError: a value is not allowed, or does not go with another.
    """

    autostart: bool = _fixed(
        True, "Configure and activate when the node starts; false for a lifecycle manager."
    )
    model: str = _fixed("", "Network file; empty for the shipped one.")
    backend: str = _fixed("auto", "Runtime: auto takes the fastest for the file; onnx, tensorrt, torch.")
    threads: int = _fixed(
        0, "CPU threads of the engine; 0 for one for each core the node may use.", least=0, greatest=1024
    )
    passes: int = _fixed(
        2, "Passes of the network over each pair: 1 is faster, 2 more accurate.", least=1, greatest=2
    )

    rgb_transport: str = _fixed(
        RAW, "raw subscribes to rgb/image, compressed to rgb/image/compressed.", choices=TRANSPORTS
    )
    thermal_transport: str = _fixed(
        RAW, "raw subscribes to thermal/image, compressed to thermal/image/compressed.", choices=TRANSPORTS
    )
    undistort: bool = _fixed(
        False, "Undistort both images first, by rgb/camera_info and thermal/camera_info, which must come."
    )

    pairing: str = _fixed(
        STAMP,
        "Pair frames by stamp, by arrival where the cameras' clocks have nothing in common, or by the "
        "package message_filters where it is installed.",
        choices=PAIRINGS,
    )
    tolerance: float = _live(
        0.025, "Greatest time between the frames of a pair.", unit="s", least=0.0, greatest=10.0
    )
    thermal_offset: float = _live(
        0.0,
        "Added to thermal stamps before pairing, for clocks that differ; the diagnostics suggest a value.",
        unit="s",
        least=-1e10,
        greatest=1e10,
    )

    mode: str = _live(
        Mode.LIVE.value,
        "Homography of a pair: its own or none (live), its own or for hold_seconds the last good one (hold), "
        "that of calibration_file, while the engine rests (fixed).",
        choices=tuple(mode.value for mode in Mode),
    )
    hold_seconds: float = _live(
        StreamSettings.hold_seconds,
        "How long mode hold keeps a homography.",
        unit="s",
        least=0.0,
        greatest=3600.0,
    )
    smoothing: float = _live(
        StreamSettings.smoothing,
        "Time constant of the filter that the homographies go through; 0 for none.",
        unit="s",
        least=0.0,
        greatest=60.0,
    )
    max_jump_px: float = _live(
        StreamSettings.max_jump_px,
        "Step of a thermal corner that is taken unconfirmed, for a visible image 640 px wide.",
        unit="px",
        least=1.0,
        greatest=640.0,
    )
    frozen_seconds: float = _live(
        StreamSettings.frozen_seconds,
        "Time after which an unchanged thermal picture counts as frozen (a closed shutter); 0 for never.",
        unit="s",
        least=0.0,
        greatest=60.0,
    )
    calibration_file: str = _live(
        "", "YAML file that mode fixed reads and the service save_calibration writes."
    )

    min_matches: int = _live(
        Gate.min_matches, "Matches below which nothing is estimated.", least=4, greatest=10000
    )
    inlier_px: float = _live(
        Gate.inlier_px,
        "Reprojection error up to which a match is an inlier, for a visible image 640 px wide.",
        unit="px",
        least=0.5,
        greatest=50.0,
    )
    min_inliers: int = _live(Gate.min_inliers, "Inliers that a homography needs.", least=5, greatest=10000)
    min_inlier_ratio: float = _live(
        Gate.min_inlier_ratio, "Fraction of the matches that must be inliers.", least=0.0, greatest=1.0
    )
    min_spread: float = _live(
        Gate.min_spread,
        "Extent of the inliers over the thermal frame along their narrowest direction; 1 fills it evenly.",
        least=0.0,
        greatest=1.0,
    )
    max_corner_std_px: float = _live(
        Gate.max_corner_std_px,
        "Greatest uncertainty of the thermal frame's corners, for a visible image 640 px wide.",
        unit="px",
        least=0.1,
        greatest=100.0,
    )
    min_peak_prominence: float = _live(
        Gate.min_peak_prominence,
        "How far the agreement of the images' edges has to stand out from that a little beside.",
        least=0.0,
        greatest=1.0,
    )

    overlay: str = _live(StreamSettings.overlay, "Style of the overlay.", choices=STYLES)
    jpeg_quality: int = _live(90, "Of overlay/compressed.", least=1, greatest=100)

    def __post_init__(self) -> None:
        for name, row in ROWS.items():
            row.check(name, getattr(self, name))
        if self.mode == Mode.FIXED.value and not self.calibration_file:
            raise DistillMatchError("parameter mode: fixed needs a calibration; set calibration_file with it")

    def changed(self, values: Mapping[str, Any]) -> "Parameters":
        """The same with other values, all or none."""
        return replace(self, **values)

    def stream_settings(self) -> StreamSettings:
        """Those that the stream takes."""
        names = StreamSettings.__dataclass_fields__.keys() & ROWS.keys() - {"mode"}
        gate = Gate(**{name: getattr(self, name) for name in Gate.__dataclass_fields__.keys() & ROWS.keys()})
        return StreamSettings(
            mode=Mode(self.mode), gate=gate, **{name: getattr(self, name) for name in names}
        )


ROWS: dict[str, Row] = {row.name: row.metadata["row"] for row in fields(Parameters)}


def unknown(name: str) -> str | None:
    """The fault of a name that is not in the table, and what may have been meant; None for one that is."""
    if name in ROWS:
        return None
    meant = get_close_matches(name, ROWS, 1)
    remedy = f"did you mean {meant[0]}?" if meant else f"{YAML} of this installation lists all"
    return f"parameter {name} is unknown; {remedy}"


def is_of_every_node(name: str) -> bool:
    """Whether a parameter is one of ROS's own, which every node has."""
    return name.partition(".")[0] in ("use_sim_time", "qos_overrides", "start_type_description_service")


def to_yaml() -> str:
    """The defaults as a parameter file, each with its description."""
    lines = ["# The node's parameters and their defaults. Launch files and `--params` take a copy."]
    lines += ["/**:", "  ros__parameters:"]
    for name, row in ROWS.items():
        notes = [row.description, *([f"({row.range} {row.unit}".strip() + ")"] if row.range else [])]
        lines += [f"    # {line}" for line in textwrap.wrap(" ".join(notes), 100)]
        default = getattr(Parameters, name)
        lines.append(f"    {name}: {json.dumps(default)}")
    return "\n".join(lines) + "\n"


def to_page() -> str:
    """The table as Markdown."""
    lines = [
        "# Parameters of `fusion_node`",
        "",
        "Live parameters may be set while the node runs (`ros2 param set /distillmatch overlay edges`), the",
        "others when it starts: in a copy of `config/fusion.yaml`, or with",
        "`--ros-args -p name:=value`. A value that is not allowed is rejected with the reason and changes",
        "nothing; a name that is not in this table is warned of; several that go together are set at once",
        "(`set_parameters_atomically`).",
        "",
        "QoS has parameters too, by topic: see [the node](../how-to/node.md#qos).",
        "",
        "| name | type | default | allowed | set | |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in ROWS.items():
        default = json.dumps(getattr(Parameters, name))
        allowed = f"{row.range} {row.unit}".strip()
        when = "live" if row.live else "at the start"
        lines.append(
            f"| `{name}` | {row.type.__name__} | `{default}` | {allowed} | {when} | {row.description} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    checkout = Path(__file__).parents[2]
    write_text(checkout / YAML, to_yaml())
    write_text(checkout / PAGE, to_page())
