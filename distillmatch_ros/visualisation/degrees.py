"""A thermal image in colours, with a scale in degrees beside it."""

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.visualisation import canvas
from distillmatch_ros.visualisation.canvas import NIGHT, WHITE, Picture

_BAR, _MARGIN, _LABELS = 18, 14, 84  # widths of the colour bar, around it and of its labels, pixels
_TICKS = 5
_EXTREME = 0.5  # percent of the pixels at either end that get the same colour


def draw_degrees(celsius: NDArray[np.float32]) -> Picture:
    """Draw temperatures and their scale.

    Args:
        celsius: float32 (H, W), degrees Celsius; NaN, which is dark, where nothing is known.

    Returns:
        uint8 BGR, as high as the image and wider than it by the scale.
    """
    known = np.isfinite(celsius)
    low, high = np.percentile(celsius[known], (_EXTREME, 100 - _EXTREME)) if known.any() else (0.0, 0.0)
    span = max(float(high - low), 1e-3)
    grey = np.clip(255 * (np.where(known, celsius, low) - low) / span, 0, 255).astype(np.uint8)
    height, width = celsius.shape
    picture = np.full((height, width + 2 * _MARGIN + _BAR + _LABELS, 3), NIGHT, np.uint8)
    picture[:, :width][known] = canvas.inferno(grey)[known]

    top, bottom, left = min(_MARGIN, height // 4), height - min(_MARGIN, height // 4), width + _MARGIN
    ramp = np.linspace(255, 0, bottom - top).astype(np.uint8)[:, None].repeat(_BAR, 1)
    picture[top:bottom, left : left + _BAR] = canvas.inferno(ramp)
    for place in np.linspace(0, 1, _TICKS):
        label = f"{high - place * span:.1f} C"
        row = top + place * (bottom - top - 1)
        canvas.write(picture, label, (left + _BAR + 8, row), min(11, height / 12), WHITE)
    return picture
