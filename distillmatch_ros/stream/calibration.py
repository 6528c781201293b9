"""Calibration: one homography for a rig, estimated over a drive and stored in a YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_text
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.base.yaml import read_yaml
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.crop import Crop
from distillmatch_ros.images.orientation import Orientation, Orientations
from distillmatch_ros.registration.crops import CropPair
from distillmatch_ros.registration.gate import Gate, estimate, implausible
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.learning import LearnedRig

MIN_PAIRS = 10
"""Fewest pairs of a calibration; fewer may represent a single scene rather than the rig."""
GRID = (12, 16)
"""Rows and columns of the cells of the thermal image that contribute equally to a calibration."""
CELL_MATCHES = 32
"""Greatest number of matches kept per cell."""

_HEADER = "# Calibration of a visible-thermal rig: the homography maps thermal pixels to visible pixels.\n"


@dataclass(frozen=True)
class ImageFormat:
    """Image size (height, width) of a camera, and whether its images are undistorted."""

    size: Size
    undistorted: bool = False

    def __str__(self) -> str:
        return f"{self.size[1]}x{self.size[0]}" + (", undistorted" if self.undistorted else "")


@dataclass(frozen=True)
class PairFormat:
    """The images of the two cameras."""

    visible: ImageFormat
    thermal: ImageFormat


@dataclass(frozen=True, eq=False)
class Calibration:
    """A homography for every pair of a rig.

    Attributes:
        homography: float64 (3, 3), thermal to visible pixels.
        formats: image sizes and undistortion of the cameras.
        pairs: number of registered pairs it was estimated from.
        seconds: time from the first to the last of them, s.
        stamp: stamp of the last one, ns.
        rms_px: RMS reprojection error of their matches, reference pixels.
    """

    homography: Float64
    formats: PairFormat
    pairs: int
    seconds: float
    stamp: int
    rms_px: float

    @property
    def mapping(self) -> HomographyMapping:
        """The mapping by the homography."""
        return HomographyMapping(self.homography, self.formats.thermal.size, self.formats.visible.size)

    def save(self, path: Path) -> None:
        """Write a YAML file atomically.

        Raises:
            DistillMatchError: the file cannot be written.
        """
        record = {
            "homography": self.homography.tolist(),
            "visible": _describe(self.formats.visible),
            "thermal": _describe(self.formats.thermal),
            "pairs": self.pairs,
            "seconds": self.seconds,
            "stamp": self.stamp,
            "rms_px": self.rms_px,
        }
        write_text(path, _HEADER + yaml.safe_dump(record, sort_keys=False, default_flow_style=None))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read a YAML file.

        Raises:
            DistillMatchError: the file cannot be read, or does not hold a calibration.
        """
        record = read_yaml(path, "make it with `distillmatch calibrate`")
        try:
            return _read(record)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DistillMatchError(
                f"{path}: holds no calibration ({what}); make it with `distillmatch calibrate`"
            ) from error

    def check(self, formats: PairFormat) -> None:
        """Reject images that differ from those of the calibration.

        Raises:
            DistillMatchError: their size differs, or only one of the two kinds is undistorted.
        """
        for side in ("visible", "thermal"):
            own, other = getattr(self.formats, side), getattr(formats, side)
            if own != other:
                raise DistillMatchError(
                    f"calibration: made from {side} images of {own}, but these are {other}; "
                    "calibrate with the settings in use"
                )


def _describe(images: ImageFormat) -> dict[str, Any]:
    height, width = images.size
    return {"width": width, "height": height, "undistorted": images.undistorted}


