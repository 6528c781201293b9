"""Registers pairs of image files: one line of JSON and, on request, pictures for each pair."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from typing_extensions import NotRequired, TypedDict

from distillmatch_ros.bags.pictures import picture_names, write_pictures
from distillmatch_ros.bags.rig_learning import by_rig, read_depth
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import open_text, writing
from distillmatch_ros.images.exchanged import exchanged_by_colour, exchanged_by_name
from distillmatch_ros.images.files import read_pair
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.images.temperature import Temperature
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.rejection import Rejection, RejectionRecord
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.depth_image import holds_distances
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.regions import Parallax
from distillmatch_ros.rig.uncertainty import deviations_of
from distillmatch_ros.stream.search import advise

ERROR = "ERROR"
ORIENTATION_TRIES = 3
"""Number of pairs that are tried in all orientations, if no pair from the first on gives a homography."""
OnPair = Callable[[int, NDArray[Any], NDArray[Any], Registration], None]
RECORDS = "pairs.jsonl"
"""JSON Lines beside the pictures of `match_files`, with matches; the last line of a pair counts."""


class PairRecord(TypedDict):
    """A pair of files as a JSON object: a line of ``match --json``.

    Attributes:
        visible: path of the visible image as listed.
        thermal: path of the thermal image as listed.
        homography: 3x3, thermal to visible pixels; null if none was accepted.
        status: status of the registration; ``ERROR`` if an image could not be used.
        probability: probability that the corner error is below 10 px, in [0, 1]; null without homography or
            calibration.
        rejected_by: threshold that was not met, with the value found and the limit; null if none.
        matches: number of correspondences.
        inliers: number of correspondences that agree with the homography.
        quality: figures of the homography, accepted or rejected, by name; null without any homography; a
            figure is null if unknown.
        rig_std_px: standard deviation of the rig's map at the ``centre`` and the worst ``corner``, px of a
            visible image 640 px wide; absent without a rig, or if it is unknown.
        latency_ms: time by stage, and in ``total``, ms; empty without a registration.
        correspondences: with ``--points``: [xv, yv, xt, yt, confidence, inlier] each, pixels of the files.
        borders: description of excluded bars and regions without data; absent if there are none.
        advice: description of a setting that would help, or why the images seem to be exchanged, which is
            said of one pair; absent if none is known.
        note: what of the request could not be followed; absent if all was.
        error: why there is no registration; absent if there is one.
    """

    visible: str
    thermal: str
    homography: list[list[float]] | None
    status: str
    probability: float | None
    rejected_by: RejectionRecord | None
    matches: int
    inliers: int
    quality: dict[str, float | None] | None
    latency_ms: dict[str, float]
    rig_std_px: NotRequired[dict[str, float]]
    correspondences: NotRequired[list[list[float | bool]]]
    borders: NotRequired[str]
    advice: NotRequired[str]
    note: NotRequired[str]
    error: NotRequired[str]


@dataclass(frozen=True)
class PairResult:
    """Result for one pair of files.

    Attributes:
        pair: the two files.
        registration: the registration, or None if an image could not be read.
        error: why there is no registration, or None.
        pictures: files that were written.
        advice: description of a setting that would help, or None.
        note: what of the request could not be followed, or None.
        looks_black: whether NAME_registered holds values of 16 bits, which look black in many viewers.
    """

    pair: PairPaths
    registration: Registration | None
    error: str | None = None
    pictures: tuple[Path, ...] = ()
    advice: str | None = None
    note: str | None = None
    looks_black: bool = False

    @property
    def status(self) -> str:
        """Status of the registration, or ``ERROR`` without one."""
        return ERROR if self.registration is None else self.registration.status.value

    @property
    def rejected_by(self) -> Rejection | None:
        """The threshold that was not met; see `Registration`."""
        return None if self.registration is None else self.registration.rejected_by

    def record(self, points: bool = False) -> PairRecord:
        """The pair as a JSON object.

        Args:
            points: add ``correspondences``: [[xv, yv, xt, yt, confidence, inlier], ...], px of the files.
        """
        found = self.registration
        homography = None if found is None else found.homography
        record: PairRecord = {
            "visible": self.pair.listed_as[0],
            "thermal": self.pair.listed_as[1],
            "homography": None if homography is None else homography.tolist(),
            "status": self.status,
            "rejected_by": None if self.rejected_by is None else self.rejected_by.record(),
            "matches": 0 if found is None else len(found.confidence),
            "inliers": 0 if found is None else int(found.inliers.sum()),
            "probability": None
            if found is None or found.probability is None
            else round(found.probability, 4),
            "quality": None if found is None or found.quality is None else found.quality.record(),
            "latency_ms": {} if found is None else {k: round(ms, 3) for k, ms in found.latency_ms.items()},
        }
        deviations = None if found is None else deviations_of(found.mapping)
        if deviations is not None:
            record["rig_std_px"] = {name: round(px, 4) for name, px in asdict(deviations).items()}
        if points:
            record["correspondences"] = [] if found is None else _correspondences(found)
        if found is not None and found.borders:
            record["borders"] = found.borders
        if self.advice is not None:
            record["advice"] = self.advice
        if self.note is not None:
            record["note"] = self.note
        if self.error is not None:
            record["error"] = self.error
        return record


def match_files(
    registrar: Registrar,
    pairs: Sequence[PairPaths],
    out: Path | None = None,
    *,
    rig: LearnedRig | None = None,
    parallax: Parallax = Parallax.PLANE,
    depth: Path | None = None,
    visible_from_thermal: bool = False,
    max_pixels: int = MAX_PIXELS,
    temperature: Temperature | None = None,
    on_pair: OnPair | None = None,
) -> Iterator[PairResult]:
    """Register pairs of image files one after the other.

    An image that cannot be read gives a result with an error; the next pair follows.

    Args:
        registrar: open registrar.
        pairs: pairs to register.
        out: folder for NAME_registered (the thermal image warped into the visible one with its own values;
            PNG, or TIFF for values other than unsigned 8 and 16 bits; NaN outside the thermal camera's view
            for floating point), NAME_mask.png (255 inside its view, 128 where depth was asked for and is
            unknown, else 0), NAME_visible_registered (the visible image warped into the thermal one),
            NAME_overlay.png and NAME_matches.png, with depth NAME_cloud.ply; None writes no pictures.
        rig: maps the pairs instead of their own homographies, also those that have none; see `by_rig`.
        parallax: how a rig maps what is not on the frame's plane.
        depth: a depth image that is registered to the visible one, see `inverse_depth_of`, or a folder of
            them by the visible images' names; used instead of ``parallax``.
        visible_from_thermal: read visible images from the thermal files, which are radiometric JPEG.
        max_pixels: larger images are rejected by their header, before decoding.
        temperature: writes NAME_registered in degrees Celsius, float32; None keeps the camera's values.
        on_pair: called with the place in the list, the images and the registration of each readable pair.

    Raises:
        DistillMatchError: a picture cannot be written.
    """
    tries, exchanged = ORIENTATION_TRIES, None
    for number, (pair, name) in enumerate(zip(pairs, picture_names(pairs), strict=True)):
        note = None
        try:
            visible, thermal = read_pair(pair, visible_from_thermal, max_pixels)
            if temperature is not None:
                temperature.check(thermal)
            prepared = registrar.prepare(visible, thermal)
            own = registration = registrar.register_prepared(prepared, search=True, verify=True)
            if rig is not None:
                known = None if depth is None else read_depth(depth, pair.visible, visible.shape[:2])
                if known is not None and not holds_distances(known):
                    known = None
                    note = f"no depth in {depth}: the pair's plane is used"
                elif number == 0 and known is not None and out is not None and not rig.model.tells_lengths:
                    note = "no point cloud: how far apart the rig's cameras are is not known"
                registration, doubt = by_rig(rig, prepared, own, parallax, known)
                note = note if doubt is None else doubt
        except DistillMatchError as error:
            yield PairResult(pair, None, str(error))
            continue
        if on_pair is not None:
            on_pair(number, visible, thermal, registration)
        pictures: tuple[Path, ...] = ()
        if out is not None:
            pictures = tuple(write_pictures(out / name, visible, thermal, registration, temperature))
        advice = None
        if own.mapping is not None or registration.mapping is not None:
            tries = 0  # the cameras' orientation is right
        elif tries:
            tries -= 1
            orientation = registrar.find_orientation(prepared)
            advice = None if orientation is None else advise(orientation)
        if exchanged is None:
            names = (f"{path.parent.name}/{path.name}" for path in (pair.visible, pair.thermal))
            exchanged = exchanged_by_name(*names) or exchanged_by_colour(visible, thermal)
            advice = exchanged or advice
        black = temperature is None and thermal.dtype == np.uint16
        yield PairResult(pair, registration, None, pictures, advice, note, black)


def add_records(results: Iterable[PairResult], folder: Path) -> Iterator[PairResult]:
    """Pass results on after appending their lines to `RECORDS` in a folder; lines of earlier runs are kept.

    Paths are relative to the folder.

    Raises:
        DistillMatchError: the file cannot be written.
    """
    with open_text(folder / RECORDS, append=True) as file:
        for result in results:
            record = result.record(points=True)
            record["visible"] = os.path.relpath(result.pair.visible, folder)
            record["thermal"] = os.path.relpath(result.pair.thermal, folder)
            _write_line(file, record, folder / RECORDS)
            yield result


def write_lines(results: Iterable[PairResult], path: Path, points: bool = False) -> Iterator[PairResult]:
    """Pass results on, each after its line of JSON was written: a kill loses no finished pair.

    Args:
        results: results to write.
        path: file of JSON Lines; ``-`` is standard output.
        points: see `PairResult.record`.

    Raises:
        DistillMatchError: the file cannot be written.
    """
    with open_text(path) as file:
        for result in results:
            _write_line(file, result.record(points), path)
            yield result


def _write_line(file: TextIO, record: PairRecord, path: Path) -> None:
    with writing(path):
        file.write(json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n")
        file.flush()


def _correspondences(found: Registration) -> list[list[float | bool]]:
    numbers = np.hstack([found.visible_points, found.thermal_points, found.confidence[:, None]])
    rows = numbers.astype(np.float64).round(4).tolist()
    return [[*row, inlier] for row, inlier in zip(rows, found.inliers.tolist(), strict=True)]
