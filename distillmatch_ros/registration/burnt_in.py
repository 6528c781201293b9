"""Marks burnt into both images at one place: logos, clocks and crosshairs, whatever the cameras see.

A display over both images agrees perfectly under the map that lays one whole image on the other, and says
nothing about the cameras. Marks have one appearance in both images; a scene seldom has, since warm is not
bright. Where the whole images lie on each other, the edges beside the marks must therefore agree too, if
there are any: beside the marks of two equal images there is nothing. Elsewhere marks may have attracted a
homography by a part of the image, and it must be likely all the same.
"""

from copy import copy
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size, corner_error, resize_matrix
from distillmatch_ros.geometry.warping import resize
from distillmatch_ros.registration.alignment import LEVELS, Template, edges_of, on_lattice

NEAR_PX, NEARLY_PX = 12.0, 25.0
"""Corner errors, reference pixels, up to which a homography lays one whole image on the other, and nearly so:
up to the second one, scenes of two cameras look alike at the same place too."""
CLEAR = 0.15
"""Peak prominence of the whole images on each other from which on a homography that nearly lays them so was
attracted by what agrees there: two scenes under one display have 0.25."""
MOSTLY = 0.3
"""Fraction of the peak prominence that is left beside marks: less, and they are what agrees. Of two scenes
under one display at most 0.26 is left. Of 326 aligned pairs two have less than 0.3, one of which `BESIDE`
keeps."""
BESIDE = 0.5
"""Fraction of the gate's `min_peak_prominence` that edges beside marks must have: 0.045, where scenes with a
display have at least 0.06 and two scenes at most 0.04."""
SCENE = 0.3
"""Fraction of an image's edges, by energy, that is beside marks on a scene."""

MARKED = 0.13
"""Fraction of an image that looks alike at the same place of the other one, from which on it is marked: at
most 0.12 in 140 pairs whose cameras see different parts of a scene, 0.14 to 0.35 under displays, bonnets."""

_WINDOW, _AROUND = 9, 15  # sides of the windows that gradients are compared in, and left out by, level pixels
_SAME = 0.8  # least correlation of the gradients, with their signs
_WEAK = 2.0  # mean square of gradients, grey levels per pixel, below which there is no mark


def prominence_beside_marks(
    visible: NDArray[Any], thermal: NDArray[Any], homography: Float64
) -> float | None:
    """Peak prominence of the edges beside what looks alike at the same place of both images.

    Args:
        visible: uint8 (H, W).
        thermal: uint8 (H, W).
        homography: (3, 3), thermal to visible pixels.

    Returns:
        The prominence if marks are most of what agrees, and not most of what is seen; None if not, or if the
        homography does not lay one image on the other, or nearly so.
    """
    sizes: tuple[Size, Size] = thermal.shape, visible.shape
    gap = corner_error(homography, resize_matrix(*sizes), *sizes)
    if gap > NEARLY_PX:
        return None
    level = LEVELS[-1]
    own, other = resize(thermal, level.size), resize(visible, level.size)
    template, seen = Template(own, level), edges_of(other, level)
    rest, marks = copy(template), _marks(own, other)
    rest.edges, seen_beside = (np.where(marks, np.float32(0), edges) for edges in (template.edges, seen))
    if _energy(rest.edges) < SCENE * _energy(template.edges) or _energy(seen_beside) < SCENE * _energy(seen):
        return None
    beside = rest.peak_prominence(on_lattice(seen_beside))
    whole = template.peak_prominence(on_lattice(seen))
    return beside if beside < MOSTLY * whole and (gap <= NEAR_PX or whole >= CLEAR) else None


def is_marked(visible: NDArray[Any], thermal: NDArray[Any], homography: Float64) -> bool:
    """Whether much looks alike at the same place of both images, and a homography says it should not.

    Args:
        visible: uint8 (H, W).
        thermal: uint8 (H, W).
        homography: (3, 3), thermal to visible pixels.
    """
    sizes: tuple[Size, Size] = thermal.shape, visible.shape
    if corner_error(homography, resize_matrix(*sizes), *sizes) <= NEARLY_PX:
        return False
    level = LEVELS[-1]
    return float(_marks(resize(thermal, level.size), resize(visible, level.size)).mean()) > MARKED


def _marks(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Bool (rows, columns, 1): where gradients of two images of one size agree, with their signs."""
    first, second = _gradients(one), _gradients(other)
    power, others = (np.maximum(_mean(each * each), 0) for each in (first, second))  # blurred: may be -0.001
    alike = _mean(first * second) >= _SAME * np.sqrt(power * others)
    found = alike & (np.minimum(power, others) > _WEAK)
    return cv2.dilate(found.view(np.uint8), np.ones((_AROUND, _AROUND), np.uint8)).view(np.bool_)[..., None]


def _energy(edges: NDArray[np.float32]) -> float:
    return float(np.square(edges).sum())


def _gradients(image: NDArray[Any]) -> NDArray[np.float32]:
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)
    return np.dstack([cv2.Sobel(smooth, -1, 1, 0, scale=1 / 8), cv2.Sobel(smooth, -1, 0, 1, scale=1 / 8)])


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(values.sum(axis=2), (_WINDOW, _WINDOW)), np.float32)
