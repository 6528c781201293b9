"""How sharp an image is, and how much of what a camera shows has changed: to choose frames of a drive."""

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH = 320  # pixels at which sharpness is told: finer detail is noise
_BLUR = 2.0  # px of these
_CELLS = 64, 48
_CHANGED = 0.5  # standard deviations of the image by which a cell has changed


def sharpness(grey: NDArray[np.uint8]) -> float:
    """The part of an image's gradients that a blur takes away, in the direction where that is least.

    A sharp image loses much to a blur, one that is blurred already little, whatever it shows (Crete et al.
    2007, "The blur effect"). A camera that moves blurs along one direction only.

    Args:
        grey: (H, W).

    Returns:
        In [0, 1]; 0 for an image without gradients.
    """
    height, width = grey.shape
    scale = min(1.0, _WIDTH / width)
    size = max(2, round(scale * width)), max(2, round(scale * height))
    small = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), _BLUR)
    lost = []
    for axis in (0, 1):
        before, after = (float(np.abs(np.diff(image, axis=axis)).sum()) for image in (small, blurred))
        lost.append(1 - after / before if before > 0 else 0.0)
    return max(0.0, min(lost))


class Look:
    """What a camera shows, small enough to be kept."""

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        """Reduce an image (H, W)."""
        cells = cv2.resize(grey.astype(np.float32), _CELLS, interpolation=cv2.INTER_AREA)
        self._cells = (cells - cells.mean()) / max(float(cells.std()), 1.0)

    def change(self, other: "Look") -> float:
        """The fraction of the image that shows something else; the same under another exposure."""
        return float((np.abs(self._cells - other._cells) > _CHANGED).mean())
