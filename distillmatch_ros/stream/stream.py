"""Pairs of frames in, results out: node and bag both go through here.

Everything depends on the frames and their stamps alone: the same frames give the same results.
"""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.settings import setting
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.geometry.undistortion import Intrinsics, Undistorter
from distillmatch_ros.images.frames import Frame, check_image
from distillmatch_ros.images.gain_control import Range
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.registration.gate import Gate, Status
from distillmatch_ros.registration.passes import STAGES
from distillmatch_ros.registration.registrar import Registrar, Registration
from distillmatch_ros.registration.views import Mounting
from distillmatch_ros.stream.calibration import Accumulator, Calibration, Camera, Rig
from distillmatch_ros.stream.search import Search
from distillmatch_ros.stream.synchroniser import Side
from distillmatch_ros.stream.temporal import FrozenDetector, Mode, RangeFilter, Tracker, TrackerSettings
from distillmatch_ros.visualisation.overlay import Style, draw_overlay, warp_thermal


class StreamSettings(TrackerSettings):
    """What may be changed while a stream runs; in mode fixed the engine rests, and nothing is matched."""

    frozen_seconds: float = setting(
        0.4,
        "Time after which an unchanged thermal picture counts as frozen (a closed shutter); 0 for never.",
        unit="s",
        least=0,
        most=60,
    )
    rgb_rotation: int = setting(
        0, "Degrees clockwise that make the visible image upright: 0, 90, 180, 270.", least=0, most=270
    )
    rgb_flip: bool = setting(False, "The visible image is mirrored; it is flipped before it is turned.")
    thermal_rotation: int = setting(
        0, "Degrees clockwise that make the thermal image upright: 0, 90, 180, 270.", least=0, most=270
    )
    thermal_flip: bool = setting(False, "The thermal image is mirrored; it is flipped before it is turned.")
    gate: Gate = setting(Gate(), "What a homography must show.")
    overlay: Style = setting("blend", "Style of the overlay.")

    def model_post_init(self, _: Any) -> None:
        self.mounting  # noqa: B018 (rejects rotations that there are not)

    @property
    def mounting(self) -> Mounting:
        """What makes the images of both cameras upright."""
        return Mounting(
            Orientation(self.rgb_rotation, self.rgb_flip),
            Orientation(self.thermal_rotation, self.thermal_flip),
        )


@dataclass(frozen=True, eq=False)
class Result:
    """What became of a pair. Pictures are made when they are asked for, by any thread.

    Attributes:
        visible: the visible frame, undistorted if asked for; all outputs have its stamp and frame_id.
        thermal: the thermal frame, likewise.
        registration: of these two.
        latency_ms: of `Stream.process` by stage: ``undistort``, those of the registration, and ``total``.
        style: of the overlay.
        heat_range: of thermal values that the overlay shows.
    """

    visible: Frame
    thermal: Frame
    registration: Registration
    latency_ms: dict[str, float]
    style: Style
    heat_range: Range

    def registered_thermal(self) -> Frame | None:
        """The thermal image on the visible image's grid, with its own encoding and values.

        Returns:
            None where there is no homography.
        """
        if self.registration.homography is None:
            return None
        size = self.visible.image.shape[:2]
        image = warp_thermal(self.thermal.image, self.registration.homography, size)
        return replace(self.visible, image=image, encoding=self.thermal.encoding)

    def overlay(self) -> Frame:
        """The thermal image laid over the visible one, bgr8; without homography the visible one, and why."""
        image = draw_overlay(
            self.visible.image, self.thermal.image, self.registration, self.style, self.heat_range
        )
        return replace(self.visible, image=image, encoding="bgr8")


