"""Accuracy of a matcher on aligned pairs: seeded homographies, corner error, AUC.

A trial replaces the thermal image of an aligned pair by the view of a 640x512 camera on a random
quadrilateral inside it; the visible image is unchanged. The homography from the new thermal frame to the
visible image is then known up to the alignment error of the pair, 2-5 px on road scenes: differences below
that have no meaning.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import WithJsonSchema

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import corner_error
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.pairs import PairPaths

Image = NDArray[Any]
Float64 = NDArray[np.float64]
# Takes a visible and a thermal image; returns the homography thermal px -> visible px, or None (rejected).
Register = Callable[[Image, Image], Float64 | None]

THERMAL_WIDTH, THERMAL_HEIGHT = 640, 512
WRONG_PX = 20.0

_SMALLEST_SIDE = 32
_CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * np.array([THERMAL_WIDTH - 1.0, THERMAL_HEIGHT - 1.0])


@dataclass(frozen=True)
class Preset:
    """Range of the random homographies.

    Attributes:
        name: name in tables.
        side: least and greatest side of the quadrilateral, fraction of the image's side.
        rotation_deg: greatest rotation about the centre, either way, degrees.
        shift: greatest shift, either way, fraction of the image's width and height.
        jitter: greatest displacement of each corner, either way, fraction of the image's width and height.
    """

    name: str
    side: tuple[float, float]
    rotation_deg: float
    shift: float
    jitter: float


RIG = Preset("rig", side=(0.72, 0.88), rotation_deg=5, shift=0.05, jitter=0.02)
HARD = Preset("hard", side=(0.50, 0.80), rotation_deg=25, shift=0.15, jitter=0.06)
PRESETS = (RIG, HARD)


@dataclass(frozen=True)
class Trial:
    """One warped pair.

    Attributes:
        visible: the visible image as stored.
        thermal: (512, 640) or (512, 640, C), source dtype: what the simulated thermal camera sees.
        truth: float64 (3, 3), thermal px -> visible px.
    """

    visible: Image
    thermal: Image
    truth: Float64

    def corner_error(self, homography: Float64) -> float:
        """See `geometry.homography.corner_error`; reference pixels."""
        height, width = self.visible.shape[:2]
        return corner_error(homography, self.truth, (THERMAL_HEIGHT, THERMAL_WIDTH), (height, width))


@dataclass(frozen=True)
class Score:
    """Result of one method on one preset; a rejection counts as an infinite error.

    Attributes:
        method: name of the method.
        preset: name of the preset.
        trials: number of warped pairs.
        auc_3, auc_5, auc_10, auc_20: area under the recall curve up to that corner error in px, percent.
        median_px: median corner error; infinite (null in JSON) if half or more were rejected.
        under_10_px: fraction of the trials with an error below 10 px, percent.
        rejections: trials without a homography.
        wrong: homographies returned with an error above 20 px.
    """

    method: str
    preset: str
    trials: int
    auc_3: float
    auc_5: float
    auc_10: float
    auc_20: float
    median_px: Annotated[float, WithJsonSchema({"type": ["number", "null"]})]
    under_10_px: float
    rejections: int
    wrong: int

    @classmethod
    def of(cls, method: str, preset: str, errors: Sequence[float | None]) -> "Score":
        """Summarise the corner errors of all trials; None is a rejection."""
        px = np.array([np.inf if error is None else error for error in errors])
        rejections = sum(error is None for error in errors)
        return cls(
            method=method,
            preset=preset,
            trials=len(px),
            auc_3=area_under_recall(px, 3),
            auc_5=area_under_recall(px, 5),
            auc_10=area_under_recall(px, 10),
            auc_20=area_under_recall(px, 20),
            median_px=float(np.median(px)) if len(px) else np.inf,
            under_10_px=100 * float(np.mean(px < 10)) if len(px) else 0.0,
            rejections=rejections,
            wrong=int(np.sum(px > WRONG_PX)) - rejections,
        )


@dataclass(frozen=True)
class Unreadable:
    """A pair that could not be read or is not aligned, and the reason."""

    visible: str
    thermal: str
    reason: str


@dataclass(frozen=True)
class Report:
    """Every method on every preset over the same trials.

    Attributes:
        pairs: number of pairs, including the unreadable ones.
        warps: random homographies per pair and preset.
        seed: seed of the homographies.
        scores: one per preset and method.
        unreadable: pairs left out.
    """

    pairs: int
    warps: int
    seed: int
    scores: tuple[Score, ...]
    unreadable: tuple[Unreadable, ...]


def evaluate(
    register: Register, pairs: Sequence[PairPaths], preset: Preset = RIG, seed: int = 0, warps: int = 3
) -> Score:
    """Score one method on aligned pairs, for training and notebooks.

    Args:
        register: the method.
        pairs: aligned pairs.
        preset: range of the homographies.
        seed: see `compare`.
        warps: random homographies per pair.

    Raises:
        DistillMatchError: an image cannot be read, or a pair is not aligned.
    """
    errors = [
        _error(register, trial)
        for pair in pairs
        for trial in trials(*read_aligned(pair), pair.visible.stem, preset, seed, warps)
    ]
    return Score.of("", preset.name, errors)


def compare(
    methods: Mapping[str, Register],
    pairs: Sequence[PairPaths],
    presets: Sequence[Preset] = PRESETS,
    seed: int = 0,
    warps: int = 3,
    on_pair: Callable[[], None] = lambda: None,
) -> Report:
    """Score several methods on the same trials, reading every image once.

    Args:
        methods: name -> method.
        pairs: aligned pairs; unusable ones are reported and left out.
        presets: ranges of the homographies.
        seed: seed of the homographies; they depend only on it, the pair's name and the preset.
        warps: random homographies per pair and preset.
        on_pair: called after each pair, for a progress bar.
    """
    errors: dict[tuple[str, str], list[float | None]] = {
        (preset.name, method): [] for preset in presets for method in methods
    }
    unreadable = []
    for pair in pairs:
        try:
            visible, thermal = read_aligned(pair)
        except DistillMatchError as error:
            unreadable.append(Unreadable(*pair.listed_as, str(error)))
        else:
            for preset in presets:
                for trial in trials(visible, thermal, pair.visible.stem, preset, seed, warps):
                    for method, register in methods.items():
                        errors[preset.name, method].append(_error(register, trial))
        on_pair()
    scores = tuple(Score.of(method, preset, px) for (preset, method), px in errors.items())
    return Report(len(pairs), warps, seed, scores, tuple(unreadable))


def read_aligned(pair: PairPaths) -> tuple[Image, Image]:
    """Read the two images of an aligned pair.

    Raises:
        DistillMatchError: an image cannot be read, the sizes differ, or a side is shorter than 32 px.
    """
    visible, thermal = read_image(pair.visible), read_thermal(pair.thermal)
    (height, width), (thermal_height, thermal_width) = visible.shape[:2], thermal.shape[:2]
    if (height, width) != (thermal_height, thermal_width):
        raise DistillMatchError(
            f"{pair.visible} is {width}x{height}, {pair.thermal} is {thermal_width}x{thermal_height}; "
            "evaluation needs aligned pairs of equal size"
        )
    if min(height, width) < _SMALLEST_SIDE:
        raise DistillMatchError(
            f"{pair.visible} is {width}x{height}; evaluation needs at least {_SMALLEST_SIDE} px a side"
        )
    return visible, thermal


def trials(
    visible: Image, thermal: Image, name: str, preset: Preset, seed: int, warps: int
) -> Iterator[Trial]:
    """Warp an aligned pair by homographies that depend only on its name, the preset and the seed."""
    height, width = thermal.shape[:2]
    digest = hashlib.sha256(f"{seed}/{preset.name}/{name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest, "big"))
    for _ in range(warps):
        quad = sample_quad(rng, preset, width, height)
        solved = cv2.getPerspectiveTransform(_CORNERS.astype(np.float32), quad.astype(np.float32))
        truth = np.asarray(solved, np.float64)
        yield Trial(visible, _camera_view(thermal, truth, quad), truth)


def sample_quad(rng: np.random.Generator, preset: Preset, width: int, height: int) -> Float64:
    """Draw the quadrilateral that the thermal camera sees; repeated until it lies inside the image.

    Returns:
        float64 (4, 2), px of the aligned image: the camera's corners, clockwise from top left.
    """
    last = np.array([width - 1, height - 1], np.float64)
    unit = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    while True:
        angle = np.radians(rng.uniform(-preset.rotation_deg, preset.rotation_deg))
        rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
        centre = last * (0.5 + rng.uniform(-preset.shift, preset.shift, 2))
        jitter = last * rng.uniform(-preset.jitter, preset.jitter, (4, 2))
        quad: Float64 = centre + (unit * last * rng.uniform(*preset.side)) @ rotation.T + jitter
        if (quad >= 0).all() and (quad <= last).all():
            return quad


def area_under_recall(errors: Float64, threshold: float) -> float:
    """Exact area under the recall curve of the errors from 0 to the threshold, percent of the whole.

    The curve joins the points (sorted error, fraction of errors up to it) by straight lines, starts at (0, 0)
    and runs level from the last error below the threshold, as pose AUC is computed throughout the field.

    Args:
        errors: (N,) non-negative, infinite for a rejection.
        threshold: greatest error that counts.
    """
    below = np.sort(errors[errors < threshold])
    recall = np.arange(len(below) + 1) / max(len(errors), 1)
    x = np.concatenate([[0.0], below, [threshold]])
    y = np.append(recall, recall[-1])
    return float(100 * np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / threshold)


def _camera_view(thermal: Image, truth: Float64, quad: Float64) -> Image:
    """The view of the 640x512 camera; blurred first where it samples more coarsely than the image."""
    edges = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    step = float((edges / (THERMAL_WIDTH, THERMAL_HEIGHT, THERMAL_WIDTH, THERMAL_HEIGHT)).max())
    if step > 1:
        thermal = cv2.GaussianBlur(thermal, (0, 0), 0.5 * np.sqrt(step**2 - 1))
    return cv2.warpPerspective(
        thermal,
        truth,
        (THERMAL_WIDTH, THERMAL_HEIGHT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _error(register: Register, trial: Trial) -> float | None:
    homography = register(trial.visible, trial.thermal)
    return None if homography is None else trial.corner_error(homography)
