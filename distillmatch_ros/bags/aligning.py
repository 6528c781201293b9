"""Drives as aligned pairs on one grid, split by place: for detectors, fusion networks and splats."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.bags.aligned_pairs import AlignRecord, KeptPair, PairsFolder
from distillmatch_ros.bags.drives import read_listed
from distillmatch_ros.bags.job import BagJob, recorded_cameras
from distillmatch_ros.bags.processing import process_bag
from distillmatch_ros.bags.rig_learning import by_rig
from distillmatch_ros.bags.splitting import Split, split
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.likeness import Look, sharpness
from distillmatch_ros.images.prepared import to_grey_8bit
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.uncertainty import map_deviations
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.stream import Stream

IMPROBABLE, BLURRED, DUPLICATE, GAP = "improbable", "blurred", "near-duplicate", "between train and val"
"""Reasons for which a pair is left out; the others are statuses."""


@dataclass(frozen=True)
class Choice:
    """Which pairs are kept, and on which grid.

    Attributes:
        frame: the camera whose pixels both images get.
        min_probability: least probability of a registration.
        min_sharpness: least sharpness of either image, as a fraction of the median of its camera's.
        min_change: least fraction of one of the images that has changed since the last pair that is kept.
        val: fraction of the pairs of a drive, its last ones, that are kept for validation.
        gap_seconds: time of the drive between the two parts, s; the pairs of a folder count as 1 s each.
    """

    frame: Sensor = Sensor.VISIBLE
    min_probability: float = 0.5
    min_sharpness: float = 0.75
    min_change: float = 0.05
    val: float = 0.2
    gap_seconds: float = 5.0


@dataclass(eq=False)
class Aligning:
    """Writes the pairs of drives into a folder as they come, then leaves out and splits.

    Of pairs that show nearly the same, the sharpest is kept; so the folder holds no more than what differs.

    Attributes:
        folder: where they are written.
        choice: which pairs, and on which grid.
        parameters: of the stream, such as orientations.
        rig: the rig that maps the pairs, if it is known.
        summaries: of the bags.
        errors: images that could not be read.
        notes: what was decided in the user's place.
    """

    folder: PairsFolder
    choice: Choice
    parameters: Parameters
    rig: LearnedRig | None = None
    summaries: list[BagSummary] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _read: int = 0
    _drives: list[str] = field(default_factory=list)
    _camera: Camera | None = None
    _left_out: Counter[str] = field(default_factory=Counter)
    _kept: list[KeptPair] = field(default_factory=list)
    _looks: tuple[Look, Look] | None = None  # of the first of the pairs that look like the last one kept

    def add_bag(
        self, job: BagJob, stream: Stream, on_frame: Callable[[], None], stop: Callable[[], bool]
    ) -> None:
        """Add the pairs of a bag.

        Raises:
            DistillMatchError: see `process_bag`; its images are of another size than those before; or the
                folder cannot be written.
        """

        def take(result: Result) -> None:
            images = result.visible.image, result.thermal.image
            self._take(*images, result.registration, result.visible.stamp, str(job.bag))

        self._begin(str(job.bag))
        self._know(recorded_cameras(job).get(self.choice.frame), str(job.bag))
        stream.reset()
        self.summaries.append(
            process_bag(job, stream, self.parameters, on_frame=on_frame, on_result=take, stop=stop)
        )

    def add_files(
        self, path: Path, registrar: Registrar, on_pair: Callable[[], None], stop: Callable[[], bool]
    ) -> None:
        """Add the pairs of a folder or a CSV, unless it is stopped; images that cannot be read are counted.

        Raises:
            DistillMatchError: the list cannot be read; the images do not fit those before, or the rig; or the
                folder cannot be written.
        """
        self._begin(str(path))
        for number, (paths, pair) in enumerate(read_listed(path, self.parameters, self.errors, stop)):
            visible, thermal = pair.visible.image, pair.thermal.image
            own = registrar.register_prepared(pair)
            found = own if self.rig is None or own.mapping is None else by_rig(self.rig, pair, own)[0]
            self._take(visible, thermal, found, number * SECOND, paths.listed_as[0])
            on_pair()

    def finish(self) -> AlignRecord:
        """Leave out what is blurred, split the rest, and write the record.

        Raises:
            DistillMatchError: no pair is left, or the folder cannot be written.
        """
        sharp = self._sharp()
        if not sharp or self.folder.size is None:
            off_rig = self._left_out[Status.CONTRADICTED] + self._left_out[Status.FIXED]
            misfits = self.rig is not None and 2 * off_rig > self._read
            remedy = "calibrate the rig anew" if misfits else "lower --min-probability"
            reasons = ", ".join(f"{number} {reason}" for reason, number in self._left_out.most_common())
            raise DistillMatchError(
                f"align: none of {self._read} pairs is kept ({reasons or 'there are none'}); "
                f"look at `distillmatch report`, or {remedy}"
            )
        placed = self._placed(sharp)
        camera = self._grid_camera()
        for part in Split:
            self.folder.write_part(part, [each for each, where in placed if where is part], camera)
        for each, where in placed:
            if where is None:
                self._remove(each, GAP)
        record = self._record([(each, where) for each, where in placed if where is not None])
        self.folder.end(record)
        return record

    def _begin(self, drive: str) -> None:
        self._drives.append(drive)
        self._looks = None

    def _know(self, camera: Camera | None, source: str) -> None:
        """Take over the intrinsics of the grid's camera; the first ones count."""
        if self._camera is None:
            self._camera = camera
        elif camera is not None and not camera.same_as(self._camera):
            self.notes.append(f"{source}: another camera_info than that of the drive before, which counts")

    def _take(
        self,
        visible: NDArray[Any],
        thermal: NDArray[Any],
        found: Registration,
        stamp: int,
        source: str,
    ) -> None:
        """Keep a pair, or count why not."""
        self._read += 1
        status = found.status
        # by a rig, FIXED is a pair whose own homography is off it
        unconfirmed = status is Status.REPEATED or (status is Status.FIXED and self.rig is not None)
        if found.mapping is None or unconfirmed or not status.is_good:
            self._left_out[status.value] += 1
            return
        if found.probability is not None and found.probability < self.choice.min_probability:
            self._left_out[IMPROBABLE] += 1
            return
        greys = to_grey_8bit(visible, stretch=False), to_grey_8bit(thermal, stretch=True)
        looks, sharp = (Look(greys[0]), Look(greys[1])), (sharpness(greys[0]), sharpness(greys[1]))
        if self._looks is not None and self._change(looks) < self.choice.min_change:
            if sharp[0] * sharp[1] <= self._kept[-1].sharpness[0] * self._kept[-1].sharpness[1]:
                self._left_out[DUPLICATE] += 1
                return
            self._remove(self._kept.pop(), DUPLICATE)
        else:
            self._looks = looks
        drive = len(self._drives)
        name = f"{drive:02d}_{self._read:06d}"
        files = self.folder.write(name, self._on_grid(visible, thermal, found), source)
        self._kept.append(KeptPair(drive, name, source, stamp, status, found.probability, sharp, files))

    def _change(self, looks: tuple[Look, Look]) -> float:
        assert self._looks is not None, "a pair was kept"
        return max(now.change(then) for now, then in zip(looks, self._looks, strict=True))

    def _on_grid(
        self, visible: NDArray[Any], thermal: NDArray[Any], found: Registration
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        assert found.mapping is not None, "only such pairs are kept"
        if self.choice.frame is Sensor.VISIBLE:
            return visible, found.warp_thermal(thermal), found.mapping.mask
        return found.warp_visible(visible), thermal, found.mapping.thermal_mask

    def _remove(self, each: KeptPair, reason: str) -> None:
        self._left_out[reason] += 1
        self.folder.remove(each)

    def _sharp(self) -> list[KeptPair]:
        """The pairs of which no image is blurred, compared with the drive."""
        sharp = []
        for drive in range(1, len(self._drives) + 1):
            pairs = [each for each in self._kept if each.drive == drive]
            limits = self.choice.min_sharpness * np.median([each.sharpness for each in pairs] or [(0, 0)], 0)
            for each in pairs:
                if (np.array(each.sharpness) >= limits).all():
                    sharp.append(each)
                else:
                    self._remove(each, BLURRED)
        return sharp

    def _placed(self, pairs: Sequence[KeptPair]) -> list[tuple[KeptPair, Split | None]]:
        """The part of each pair; None for those between the two."""
        placed: list[tuple[KeptPair, Split | None]] = []
        for drive, source in enumerate(self._drives, 1):
            own = [each for each in pairs if each.drive == drive]
            parts = split([each.stamp for each in own], self.choice.val, self.choice.gap_seconds)
            if own and self.choice.val and Split.VAL not in parts:
                self.notes.append(
                    f"{source}: too short for --val {self.choice.val:g} with a gap of "
                    f"{self.choice.gap_seconds:g} s: all pairs are in train"
                )
            placed += zip(own, parts, strict=True)
        return placed

    def _grid_camera(self) -> Camera | None:
        """The camera of the grid: from CameraInfo, or from the rig unless it is only assumed there."""
        side = self.choice.frame.value
        if self._camera is not None:
            found: Camera | None = self._camera
        elif self.rig is not None and self.rig.model.origins.get(f"{side} focal length") != "assumed":
            found = getattr(self.rig.model, side)
        else:
            found = None
        return found if found is not None and found.size == self.folder.size else None

    def _record(self, pairs: Sequence[tuple[KeptPair, Split]]) -> AlignRecord:
        assert self.folder.size is not None, "there are pairs"
        known = [each.probability for each, _ in pairs if each.probability is not None]
        parts = Counter(part.value for _, part in pairs)
        return {
            "frame": self.choice.frame.value,
            "size": self.folder.size,
            "camera": self._grid_camera() is not None,
            "read": self._read,
            "kept": {part.value: parts[part.value] for part in Split},
            "left_out": dict(self._left_out.most_common()),
            "expected_error": {
                "below_10_px": float(np.mean(known)) if len(known) == len(pairs) else None,
                "rig_deviation_px": self._rig_deviation(),
            },
            "pairs": [
                {
                    "name": each.name,
                    "split": part.value,
                    "source": each.source,
                    "stamp": each.stamp,
                    "status": each.status.value,
                    "probability": each.probability,
                }
                for each, part in pairs
            ],
        }

    def _rig_deviation(self) -> dict[str, dict[str, float]] | None:
        if self.rig is None:
            return None
        told = {}
        for name, depth in zip(("far", "near"), self.rig.inverse_depths, strict=True):
            if (found := map_deviations(self.rig.model, depth)) is None:
                return None
            told[name] = {"centre": found.centre, "corner": found.corner}
        return told
