"""Anti-aliased lines and text on 8-bit BGR images."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]  # BGR

WHITE: Colour = (242, 244, 245)
GREY: Colour = (150, 146, 142)
GREEN: Colour = (120, 208, 130)
AMBER: Colour = (60, 170, 250)
NIGHT: Colour = (28, 24, 21)

_FONT = cv2.FONT_HERSHEY_DUPLEX
_FONT_HEIGHT = 22  # of a capital at scale 1, pixels
_FINE = 4  # text is drawn larger by this factor and averaged: the stroke font is jagged at small sizes
_SHIFT = 4  # cv2 takes coordinates in 1/16 px


def displayable(image: NDArray[Any]) -> Picture:
    """Any camera image as a new uint8 (H, W, 3) BGR picture; other depths are stretched to 8 bits."""
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] >= 3:
        return image[..., :3].copy()
    grey = to_grey(image) if image.dtype == np.uint8 else to_8bit(image)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def inferno(grey: NDArray[np.uint8]) -> Picture:
    """Heat in colours: uint8 (H, W) as a picture, from black through red to yellow."""
    return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), np.uint8)


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at (height, width): area average where it shrinks, smooth interpolation where it grows."""
    interpolation = cv2.INTER_AREA if size[0] < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=interpolation), np.uint8)


def write(
    picture: Picture, text: str, place: tuple[float, float], height: float, colour: Colour, align: float = 0.0
) -> Picture:
    """Draw text.

    Args:
        picture: picture to draw on.
        text: ASCII text.
        place: x, and y of the middle of the capitals, pixels.
        height: height of a capital, pixels.
        colour: colour of the text.
        align: fraction of the text left of ``place``: 0 starts there, 1 ends there.
    """
    scale = _FINE * height / _FONT_HEIGHT
    thickness = max(1, round(1.6 * scale))
    (width, rise), drop = cv2.getTextSize(text, _FONT, scale, thickness)
    pad = _FINE * -(-2 * thickness // _FINE)
    rows, columns = -(-(rise + drop + 2 * pad) // _FINE), -(-(width + 2 * pad) // _FINE)
    fine = np.zeros((_FINE * rows, _FINE * columns), np.uint8)
    cv2.putText(fine, text, (pad, pad + rise), _FONT, scale, 255, thickness, cv2.LINE_AA)
    letters = cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA)

    left = round(place[0] - (align * width + pad) / _FINE)
    top = round(place[1] - (pad + rise / 2) / _FINE)
    x0, y0 = max(left, 0), max(top, 0)
    ground = picture[y0 : max(top + rows, 0), x0 : max(left + columns, 0)]
    alpha = letters[y0 - top :, x0 - left :][: ground.shape[0], : ground.shape[1], None] / np.float32(255)
    ground[:] = np.rint(ground * (1 - alpha) + alpha * np.array(colour, np.float32)).astype(np.uint8)
    return picture


def outline(picture: Picture, polygon: NDArray[np.floating], colour: Colour) -> Picture:
    """Draw a thin closed polygon through (N, 2) points, with a dark rim for contrast on bright images.

    It is open where points are NaN, which lie beyond a lens.
    """
    known = np.isfinite(polygon).all(axis=1)
    first = int(known.argmin())  # one that is NaN, if any is
    parts = np.split(np.roll(polygon, -first, axis=0), np.flatnonzero(~np.roll(known, -first)))
    lines = [_fixed(part[np.isfinite(part).all(axis=1)]) for part in parts]
    lines = [each for each in lines if len(each)]
    cv2.polylines(picture, lines, bool(known.all()), NIGHT, 3, cv2.LINE_AA, _SHIFT)
    cv2.polylines(picture, lines, bool(known.all()), colour, 1, cv2.LINE_AA, _SHIFT)
    return picture


def line(
    picture: Picture, start: NDArray[np.floating], end: NDArray[np.floating], colour: Colour, width: int
) -> None:
    """Draw a line of ``width`` pixels."""
    cv2.line(picture, _fixed(start).tolist(), _fixed(end).tolist(), colour, width, cv2.LINE_AA, _SHIFT)


def dot(picture: Picture, place: NDArray[np.floating], radius: float, colour: Colour) -> None:
    """Draw a filled disc."""
    cv2.circle(picture, _fixed(place).tolist(), round(radius * 2**_SHIFT), colour, -1, cv2.LINE_AA, _SHIFT)


def banner(picture: Picture, text: str, colour: Colour) -> Picture:
    """Draw one line of text on a dark strip along the bottom, scaled to fit the picture."""
    height, width = picture.shape[:2]
    letter = float(np.clip(min(height / 28, width / (1.1 * len(text) + 4)), 3, 18))
    strip = picture[height - min(height, round(3.2 * letter)) :]
    strip[:] = strip // 4 + np.array(NIGHT, np.uint8) // 2
    dot(strip, np.array([1.8 * letter, strip.shape[0] / 2]), 0.5 * letter, colour)
    write(strip, text, (3.2 * letter, strip.shape[0] / 2), letter, WHITE)
    return picture


def _fixed(points: NDArray[np.floating]) -> NDArray[np.int32]:
    # Points near the horizon may be arbitrarily far away; cv2 takes 32-bit coordinates.
    bounded = np.clip(np.nan_to_num(points), -30000, 30000)
    return np.asarray(np.rint(bounded * 2**_SHIFT), np.int32)
