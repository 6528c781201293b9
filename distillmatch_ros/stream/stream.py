"""Registration of a stream of pairs, for node and bags alike.

Everything depends on the frames and their stamps alone: the same frames give the same results.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import perf_counter

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.settings import setting
from distillmatch_ros.geometry.undistortion import Intrinsics, Undistorter
from distillmatch_ros.images.frames import Frame, check_image
from distillmatch_ros.images.gain_control import Range
from distillmatch_ros.images.orientation import Orientation, Rotation
from distillmatch_ros.registration.gate import Gate, Status
from distillmatch_ros.registration.registrar import Registrar, Registration
from distillmatch_ros.registration.views import Mounting
from distillmatch_ros.stream.calibration import Accumulator, Calibration, Camera, Rig
from distillmatch_ros.stream.follower import Followed, Follower, Here
from distillmatch_ros.stream.search import Search
from distillmatch_ros.stream.synchroniser import Side
from distillmatch_ros.stream.temporal import (
    FrozenDetector,
    Mode,
    RangeFilter,
    TemporalFilter,
    TemporalSettings,
)
from distillmatch_ros.visualisation.overlay import Style, draw_overlay, warp_thermal


class StreamSettings(TemporalSettings):
    """What may be changed while a stream runs; in mode fixed the engine rests, and nothing is matched."""

    frozen_seconds: float = setting(
        0.4,
        "Time after which an unchanged thermal picture counts as frozen (a closed shutter); 0 for never.",
        unit="s",
        least=0,
        most=60,
    )
    pass_seconds: float = setting(
        1.0,
        "Time between full passes of the network, by the images' stamps; between them pairs are tracked on "
        "their edges. 0 for a pass over each pair.",
        unit="s",
        least=0,
        most=60,
    )
    rgb_rotation: Rotation = setting(0, "Clockwise, makes the visible image upright.", unit="degrees")
    rgb_flip: bool = setting(False, "The visible image is mirrored; it is flipped before it is turned.")
    thermal_rotation: Rotation = setting(0, "Clockwise, makes the thermal image upright.", unit="degrees")
    thermal_flip: bool = setting(False, "The thermal image is mirrored; it is flipped before it is turned.")
    gate: Gate = setting(Gate(), "What a homography must show.")
    overlay: Style = setting("blend", "Style of the overlay.")

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
        passes: full passes, over this pair or earlier ones, that ended since the last pair.
        find_matches: gives the registration its correspondences.
    """

    visible: Frame
    thermal: Frame
    registration: Registration
    latency_ms: dict[str, float]
    style: Style
    heat_range: Range
    passes: int
    find_matches: Callable[[Registration], Registration]

    def matched(self) -> Registration:
        """The registration with its correspondences: those of a tracked pair are found only when asked."""
        return self.find_matches(self.registration)

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
        *,
        beside: bool = False,
    ) -> None:
        """Take a registrar, which remains the caller's to close; its gate follows the settings.

        Args:
            registrar: makes the passes.
            settings: the default ones if None.
            calibration: for mode fixed.
            beside: full passes run in a thread of their own while pairs are tracked, for live images; then
                results depend on how long a pass takes.

        Raises:
            DistillMatchError: see `configure`.
        """
        self._registrar = registrar
        self._beside = beside
        self._executor: Executor = ThreadPoolExecutor(1, "pass") if beside else Here()
        self._undistorters: dict[Side, Undistorter] = {}
        self._frozen = FrozenDetector(0)
        self._heat_range = RangeFilter()
        self._search = Search(self._registrar)
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
            self._rig, self._search = None, Search(self._registrar)  # what did not fit before may fit now
        self._frozen.frozen_seconds = settings.frozen_seconds
        if self._rig is not None:
            self._filter.settings = settings
            self._follower.check(settings.gate)

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
        followed = self._register(visible, thermal)
        registration = followed.registration
        heat_range = self._heat_range.update(thermal)
        latency_ms = {
            **registration.latency_ms,
            "undistort": 1e3 * (undistorted - start),
            "total": 1e3 * (perf_counter() - start),
        }
        return Result(
            visible,
            thermal,
            registration,
            latency_ms,
            self._settings.overlay,
            heat_range,
            len(followed.passes),
            followed.find_matches,
        )

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

    def close(self) -> None:
        """Wait for a pass that is running; no pair may come after that."""
        self._executor.shutdown()

    def _begin(self, rig: Rig) -> None:
        self._rig = rig
        self._filter = TemporalFilter(self._settings, rig.thermal.size, rig.visible.size)
        self._search = Search(self._registrar)
        sizes = rig.thermal.size, rig.visible.size
        self._follower = Follower(self._registrar.gate, self._search, self._executor, self._beside, *sizes)
        self._accumulator = Accumulator(rig)
        self._frozen.reset()
        self._heat_range.reset()

    def _register(self, visible: Frame, thermal: Frame) -> Followed:
        fixed = None
        if self._settings.mode is Mode.FIXED and self._calibration is not None:
            fixed = self._calibration.homography
        if self._frozen.update(thermal):
            self._follower.doubt(visible.stamp)
            held = self._filter.last(visible.stamp) if fixed is None else fixed
            return Followed.resting(Status.STALE_THERMAL, held)
        if fixed is not None:
            return Followed.resting(Status.FIXED, fixed)
        if self._settings.pass_seconds == 0:
            return self._pass(visible, thermal)
        followed = self._follower.process(
            visible, thermal, self._settings.pass_seconds, self._settings.max_jump_px
        )
        for stamp, registration in followed.passes:
            self._accumulator.add(registration, stamp)
        registration = self._filter.update(followed.registration, visible.stamp, primed=False)
        return replace(followed, registration=registration)

    def _pass(self, visible: Frame, thermal: Frame) -> Followed:
        """A full pass over the pair, helped by those before it."""
        prior = self._filter.prior(visible.stamp)
        # A pass that was begun while pairs were tracked may still be running.
        found = self._executor.submit(self._search.register, visible, thermal, prior).result()
        registration = self._filter.update(found, visible.stamp, primed=prior is not None)
        self._accumulator.add(registration, visible.stamp)
        return Followed(registration, ((visible.stamp, registration),))

    def _undistorted(self, side: Side, frame: Frame) -> Frame:
        undistorter = self._undistorters.get(side)
        return frame if undistorter is None else undistorter(frame)

    def _camera(self, side: Side, frame: Frame) -> Camera:
        height, width = frame.image.shape[:2]
        return Camera((height, width), side in self._undistorters)
