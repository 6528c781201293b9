"""What comes out of a stream for one pair."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.prepared import unmeasured
from distillmatch_ros.images.temperature import Temperature
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.cloud import thermal_cloud
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.parallax import DepthMapping, seen_mask
from distillmatch_ros.stream.calibration import PairFormat
from distillmatch_ros.stream.metric import SupportedRig
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.visualisation.overlay import Style, draw_heat


@dataclass(frozen=True, eq=False)
class Result:
    """Result for one pair. Pictures are made on demand, in any thread.

    Attributes:
        visible: the visible frame, undistorted if ``formats`` says so; all outputs have its stamp and
            frame_id.
        thermal: the thermal frame, likewise.
        formats: sizes of these two, and whether each is undistorted.
        registration: registration of these two.
        latency_ms: time of `Stream.process`, ms: ``undistort``, stages of the registration, and ``total``.
        style: style of the overlay.
        heat: 8-bit thermal image as the overlay shows it, made by a call.
        passes: number of full passes over this pair or earlier ones that ended since the last pair.
        find_matches: adds correspondences to the registration.
        unused: by further sensor, why the pair is mapped without its frame; empty if nothing is wrong.
        degrees: what thermal readings mean; None keeps them as they are.
        geometry: what the pair tells of the rig; None if its own images support none.
        inverse_depth: see `PreparedPair`.
    """

    visible: Frame
    thermal: Frame
    formats: PairFormat
    registration: Registration
    latency_ms: dict[str, float]
    style: Style
    heat: Callable[[], NDArray[np.uint8]]
    passes: int
    find_matches: Callable[[Registration], Registration]
    unused: Mapping[Sensor, str] = field(default_factory=dict)
    degrees: Temperature | None = None
    geometry: SupportedRig | None = None
    inverse_depth: Callable[[], Float32 | None] = unmeasured

    @cached_property
    def readings(self) -> Frame:
        """The thermal frame, in degrees Celsius as 32FC1 if their meaning is known."""
        if self.degrees is None:
            return self.thermal
        return replace(self.thermal, image=self.degrees.celsius(self.thermal.image), encoding="32FC1")

    def matched(self) -> Registration:
        """The registration with correspondences; those of a tracked pair are computed by this call."""
        return self.find_matches(self.registration)

    def registered_thermal(self) -> Frame | None:
        """The thermal image warped into the visible image, with the encoding and values of `readings`.

        Returns:
            The frame, or None without a homography.
        """
        if self.registration.mapping is None:
            return None
        image = self.registration.warp_thermal(self.readings.image)
        return replace(self.visible, image=image, encoding=self.readings.encoding)

    def mask(self) -> Frame | None:
        """Visible pixels that the thermal camera sees too, mono8, see `seen_mask`; None without a mapping."""
        if self.registration.mapping is None:
            return None
        return replace(self.visible, image=seen_mask(self.registration.mapping), encoding="mono8")

    @property
    def in_thermal_frame(self) -> Frame:
        """The thermal frame with the visible frame's stamp, which all outputs of a pair have."""
        return replace(self.thermal, stamp=self.visible.stamp)

    def registered_visible(self) -> Frame | None:
        """The visible image warped into the thermal image, with its own encoding and values.

        Returns:
            The frame, with the thermal camera's frame_id, or None without a homography.
        """
        if self.registration.mapping is None:
            return None
        image = self.registration.warp_visible(self.visible.image)
        return replace(self.in_thermal_frame, image=image, encoding=self.visible.encoding)

    def points(self) -> NDArray[np.void] | None:
        """The thermal point cloud, see `thermal_cloud`; None without measured depth, or lengths."""
        mapping = self.registration.mapping
        if not isinstance(mapping, DepthMapping) or not mapping.has_points:
            return None
        return thermal_cloud(mapping, self.visible.image, self.readings.image)

    def overlay(self) -> Frame:
        """The overlay, bgr8; without a homography the visible image with the reason."""
        image = draw_heat(self.visible.image, self.heat(), self.registration, self.style)
        return replace(self.visible, image=image, encoding="bgr8")
