"""Drives of one rig, as a calibration sees them: bags, and lists of image files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.bags.job import BagJob, recorded_cameras
from distillmatch_ros.bags.processing import process_bag
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.images.files import read_pair
from distillmatch_ros.images.pairs import PairPaths, read_csv, read_folder
from distillmatch_ros.images.prepared import PreparedPair, to_grey_8bit, unmeasured
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.exchange.formats import read_known
from distillmatch_ros.rig.exchange.known import Known, Sizes
from distillmatch_ros.rig.learning import MAX_FRAMES, KnownRig, Observation
from distillmatch_ros.rig.motion import MotionMeter, TimeOffset, time_offset
from distillmatch_ros.stream.calibration import Accumulator, ImageFormat, PairFormat
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.sensors import MATCHED, Sensor
from distillmatch_ros.stream.stream import Stream

_KEPT = 2 * MAX_FRAMES  # pairs whose images are kept, at least, of those that there are
_INLIERS = 64  # matches kept of every pair

_Item = TypeVar("_Item")


class _Thinned(Generic[_Item]):
    """Items of a sequence of unknown length, evenly spread, in bounded memory."""

    def __init__(self, most: int) -> None:
        self._most, self._stride, self._count = most, 1, 0
        self.items: list[_Item] = []

    def add(self, make: Callable[[], _Item]) -> None:
        if self._count % self._stride == 0:
            self.items.append(make())
            if len(self.items) > self._most:
                self.items, self._stride = self.items[::2], 2 * self._stride
        self._count += 1


@dataclass(eq=False)
class Drives:
    """All pairs of one rig, in bounded memory but for a few matches of each.

    Attributes:
        parameters: of the stream, such as orientations and gate.
        accumulator: what one homography is fitted to; None before the first pair.
        formats: sizes of the images, and whether they are undistorted; likewise.
        cameras: those that a bag's CameraInfo describes.
        inliers: matches of every pair that a pass confirmed.
        pairs: number of pairs.
        summaries: of the bags.
        errors: images that could not be read.
        notes: what was left out, for people.
        offsets: time offset of each bag, by its path, where its motion tells it.
        unused: why depth of pairs could not be used.
    """

    parameters: Parameters
    accumulator: Accumulator | None = None
    formats: PairFormat | None = None
    cameras: dict[Sensor, Camera] = field(default_factory=dict)
    inliers: list[FrameMatches] = field(default_factory=list)
    pairs: int = 0
    summaries: list[BagSummary] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    offsets: dict[str, TimeOffset] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    _kept: _Thinned[Observation] = field(default_factory=lambda: _Thinned(2 * _KEPT))

    @property
    def observations(self) -> list[Observation]:
        """Pairs with their images, evenly spread over all pairs, those too that were rejected."""
        return self._kept.items

    def camera(self, sensor: Sensor) -> Camera | Size:
        """A camera if it is known, else the size of its images."""
        assert self.formats is not None, "there are pairs"
        size: Size = getattr(self.formats, sensor.value).size
        return self.cameras.get(sensor, size)

    def add_bag(
        self, job: BagJob, stream: Stream, on_frame: Callable[[], None], stop: Callable[[], bool]
    ) -> None:
        """Add the pairs of a bag.

        Raises:
            DistillMatchError: see `process_bag`; or its images are of another size than those before.
        """
        meters = {sensor: MotionMeter() for sensor in MATCHED}
        cameras = recorded_cameras(job)

        def take(result: Result) -> None:
            greys = (
                to_grey_8bit(result.visible.image, stretch=False),
                to_grey_8bit(result.thermal.image, stretch=True),
            )
            for sensor, grey, frame in zip(MATCHED, greys, (result.visible, result.thermal), strict=True):
                meters[sensor].add(grey, frame.stamp)
            self._add(
                result.visible.image,
                result.thermal.image,
                result.formats,
                result.registration,
                result.visible.stamp,
                str(job.bag),
                result.inverse_depth,
            )
            self.unused.update(result.unused.values())

        stream.reset()
        summary = process_bag(job, stream, self.parameters, on_frame=on_frame, on_result=take, stop=stop)
        self.summaries.append(summary)
        found = time_offset(*(meters[sensor].speeds for sensor in MATCHED))
        if found is not None:
            self.offsets[str(job.bag)] = found
        lens = None if self.formats is None else stream.robot.lens(Sensor.VISIBLE, self.formats.visible.size)
        if isinstance(lens, Camera):
            cameras.setdefault(Sensor.VISIBLE, lens)  # of registered depth, if the bag has none of its own
        for sensor, camera in cameras.items():
            self._add_camera(sensor, camera, str(job.bag))

    def add_files(
        self, path: Path, registrar: Registrar, on_pair: Callable[[], None], stop: Callable[[], bool]
    ) -> None:
        """Add the pairs of a folder or a CSV, unless it is stopped; images that cannot be read are counted.

        Raises:
            DistillMatchError: the list cannot be read; or images are of another size than those before.
        """
        for number, (_, pair) in enumerate(read_listed(path, self.parameters, self.errors, stop)):
            visible, thermal = pair.visible.image, pair.thermal.image
            found = registrar.register_prepared(pair)
            sizes = PairFormat(ImageFormat(visible.shape[:2]), ImageFormat(thermal.shape[:2]))
            self._add(visible, thermal, sizes, found, number, str(path))
            on_pair()

    def take(self, initial: Path | None, fixed: Sequence[Path]) -> KnownRig | None:
        """Take over what files of `read_known` tell: cameras are given from now on.

        Args:
            initial: a rig to start from, or None.
            fixed: rigs or cameras to keep.

        Returns:
            What is known about the rig; None if that is no more than cameras.

        Raises:
            DistillMatchError: see `read_known`; or there is no pair, or a rig is not complete.
        """
        if self.formats is None:
            return None
        sizes = Sizes(self.formats.visible.size, self.formats.thermal.size)
        kept = Known()
        for path in fixed:
            kept = kept.updated(read_known(path, sizes))
        for sensor in MATCHED:
            if (camera := getattr(kept, sensor.value)) is not None:
                self.cameras[sensor] = camera
        if kept.T_visible_thermal is not None:
            if kept.rig is None:
                raise DistillMatchError(f"{fixed[-1]}: tells a pose, but not both cameras; name theirs too")
            return KnownRig(kept.rig, fixed=True)
        if initial is None:
            return None
        start = read_known(initial, sizes).updated(kept)
        if start.rig is None:
            raise DistillMatchError(f"{initial}: does not tell both cameras and their pose; name a rig")
        return KnownRig(start.rig, fixed=False)

    def _add(
        self,
        visible: NDArray[Any],
        thermal: NDArray[Any],
        sizes: PairFormat,
        found: Registration,
        stamp: int,
        source: str,
        inverse_depth: Callable[[], Float32 | None] = unmeasured,
    ) -> None:
        if self.formats is None or self.accumulator is None:
            self.formats = sizes
            self.accumulator = Accumulator(sizes, self.parameters.stream.orientations)
        if sizes != self.formats:
            raise DistillMatchError(
                f"{source}: visible images of {sizes.visible} and thermal ones of {sizes.thermal}, but those "
                f"before are of {self.formats.visible} and {self.formats.thermal}; calibrate each rig alone"
            )
        self.accumulator.add(found, stamp)
        self.pairs += 1
        own = found if found.status.is_confirmed else None
        mapping = None if own is None else own.mapping  # a held one is not the pair's
        self._kept.add(
            lambda: Observation.of(
                PreparedPair.of(visible, thermal, inverse_depth=inverse_depth),
                replace(found, mapping=mapping),
            )
        )
        if own is not None:
            places = np.flatnonzero(own.inliers)
            some = places[np.linspace(0, len(places) - 1, min(len(places), _INLIERS)).round().astype(int)]
            self.inliers.append(FrameMatches(own.thermal_points[some], own.visible_points[some]))

    def _add_camera(self, sensor: Sensor, camera: Camera, source: str) -> None:
        size = None if self.formats is None else getattr(self.formats, sensor.value).size
        if size is not None and camera.size != size:
            self.notes.append(
                f"{source}: the camera_info beside the {sensor} image is of {camera.size[1]}x"
                f"{camera.size[0]}, the images are of {size[1]}x{size[0]}: it is not used"
            )
        elif sensor in self.cameras and not self.cameras[sensor].same_as(camera):
            self.notes.append(f"{source}: another camera_info of the {sensor} camera; the first one counts")
        else:
            self.cameras[sensor] = camera


def is_list(path: Path) -> bool:
    """Whether a path is a list of image files, not a bag: a CSV, or a folder of pairs."""
    return path.suffix.lower() == ".csv" or (path / "visible").is_dir() or (path / "thermal").is_dir()


def listed(path: Path) -> Sequence[PairPaths]:
    """The pairs of a folder or a CSV.

    Raises:
        DistillMatchError: it cannot be read.
    """
    return read_folder(path) if path.is_dir() else read_csv(path)


def read_listed(
    path: Path, parameters: Parameters, errors: list[str], stop: Callable[[], bool]
) -> Iterator[tuple[PairPaths, PreparedPair]]:
    """Read the pairs of a folder or a CSV, one at a time, until it is stopped.

    Args:
        path: the folder or CSV.
        parameters: greatest number of pixels, and orientations.
        errors: gets a line for each pair that cannot be read.
        stop: asked before each pair.

    Raises:
        DistillMatchError: the list itself cannot be read.
    """
    for pair in listed(path):
        if stop():
            return
        try:
            visible, thermal = read_pair(pair, max_pixels=parameters.max_pixels)
        except DistillMatchError as error:
            errors.append(str(error))
            continue
        yield pair, PreparedPair.of(visible, thermal, parameters.stream.orientations)