class Stream:
    """Registers the pairs of one rig in the order of their time. One thread at a time may use it."""

    def __init__(
        self,
        registrar: Registrar,
        settings: StreamSettings | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Take a registrar, which remains the caller's to close; its gate follows the settings.

        Raises:
            DistillMatchError: see `configure`.
        """
        self._registrar = registrar
        self._undistorters: dict[Side, Undistorter] = {}
        self._frozen = FrozenDetector(0)
        self._heat_range = RangeFilter()
        self._search = Search()
        self._rig: Rig | None = None
        self.configure(settings or StreamSettings(), calibration)

    def configure(self, settings: StreamSettings, calibration: Calibration | None = None) -> None:
        """Change the settings from the next pair on; what earlier pairs taught stays.

        Args:
            settings: the new ones.
            calibration: for mode fixed.

        Raises:
            DistillMatchError: mode fixed lacks a calibration; nothing is changed.
        """
        if settings.mode is Mode.FIXED and calibration is None:
            raise DistillMatchError("mode fixed has no calibration; load one, or choose live or hold")
        self._settings = settings
        self._calibration = calibration
        self._registrar.gate = settings.gate
        if settings.mounting != self._registrar.mounting:
            self._registrar.mounting = settings.mounting
            self._search = Search()  # what did not fit before may fit now
        self._frozen.frozen_seconds = settings.frozen_seconds
        if self._rig is not None:
            self._tracker.settings = settings

    def undistort(self, side: Side, intrinsics: Intrinsics | None) -> None:
        """Take the distortion out of one camera's images from the next pair on; None leaves it in.

        The same intrinsics again cost nothing.

        Raises:
            DistillMatchError: see `Undistorter`; nothing is changed.
        """
        current = self._undistorters.get(side)
        if intrinsics is None:
            self._undistorters.pop(side, None)
        elif current is None or not current.intrinsics.same_as(intrinsics):
            self._undistorters[side] = Undistorter(intrinsics)
        else:
            return
        if self._undistorters.get(side) is not current:
            self._rig = None  # pixels are others now

    def process(self, visible: Frame, thermal: Frame) -> Result:
        """Register a pair.

        Raises:
            DistillMatchError: a frame holds no image, is of another size than its intrinsics, or of another
                kind than the calibration's. The next pair finds everything as it was.
        """
        start = perf_counter()
        check_image(visible.image, "visible image")
        check_image(thermal.image, "thermal image")
        visible, thermal = self._undistorted(Side.VISIBLE, visible), self._undistorted(Side.THERMAL, thermal)
        undistorted = perf_counter()
        rig = Rig(self._camera(Side.VISIBLE, visible), self._camera(Side.THERMAL, thermal))
        if self._calibration is not None and self._settings.mode is Mode.FIXED:
            self._calibration.check(rig)
        if rig != self._rig:
            self._begin(rig)
        registration = self._register(visible, thermal)
        heat_range = self._heat_range.update(thermal)
        latency_ms = {
            **registration.latency_ms,
            "undistort": 1e3 * (undistorted - start),
            "total": 1e3 * (perf_counter() - start),
        }
        return Result(visible, thermal, registration, latency_ms, self._settings.overlay, heat_range)

    @property
    def advice(self) -> str | None:
        """A setting that would help where nothing fits; None where none is known."""
        return self._search.advice

    def calibration(self) -> Calibration:
        """One homography for all good pairs since the start, the last `reset` or change of image size.

        Raises:
            DistillMatchError: too few pairs, or no homography that they support.
        """
        if self._rig is None:
            raise DistillMatchError("calibration: no pair came yet; wait until images arrive")
        return self._accumulator.fit(self._settings.gate)

    def reset(self) -> None:
        """Forget all pairs; settings and intrinsics stay."""
        self._rig = None

    def _begin(self, rig: Rig) -> None:
        self._rig = rig
        self._tracker = Tracker(self._settings, rig.thermal.size, rig.visible.size)
        self._accumulator = Accumulator(rig)
        self._search = Search()
        self._frozen.reset()
        self._heat_range.reset()

    def _register(self, visible: Frame, thermal: Frame) -> Registration:
        fixed = None
        if self._settings.mode is Mode.FIXED and self._calibration is not None:
            fixed = self._calibration.homography
        if self._frozen.update(thermal):
            held = self._tracker.last(visible.stamp) if fixed is None else fixed
            return _without_matches(Status.STALE_THERMAL, held)
        if fixed is not None:
            return _without_matches(Status.FIXED, fixed)
        prior = self._tracker.prior(visible.stamp)
        found = self._registrar.register(visible.image, thermal.image, prior, self._search.thermal_wider())
        self._search.update(self._registrar, visible, thermal, found)
        registration = self._tracker.update(found, visible.stamp, primed=prior is not None)
        self._accumulator.add(registration, visible.stamp)
        return registration

    def _undistorted(self, side: Side, frame: Frame) -> Frame:
        undistorter = self._undistorters.get(side)
        return frame if undistorter is None else undistorter(frame)

    def _camera(self, side: Side, frame: Frame) -> Camera:
        height, width = frame.image.shape[:2]
        return Camera((height, width), side in self._undistorters)


def _without_matches(status: Status, homography: Float64 | None) -> Registration:
    """What is given out without a pass over the images."""
    points = np.zeros((0, 2), np.float32)
    confidence = np.zeros(0, np.float32)
    latency_ms = dict.fromkeys((*STAGES, "total"), 0.0)
    return Registration(points, points, confidence, np.zeros(0, np.bool_), homography, status, latency_ms)
