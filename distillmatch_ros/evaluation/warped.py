"""Warped pairs with known homographies, made of aligned pairs.

A trial replaces the thermal image of an aligned pair by the view of another camera, mostly of 640x512 pixels,
on a random quadrilateral inside it. The visible image is unchanged, or cut if its camera sees less. The
homography from the new thermal frame to the visible image is then known up to the alignment error of the
pair, 2-5 px on road scenes: differences below that have no meaning.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, corners, point_error, transform
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.pairs import PairPaths

Image = NDArray[Any]

_SMALLEST_SIDE = 32
_UNIT = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


@dataclass(frozen=True)
class Preset:
    """Range of the random homographies.

    Attributes:
        name: name in tables.
        side: least and greatest side of the quadrilateral, fraction of the image's side.
        rotation_deg: greatest rotation about the centre, either way, degrees.
        shift: greatest shift, either way, fraction of the image's width and height.
        jitter: greatest displacement of each corner, either way, fraction of the image's width and height.
        size: (width, height) of the thermal image, px.
        wider: how much wider and taller the quadrilateral is than the visible image, which is cut
            accordingly; None leaves it whole.
    """

    name: str
    side: tuple[float, float]
    rotation_deg: float
    shift: float
    jitter: float
    size: tuple[int, int] = (640, 512)
    wider: float | None = None


RIG = Preset("rig", side=(0.72, 0.88), rotation_deg=5, shift=0.05, jitter=0.02)
HARD = Preset("hard", side=(0.50, 0.80), rotation_deg=25, shift=0.15, jitter=0.06)
SMALL = replace(RIG, name="small", size=(160, 120))
WIDE = replace(RIG, name="wide", wider=1.5)
PRESETS = (RIG, HARD)
"""Those that training and calibration measure by."""
ALL = (*PRESETS, SMALL, WIDE)


@dataclass(frozen=True)
class Trial:
    """One warped pair.

    Attributes:
        visible: the visible image as stored, or a part of it.
        thermal: (H, W) or (H, W, C), source dtype: what the simulated thermal camera sees.
        truth: float64 (3, 3), thermal px -> visible px.
        points: float64 (4, 2), thermal px: outer corners of the image that sees less, for errors.
    """

    visible: Image
    thermal: Image
    truth: Float64
    points: Float64

    def corner_error(self, homography: Float64) -> float:
        """See `geometry.homography.corner_error`, but at ``points``; reference pixels."""
        height, width = self.visible.shape[:2]
        return point_error(homography, self.truth, self.points, (height, width))


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
        frame = (_UNIT * (np.array(preset.size) - 1.0)).astype(np.float32)
        truth = np.asarray(cv2.getPerspectiveTransform(frame, quad.astype(np.float32)), np.float64)
        view = _camera_view(thermal, truth, quad, preset.size)
        if preset.wider is None:
            yield Trial(visible, view, truth, corners(preset.size[::-1]))
        else:
            cut, shifted = _cut(visible, truth, quad, preset.wider)
            inverse = np.asarray(np.linalg.inv(shifted), np.float64)
            seen = transform(inverse, corners((cut.shape[0], cut.shape[1])))
            yield Trial(cut, view, shifted, seen)


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


def _cut(visible: Image, truth: Float64, quad: Float64, wider: float) -> tuple[Image, Float64]:
    """The part of the visible image that a camera at the quadrilateral's centre with less view sees."""
    spans = np.maximum(np.ptp(quad, axis=0) / wider, 1)
    left, top = np.maximum(quad.mean(axis=0) - spans / 2, 0).astype(int)
    right, bottom = (np.array([left, top]) + spans).astype(int)
    shift = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]])
    return np.ascontiguousarray(visible[top:bottom, left:right]), shift @ truth


def _camera_view(thermal: Image, truth: Float64, quad: Float64, size: tuple[int, int]) -> Image:
    """The view of the thermal camera; blurred first where it samples more coarsely than the image."""
    edges = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    step = float((edges / (*size, *size)).max())
    if step > 1:
        thermal = cv2.GaussianBlur(thermal, (0, 0), 0.5 * np.sqrt(step**2 - 1))
    return cv2.warpPerspective(
        thermal,
        truth,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
