"""Registration of a stream of pairs, for the node and for bags.

Results depend on the frames and their stamps only: the same frames give the same results.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.undistortion import Undistorter
from distillmatch_ros.images.exchanged import exchanged_by_colour
from distillmatch_ros.images.frames import Frame, check_image
from distillmatch_ros.images.gain_control import stretch
from distillmatch_ros.images.prepared import PreparedPair, unmeasured
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.events import RigEvent
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.model import RigMapping, RigModel
from distillmatch_ros.rig.parallax import with_depth
from distillmatch_ros.rig.regions import Parallax
from distillmatch_ros.rig.watching import Lenses, OnLearned, RigWatch, WatchedRig, ignore
from distillmatch_ros.stream.calibration import Calibration, ImageFormat, Known, PairFormat
from distillmatch_ros.stream.depth import MeasuredDepth, depth_of_visible, hung, is_registered
from distillmatch_ros.stream.executors import InlineExecutor
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.robot import Robot
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.state import RigState
from distillmatch_ros.stream.temporal import Mode


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
        self.exchanged: str | None = None
        """Why both cameras' images seem to be exchanged, by the colours of the first pair; None if not."""
        self.robot = Robot()
        """What is known of the sensors: a rig is learned with the lenses, depth is carried over by frames."""
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
            depth: see `depth_of_visible`; used where the rig is known in metres.

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
            sizes = formats.thermal.size, formats.visible.size
            watch = RigWatch(*sizes, self._known, self._on_learned, partial(self._lenses, *sizes))
            passes = self._executor, self._asynchronous
            self._state = RigState(formats, self._settings, self._registrar, watch, *passes)
            self.exchanged = exchanged_by_colour(visible.image, thermal.image)
        if depth is not None:
            self.robot.depth_is_registered = is_registered(depth, visible, self._settings.T_visible_depth)
        measured = None if depth is None else self._measured(depth, visible)
        inverse_depth = unmeasured if measured is None else measured.inverse
        pair = PreparedPair.of(visible.image, thermal.image, self._settings.orientations, inverse_depth)
        fixed = self._calibration if self._settings.mode is Mode.FIXED else None
        known = fixed.mapping if isinstance(fixed, Calibration) else fixed
        followed = self._state.register(visible, thermal, pair, known)
        mapping = self._state.metric.mapping(followed.registration, self._settings.baseline_m)
        registration, unused = followed.registration, {}
        if measured is not None and (mapping is not None or followed.passes):
            registration, doubt = self._by_depth(pair, registration, mapping, measured, visible.stamp)
            unused = {} if doubt is None else {Sensor.DEPTH: doubt}
        if self._settings.parallax is Parallax.REGIONS and isinstance(registration.mapping, RigMapping):
            by_regions = self._state.regions.mapping(registration.mapping, pair, visible.stamp)
            self._state.regions.judge(followed.passes, visible.stamp)
            registration = replace(registration, mapping=by_regions)
        heat_range = self._state.heat_range.shown if followed.rested else None
        if heat_range is None:
            heat_range = self._state.heat_range.update(pair.thermal.range, thermal.stamp)
        latency_ms = {
            **registration.latency_ms,
            "undistort": 1e3 * (undistorted - start),
            "total": 1e3 * (perf_counter() - start),
        }
        parent = self.robot.frames.parent(thermal.frame_id)
        geometry = self._state.metric.geometry(followed.registration, mapping, parent)
        if geometry is not None and geometry.is_new:
            self._keep_scale(geometry.model)
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
            geometry,
            inverse_depth,
        )

    def check_rig(self, thermal: Size, visible: Size) -> None:
        """Reject images of other sizes than those of the rig that was given; it would not be used for them.

        Raises:
            DistillMatchError: a size differs.
        """
        if self._known is not None and self._settings.mode is Mode.RIG:
            self._known.check(thermal, visible)

    @property
    def advice(self) -> str | None:
        """A setting that would help if no homography is found; None if none is known."""
        return None if self._state is None else self._state.advice

    @property
    def rig_events(self) -> Sequence[RigEvent]:
        """What was found about the rig since the last `reset` or change of image size, oldest first."""
        return () if self._state is None else self._state.rig_events

    @property
    def scale(self) -> Scale | None:
        """The distance of the cameras by depth, where it is not given; None with too few pairs."""
        return None if self._state is None else self._state.metric.scale

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
        self,
        pair: PreparedPair,
        registration: Registration,
        mapping: RigMapping | None,
        measured: MeasuredDepth,
        stamp: int,
    ) -> tuple[Registration, str | None]:
        """The registration by depth if a rig is known in metres, and why depth cannot be used if so."""
        found = measured.inverse()
        if found is None or mapping is None:
            return registration, measured.problem
        assert self._state is not None, "a pair was registered"
        metric, doubt = self._state.metric, None
        is_known = isinstance(registration.mapping, RigMapping) and registration.mapping.rig.is_metric
        if self._settings.baseline_m == 0 and not is_known:
            doubt = metric.observe(pair, registration, found, stamp)
        elif mapping.rig.is_metric:
            doubt = metric.compare(pair, registration, mapping, found, stamp)
        if doubt is not None or not mapping.rig.is_metric:
            return registration, doubt
        return replace(registration, mapping=with_depth(mapping, found)), None

    def _measured(self, depth: Frame, visible: Frame) -> MeasuredDepth:
        assert self._state is not None, "it knows the frames before"
        if self._state.depth_hangs(depth, visible):
            return MeasuredDepth(hung)
        undistorter = self._undistorters.get(Sensor.VISIBLE)
        given = self._settings.T_visible_depth
        return MeasuredDepth(partial(depth_of_visible, depth, visible, self.robot, given, undistorter))

    def _keep_scale(self, model: RigModel) -> None:
        """Pass a learned rig on once more, when depth has told its scale."""
        known = self.known_rig
        if known is None or not known.passes or known.rig.model.is_metric:
            return
        if model.origins.get("parallax") == "measured":
            metres = float(np.linalg.norm(model.T_visible_thermal.translation))
            told = {name: model.origins[name] for name in ("scale", "parallax")}
            self._on_learned(known.rig.with_baseline(metres, told), known.passes)

    def _lenses(self, thermal: Size, visible: Size) -> Lenses:
        """The cameras of images of these sizes, as far as their CameraInfo tells them."""
        return self._lens(Sensor.THERMAL, thermal), self._lens(Sensor.VISIBLE, visible)

    def _lens(self, sensor: Sensor, size: Size) -> Camera | Size:
        undistorter = self._undistorters.get(sensor)
        return self.robot.lens(sensor, size) if undistorter is None else undistorter.straightened

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
