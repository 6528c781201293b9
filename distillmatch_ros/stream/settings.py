"""Settings that may change while a stream runs."""

from distillmatch_ros.base.settings import setting
from distillmatch_ros.images.orientation import Orientation, Orientations, Rotation
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.stream.temporal import TemporalSettings
from distillmatch_ros.visualisation.overlay import Style


class StreamSettings(TemporalSettings):
    """Settings that may change while a stream runs; in mode fixed the network is not run."""

    frozen_seconds: float = setting(
        0.4,
        "Time after which an unchanged image counts as frozen (a closed shutter, a camera that hangs); 0 "
        "disables it.",
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
        "Distance of the two cameras' lenses, which gives a learned rig its scale: depth images need it. 0: "
        "as the rig's file says.",
        unit="m",
        least=0,
        most=100,
    )
    rgb_rotation: Rotation = setting(
        0, "Clockwise rotation that makes the visible image upright.", unit="degrees"
    )
    rgb_flip: bool = setting(False, "Whether the visible image is mirrored; flipped before rotation.")
    thermal_rotation: Rotation = setting(
        0, "Clockwise rotation that makes the thermal image upright.", unit="degrees"
    )
    thermal_flip: bool = setting(False, "Whether the thermal image is mirrored; flipped before rotation.")
    gate: Gate = setting(Gate(), "Thresholds for the homography.")
    overlay: Style = setting("blend", "Style of the overlay.")

    @property
    def orientations(self) -> Orientations:
        """Orientations that make the images of both cameras upright."""
        return Orientations(
            Orientation(self.rgb_rotation, self.rgb_flip),
            Orientation(self.thermal_rotation, self.thermal_flip),
        )