def _read(record: Any) -> Calibration:
    """Make a calibration from plain values; raises KeyError, TypeError or ValueError if they are invalid."""
    homography = np.array(_mapping(record)["homography"], np.float64)
    formats = PairFormat(_format(record["visible"]), _format(record["thermal"]))
    if homography.shape != (3, 3):
        raise ValueError(f"homography is {'x'.join(map(str, homography.shape))}, not 3x3")
    if not np.isfinite(homography).all() or not any(
        implausible(
            homography @ Orientation(flip=flip).to_upright(formats.thermal.size),
            formats.thermal.size,
            formats.visible.size,
            Gate(),
        )
        is None
        for flip in (False, True)
    ):
        raise ValueError("the homography is not plausible for two cameras")
    return Calibration(
        homography,
        formats,
        int(record["pairs"]),
        float(record["seconds"]),
        int(record["stamp"]),
        float(record["rms_px"]),
    )


def _format(record: Any) -> ImageFormat:
    size = int(_mapping(record)["height"]), int(record["width"])
    if min(size) < 1:
        raise ValueError("an image has no pixels")
    return ImageFormat(size, record["undistorted"] is True)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is not a mapping")
    return value


Known = Calibration | LearnedRig
"""What mode fixed may use: one homography, or a rig with its depths."""


class Accumulator:
    """Collects the matches of a drive in bounded memory.

    Each cell of the thermal image keeps a uniform random sample of its matches (reservoir sampling), so that
    sparse regions are not outweighed and all parts of a long drive contribute.
    """

    def __init__(self, formats: PairFormat, orientations: Orientations | None = None) -> None:
        """Start empty, for images of this rig; with the orientations that make them upright, if any."""
        upright = orientations or Orientations()
        self._formats = formats
        self._crops = CropPair(
            Crop.whole(formats.visible.size, upright.visible),
            Crop.whole(formats.thermal.size, upright.thermal),
        )
        self._random = np.random.default_rng(0)
        self._seen = np.zeros(GRID[0] * GRID[1], np.int64)
        self._matches = np.empty((GRID[0] * GRID[1], CELL_MATCHES, 4), np.float32)
        self._pairs = 0
        self._first = self._last = 0

    def add(self, registration: Registration, stamp: int) -> None:
        """Add the inliers of a pair that a pass confirmed; other pairs are ignored."""
        if not registration.status.is_confirmed:
            return
        self._first = stamp if self._pairs == 0 else self._first
        self._last = stamp
        self._pairs += 1
        thermal = registration.thermal_points[registration.inliers]
        visible = registration.visible_points[registration.inliers]
        columns, rows = ((thermal + 0.5) / self._formats.thermal.size[::-1] * GRID[::-1]).astype(int).T
        cells = np.clip(rows, 0, GRID[0] - 1) * GRID[1] + np.clip(columns, 0, GRID[1] - 1)
        for cell, match in zip(cells, np.hstack([visible, thermal]), strict=True):
            count = self._seen[cell]
            place = count if count < CELL_MATCHES else self._random.integers(count + 1)
            if place < CELL_MATCHES:
                self._matches[cell, place] = match
            self._seen[cell] += 1

    def fit(self, gate: Gate | None = None) -> Calibration:
        """Fit one homography to all collected matches.

        Args:
            gate: thresholds; the default gate if None.

        Raises:
            DistillMatchError: too few pairs, or the matches support no homography.
        """
        if self._pairs < MIN_PAIRS:
            raise DistillMatchError(
                f"calibration: {self._pairs} pairs were registered and {MIN_PAIRS} are needed; "
                "drive on, past distant structure"
            )
        kept = np.arange(CELL_MATCHES) < self._seen[:, None]
        visible, thermal = np.split(self._matches[kept], 2, axis=1)
        points = self._crops.from_cameras(visible, thermal)
        found = estimate(*points, *self._crops.sizes, gate or Gate())
        if found.homography is None or found.quality is None:
            reason = found.status if found.rejected_by is None else found.rejected_by.found
            raise DistillMatchError(
                f"calibration: the matches of {self._pairs} pairs do not agree on one homography "
                f"({reason}); record a drive with distant structure, and keep the cameras' mount rigid"
            )
        return Calibration(
            self._crops.in_cameras(found.homography),
            self._formats,
            self._pairs,
            (self._last - self._first) / SECOND,
            self._last,
            found.quality.rms_px,
        )
