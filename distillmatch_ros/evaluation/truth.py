"""Pairs that are not aligned, with what is known of them: homographies, or points clicked in both images."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_no_device
from distillmatch_ros.evaluation.warped import Image
from distillmatch_ros.geometry.homography import (
    REFERENCE_WIDTH,
    Float64,
    Size,
    check_homography,
    corner_error,
    errors,
    inverse,
)
from distillmatch_ros.images.files import read_pair
from distillmatch_ros.images.pairs import HEADER, PairPaths

GIVEN, CLICKED = "given", "clicked"
"""Names of these pairs in tables, by what is known; those of warped pairs are called by their preset."""
PLACE = "place"
MATRIX = tuple(f"h{row}{column}" for row in range(3) for column in range(3))
POINTS = ("x_visible", "y_visible", "x_thermal", "y_thermal")
FEWEST_POINTS = 4
REMEDY = (
    f"its columns are {', '.join(HEADER)}, then {MATRIX[0]} to {MATRIX[-1]} (thermal to visible pixels), or "
    f"{', '.join(POINTS)} with a row for each point; {PLACE} may be one more"
)


@dataclass(frozen=True, eq=False)
class KnownPair:
    """A pair whose registration is known.

    Attributes:
        pair: its files.
        place: where it was taken, for tables; empty if unknown.
        homography: float64 (3, 3), thermal to visible pixels; None if points are known.
        visible: float64 (N, 2), clicked points in visible pixels.
        thermal: float64 (N, 2), the same points in thermal pixels.
    """

    pair: PairPaths
    place: str
    homography: Float64 | None
    visible: Float64
    thermal: Float64

    @property
    def preset(self) -> str:
        """Its name in tables."""
        return CLICKED if self.homography is None else GIVEN

    def turned(self) -> "KnownPair":
        """The pair if what is known were given the other way round: visible to thermal pixels."""
        turned = None if self.homography is None else inverse(self.homography)
        return replace(self, homography=turned, visible=self.thermal, thermal=self.visible)

    def trial(self) -> "KnownTrial":
        """Read the images.

        Raises:
            DistillMatchError: one cannot be read.
        """
        return KnownTrial(*read_pair(self.pair), self)


@dataclass(frozen=True, eq=False)
class KnownTrial:
    """The images of a known pair; see `warped.Trial`."""

    visible: Image
    thermal: Image
    known: KnownPair

    def corner_error(self, homography: Float64) -> float:
        """Error of a homography, reference pixels: at the corners if a homography is known, else the mean
        distance of the mapped thermal points from the visible ones.
        """
        if self.known.homography is not None:
            return corner_error(homography, self.known.homography, _size(self.thermal), _size(self.visible))
        error = float(errors(homography, self.known.thermal, self.known.visible).mean())
        return error * REFERENCE_WIDTH / self.visible.shape[1] if np.isfinite(error) else np.inf


def read_truths(path: Path) -> list[KnownPair]:
    """Read a CSV of known pairs; relative paths start at its folder.

    Raises:
        DistillMatchError: it cannot be read, has other columns, or a row is wrong.
    """
    try:
        check_no_device(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DistillMatchError(f"{path}: cannot be read as a CSV of pairs ({error}); {REMEDY}") from error
    known: dict[str, Callable[[Path, Sequence[Mapping[str, str]]], Iterator[KnownPair]]] = {
        MATRIX[0]: _with_homographies,
        POINTS[0]: _with_points,
    }
    kind = next((name for name in known if name in columns), None)
    wanted = {*HEADER, *(MATRIX if kind == MATRIX[0] else POINTS)}
    if kind is None or not wanted <= set(columns):
        separated = (
            "separate them by commas; " if len(columns) == 1 and re.search(r"[;\t]", columns[0]) else ""
        )
        raise DistillMatchError(
            f"{path}: has the columns {', '.join(columns) or 'none'}; {separated}{REMEDY}"
        )
    found = list(known[kind](path, rows))
    if not found:
        raise DistillMatchError(f"{path}: lists no pairs; {REMEDY}")
    return found


def _with_homographies(path: Path, rows: Sequence[Mapping[str, str]]) -> Iterator[KnownPair]:
    for number, row in enumerate(rows, 2):
        matrix = np.reshape(_numbers(path, number, row, MATRIX), (3, 3))
        check_homography(matrix, f"{path}: row {number}", "correct it")
        none = np.empty((0, 2))
        yield KnownPair(_pair(path, number, row), (row.get(PLACE) or "").strip(), matrix, none, none)


def _with_points(path: Path, rows: Sequence[Mapping[str, str]]) -> Iterator[KnownPair]:
    points: dict[tuple[str, str], list[Float64]] = {}
    pairs: dict[tuple[str, str], tuple[PairPaths, str]] = {}
    for number, row in enumerate(rows, 2):
        pair = _pair(path, number, row)
        pairs.setdefault(pair.listed_as, (pair, (row.get(PLACE) or "").strip()))
        points.setdefault(pair.listed_as, []).append(_numbers(path, number, row, POINTS))
    for listed, found in points.items():
        if len(found) < FEWEST_POINTS:
            raise DistillMatchError(
                f"{path}: {', '.join(listed)} has {len(found)} points; click {FEWEST_POINTS} or more"
            )
        both = np.array(found)
        yield KnownPair(*pairs[listed], None, both[:, :2], both[:, 2:])


def _pair(path: Path, number: int, row: Mapping[str, str]) -> PairPaths:
    visible, thermal = ((row[side] or "").strip() for side in HEADER)
    if not visible or not thermal:
        raise DistillMatchError(f"{path}: row {number} names no two images; {REMEDY}")
    return PairPaths(path.parent / visible, path.parent / thermal, (visible, thermal))


def _numbers(path: Path, number: int, row: Mapping[str, str], names: Sequence[str]) -> Float64:
    try:
        found = np.array([float(row[name]) for name in names])
    except (TypeError, ValueError) as error:
        raise DistillMatchError(f"{path}: row {number} lacks a number ({error}); {REMEDY}") from error
    if not np.isfinite(found).all():
        raise DistillMatchError(f"{path}: row {number} holds a number that is not finite; {REMEDY}")
    return found


def _size(image: Image) -> Size:
    return image.shape[0], image.shape[1]
