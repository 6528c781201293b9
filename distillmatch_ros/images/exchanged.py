"""Whether the images of the two cameras are exchanged, by what they are called and by their colours.

Nobody else notices it: a thermal image given as the visible one registers nearly as well.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_THERMAL = re.compile(
    r"therm|lwir|mwir|flir|boson|lepton|optris|seek|(^|[/_-])ir([/_.\d-]|$)|infra|tau2|a65|vue"
)
_VISIBLE = re.compile(r"rgb|colou?r|visible|(^|[/_-])(vis|eo)([/_.-]|$)|usb_cam")

_ROWS, _COLUMNS = 96, 128  # of pixels that are looked at
_GREY, _COLOURED = 24, 48  # difference of a pixel's channels: at most, and at least
_BRIGHTNESS = slice(5, 27)  # of 32 levels, without the darkest and the brightest
_BOTH = 0.1
"""Fraction of an image's pixels that are coloured, or grey, where its others of the same brightness are not.
A palette has one colour for each brightness, or a few: 24 of them, in JPEG too, with a grey bar and a text
over the image, reached 0.096; a quarter of photographs exceed 0.09."""


def is_called_thermal(name: str) -> bool:
    """Whether a topic or file is called as a thermal camera's are."""
    return _THERMAL.search(name.lower()) is not None


def is_called_visible(name: str) -> bool:
    """Whether a topic or file is called as a visible camera's are."""
    return _VISIBLE.search(name.lower()) is not None


def exchanged_by_name(visible: str, thermal: str) -> str | None:
    """Why the two seem to be exchanged by their names alone; None if these do not say so.

    Args:
        visible: name of what is given as the visible camera's, such as a topic.
        thermal: likewise.
    """
    is_thermal = is_called_thermal(visible) and not is_called_visible(visible)
    is_visible = is_called_visible(thermal) and not is_called_thermal(thermal)
    if not (is_thermal and is_visible):
        return None
    return _advice(f"{visible} is called as a thermal camera's and {thermal} as a visible one's")


def exchanged_by_colour(visible: NDArray[Any], thermal: NDArray[Any]) -> str | None:
    """Why two images seem to be exchanged by their colours alone; None if these do not say so.

    Args:
        visible: image that is given as the visible camera's, see `Frame`.
        thermal: likewise.
    """
    if _is_grey(visible) and _has_natural_colours(thermal):
        return _advice("the thermal image has natural colours and the visible one has none")
    return None


def _advice(seen: str) -> str:
    return f"visible and thermal seem to be exchanged: {seen}; if so, give them the other way round"


def _is_grey(image: NDArray[Any]) -> bool:
    if image.ndim == 2 or image.shape[2] == 1:
        return True
    return bool((np.ptp(_some(image), axis=1) <= _GREY).all())


def _has_natural_colours(image: NDArray[Any]) -> bool:
    """Whether pixels of one brightness are grey as well as coloured, which those of a palette are not."""
    if image.ndim == 2 or image.shape[2] == 1 or image.dtype != np.uint8:
        return False
    pixels = _some(image)
    apart = np.ptp(pixels, axis=1)
    level = (pixels @ (0.114, 0.587, 0.299)).astype(int) // 8
    grey, coloured = (
        np.bincount(level[chosen], minlength=32)[_BRIGHTNESS]
        for chosen in (apart < _GREY, apart >= _COLOURED)
    )
    return float(np.minimum(grey, coloured).sum()) > _BOTH * len(pixels)


def _some(image: NDArray[Any]) -> NDArray[np.float64]:
    """Some of an image's pixels, (N, 3), BGR."""
    rows, columns = image.shape[:2]
    chosen = image[:: max(1, rows // _ROWS), :: max(1, columns // _COLUMNS), :3]
    return chosen.reshape(-1, 3).astype(np.float64)
