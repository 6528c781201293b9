"""Settings that may change while a stream runs."""

from typing import Annotated

from pydantic import AfterValidator, Field

from distillmatch_ros.base.settings import setting
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.orientation import Orientation, Orientations, Rotation
from distillmatch_ros.images.temperature import CAMERAS, Temperature
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.rig.regions import Parallax
from distillmatch_ros.stream.temporal import TemporalSettings
from distillmatch_ros.visualisation.overlay import Style


def _temperature(text: str) -> str:
    """Check the setting; raises DistillMatchError, which passes through pydantic."""
    if text:
        Temperature.parse(text)
    return text


def _pose(text: str) -> str:
    """Check the setting likewise."""
    if text:
        Pose.parse(text)
    return text


class StreamSettings(TemporalSettings):
    """Settings that may change while a stream runs; in mode fixed the network is not run."""

    frozen_seconds: float = setting(
        0.4,
        "Time after which an unchanged image counts as frozen (a closed shutter, a camera that hangs); 0 "
        "disables it, for depth too.",
        unit="s",
        least=0,
        most=60,
    )
    pass_seconds: float = setting(
        1.0,
        "Time between full passes of the network, by the images' stamps; in between, pairs are tracked on "
        "their edges. 0 for a pass over each pair.",
        unit="s",
        least=0,
        most=60,
    )
    baseline_m: float = setting(
        0.0,
        "Distance of the two cameras' lenses, which gives a learned rig its scale. 0: as the rig's file "
        "says, else as depth tells.",
        unit="m",
        least=0,
        most=100,
    )
    depth_pose: Annotated[str, AfterValidator(_pose)] = setting(
        "",
        "Where a depth sensor with a frame of its own is in the RGB camera's optical frame: x y z in metres, "
        "qx qy qz qw. Empty: by /tf_static.",
    )
    parallax: Annotated[Parallax, Field(strict=False)] = setting(
        Parallax.PLANE,
        "How a known rig maps near things without depth: everything as on the pair's plane, or regions whose "
        "edges say otherwise at their own depth (30 ms of a core each time the rig is followed).",
    )
    rgb_rotation: Rotation = setting(
        0, "Clockwise rotation that makes the visible image upright.", unit="degrees"
    )
    rgb_flip: bool = setting(False, "Whether the visible image is mirrored; flipped before rotation.")
    thermal_rotation: Rotation = setting(
        0, "Clockwise rotation that makes the thermal image upright.", unit="degrees"
    )
    thermal_flip: bool = setting(False, "Whether the thermal image is mirrored; flipped before rotation.")
    temperature: Annotated[str, AfterValidator(_temperature)] = setting(
        "",
        "What the thermal camera's readings mean, so that thermal_registered/image and points are in degrees "
        f"Celsius (32FC1): {', '.join(CAMERAS)}, or SCALE,OFFSET. Empty keeps encoding and values.",
    )
    gate: Gate = setting(Gate(), "Thresholds for the homography.")
    overlay: Style = setting("blend", "Style of the overlay.")

    @property
    def degrees(self) -> Temperature | None:
        """The meaning of thermal readings; None if they are kept as they are."""
        return Temperature.parse(self.temperature) if self.temperature else None

    @property
    def T_visible_depth(self) -> Pose | None:  # noqa: N802  as poses are named
        """The pose that takes the depth sensor's frame to the visible camera's, if it is given."""
        return Pose.parse(self.depth_pose) if self.depth_pose else None

    @property
    def orientations(self) -> Orientations:
        """Orientations that make the images of both cameras upright."""
        return Orientations(
            Orientation(self.rgb_rotation, self.rgb_flip),
            Orientation(self.thermal_rotation, self.thermal_flip),
        )
