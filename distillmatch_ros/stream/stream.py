"""Registration of a stream of pairs, for the node and for bags.

Results depend on the frames and their stamps only: the same frames give the same results.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.undistortion import Undistorter
from distillmatch_ros.images.frames import Frame, check_image
from distillmatch_ros.images.gain_control import stretch
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.images.temperature import Temperature
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.cloud import thermal_cloud
from distillmatch_ros.rig.events import RigEvent
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigMapping
from distillmatch_ros.rig.parallax import DepthMapping, seen_mask
from distillmatch_ros.rig.watching import OnLearned, RigWatch, WatchedRig, ignore
from distillmatch_ros.stream.calibration import Calibration, ImageFormat, Known, PairFormat
from distillmatch_ros.stream.depth import map_by_depth
from distillmatch_ros.stream.executors import InlineExecutor
from distillmatch_ros.stream.metric import Geometry
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.state import RigState
from distillmatch_ros.stream.temporal import Mode
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
    geometry: Geometry | None = None

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
        """The thermal point cloud, see `thermal_cloud`; None without depth."""
        mapping = self.registration.mapping
        if not isinstance(mapping, DepthMapping):
            return None
        return thermal_cloud(mapping, self.visible.image, self.readings.image)

    def overlay(self) -> Frame:
        """The overlay, bgr8; without a homography the visible image with the reason."""
        image = draw_heat(self.visible.image, self.heat(), self.registration, self.style)
        return replace(self.visible, image=image, encoding="bgr8")


class Stream:
    """Registers the pairs of one rig in temporal order. Must be used by one thread at a time."""

    def __init__(
        self,
        registrar: Registrar,
        settings: StreamSettings | None = None,
        calibration: Known | None = None,
        *,
        known: LearnedRig | None = None,
        on_learned: OnLearned = ignore,
        asynchronous: bool = False,
    ) -> None:
        """Use a registrar, which the caller closes; its gate follows the settings.

        Args:
            registrar: makes the passes.
            settings: settings; the default ones if None.
            calibration: calibration for mode fixed.
            known: the rig, if it was learned earlier; mode rig relies on it once passes confirm it.
            on_learned: called with each rig that is learned, and its number of passes, in the thread of the
                passes.
            asynchronous: whether full passes run in their own thread while pairs are tracked, for live
                images; results then depend on the duration of a pass.

        Raises:
            DistillMatchError: see `configure`.
        """
        self._registrar = registrar
        self._asynchronous = asynchronous
        self._known, self._on_learned = known, on_learned
        self._executor: Executor = ThreadPoolExecutor(1, "pass") if asynchronous else InlineExecutor()
        self._undistorters: dict[Sensor, Undistorter] = {}
        self._state: RigState | None = None
        self._settings = settings or StreamSettings()
        self.configure(self._settings, calibration)

    def configure(self, settings: StreamSettings, calibration: Known | None = None) -> None:
        """Change the settings from the next pair on; the state from earlier pairs is kept.

        Args:
            settings: the new settings.
            calibration: calibration for mode fixed.

        Raises:
            DistillMatchError: mode fixed lacks a calibration; nothing is changed.
        """
        if settings.mode is Mode.FIXED and calibration is None:
            raise DistillMatchError("mode fixed has no calibration; load one, or choose another mode")
        before, self._settings = self._settings, settings
        self._calibration = calibration
        self._registrar = self._registrar.replace(gate=settings.gate)
        if settings.orientations != before.orientations:
            self._state = None
        elif self._state is not None:
            self._state = self._state.with_settings(settings, self._registrar)

    def undistort(self, sensor: Sensor, camera: Camera | None) -> None:
        """Undistort one camera's images from the next pair on; None disables it.

        An equal camera is ignored.
        """
        current = self._undistorters.get(sensor)
        if camera is None:
            self._undistorters.pop(sensor, None)
        elif current is None or not current.camera.same_as(camera):
            self._undistorters[sensor] = Undistorter(camera)
        else:
            return
        if self._undistorters.get(sensor) is not current:
            self._state = None  # pixel coordinates change

    def process(self, visible: Frame, thermal: Frame, depth: Frame | None = None) -> Result:
        """Register a pair.

        Args:
            visible: the visible frame.
            thermal: the thermal frame.
            depth: depth that is registered to the visible image; used where the rig is known in metres.

        Raises:
            DistillMatchError: a frame holds no image, or does not fit its camera_info, the calibration or the
                temperature. The state of the stream is unchanged.
        """
        start = perf_counter()
        check_image(visible.image, "visible image")
        check_image(thermal.image, "thermal image")
        if (degrees := self._settings.degrees) is not None:
            degrees.check(thermal.image)
        visible, thermal = (
            self._undistorted(Sensor.VISIBLE, visible),
            self._undistorted(Sensor.THERMAL, thermal),
        )
        undistorted = perf_counter()
        formats = PairFormat(self._format(Sensor.VISIBLE, visible), self._format(Sensor.THERMAL, thermal))
        if self._calibration is not None and self._settings.mode is Mode.FIXED:
            _check(self._calibration, formats)
        if self._state is None or self._state.formats != formats:
            watch = RigWatch(formats.thermal.size, formats.visible.size, self._known, self._on_learned)
            passes = self._executor, self._asynchronous
            self._state = RigState(formats, self._settings, self._registrar, watch, *passes)
        pair = PreparedPair.of(visible.image, thermal.image, self._settings.orientations)
        fixed = self._calibration if self._settings.mode is Mode.FIXED else None
        known = fixed.mapping if isinstance(fixed, Calibration) else fixed
        followed = self._state.register(visible, thermal, pair, known)
        mapping = self._state.metric.mapping(followed.registration, self._settings.baseline_m)
        registration, unused = self._by_depth(followed.registration, mapping, depth, visible)
        heat_range = self._state.heat_range.shown if followed.rested else None
        if heat_range is None:
            heat_range = self._state.heat_range.update(pair.thermal.range, thermal.stamp)
        latency_ms = {
            **registration.latency_ms,
            "undistort": 1e3 * (undistorted - start),
            "total": 1e3 * (perf_counter() - start),
        }
        return Result(
            visible,
            thermal,
            formats,
            registration,
            latency_ms,
            self._settings.overlay,
            partial(stretch, pair.thermal.grey, heat_range),
            len(followed.passes),
            followed.find_matches,
            unused,
            degrees,
            self._state.metric.geometry(followed.registration, mapping),
        )

    @property
    def advice(self) -> str | None:
        """A setting that would help if no homography is found; None if none is known."""
        return None if self._state is None else self._state.advice

    @property
    def rig_events(self) -> Sequence[RigEvent]:
        """What was found about the rig since the last `reset` or change of image size, oldest first."""
        return () if self._state is None else self._state.rig_events

    @property
    def known_rig(self) -> WatchedRig | None:
        """The rig that is relied on after the last pair, learned or given; None if none is."""
        if self._settings.mode is Mode.FIXED:
            given = self._calibration
            return WatchedRig(given, None, 0) if isinstance(given, LearnedRig) else None
        return None if self._state is None else self._state.known_rig

    def calibration(self) -> Calibration:
        """Fit one homography to all good pairs since the start, the last `reset` or change of image size.

        Raises:
            DistillMatchError: too few pairs, or they support no homography.
        """
        if self._state is None:
            raise DistillMatchError("calibration: no pair was received yet; wait until images arrive")
        return self._state.accumulator.fit(self._settings.gate)

    def reset(self) -> None:
        """Discard the state of all pairs; settings and cameras are kept."""
        self._state = None

    def close(self) -> None:
        """Wait for a running pass; no pair may be processed afterwards."""
        self._executor.shutdown()

    def _by_depth(
        self, registration: Registration, mapping: RigMapping | None, depth: Frame | None, visible: Frame
    ) -> tuple[Registration, dict[Sensor, str]]:
        """The registration by depth if a rig is known, and why depth cannot be used if so."""
        if depth is None or mapping is None:
            return registration, {}
        try:
            by_depth = map_by_depth(mapping, self._undistorted(Sensor.VISIBLE, depth), visible)
        except DistillMatchError as error:
            return registration, {Sensor.DEPTH: str(error)}
        return replace(registration, mapping=by_depth), {}

    def _undistorted(self, sensor: Sensor, frame: Frame) -> Frame:
        undistorter = self._undistorters.get(sensor)
        return frame if undistorter is None else undistorter(frame)

    def _format(self, sensor: Sensor, frame: Frame) -> ImageFormat:
        height, width = frame.image.shape[:2]
        return ImageFormat((height, width), sensor in self._undistorters)


def _check(calibration: Known, formats: PairFormat) -> None:
    """Reject images that differ from those of a calibration; raises DistillMatchError."""
    if isinstance(calibration, Calibration):
        calibration.check(formats)
    else:
        calibration.check(formats.thermal.size, formats.visible.size)
