"""Warped pairs with known homographies, made of aligned pairs.

A trial replaces the thermal image of an aligned pair by the view of a 640x512 camera on a random
quadrilateral inside it; the visible image is unchanged. The homography from the new thermal frame to the
visible image is then known up to the alignment error of the pair, 2-5 px on road scenes: differences below
that have no meaning.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Float64, corner_error
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.pairs import PairPaths

Image = NDArray[Any]

THERMAL_WIDTH, THERMAL_HEIGHT = 640, 512

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
