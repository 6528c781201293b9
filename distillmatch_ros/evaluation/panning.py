"""What a rig of known homography sees that pans over a still, made of an aligned pair."""

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.scene import Scene

VISIBLE, THERMAL = (384, 512), (256, 320)
"""Sizes of the images of both cameras, (height, width)."""
TRUTH = np.array([[1.15, 0.01, 70.0], [-0.008, 1.15, 45.0], [0.0, 0.0, 1.0]])
"""The rig's homography, thermal to visible pixels."""

Image = NDArray[np.uint8]

_ROOM = (1.15, 1.5)  # rows and columns of a still, in those of the visible image
_FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_TILT_PX = 12.0
_NOISE = (3, 2)  # grey levels of the visible and the thermal camera
_MARKS = 10  # things on a scene that repeats, which do not
_COLOURS = np.array([(60, 60, 60), (140, 90, 40), (200, 200, 210)], np.uint8)  # of ground, panels and marks
_HEAT = np.array([90, 150, 230], np.uint8)


class Place:
    """What a panning rig sees of the still of an aligned pair. The same seed gives the same pixels.

    Attributes:
        stills: the aligned images, uint8 (H, W, 3) and (H, W).
    """

    def __init__(self, visible: Image, thermal: Image, seed: int) -> None:
        """Scale two aligned images, uint8 (H, W, 3) and (H, W), so that there is room to pan."""
        scale = max(
            room * size / length for room, size, length in zip(_ROOM, VISIBLE, thermal.shape, strict=True)
        )
        size = (round(scale * thermal.shape[1]), round(scale * thermal.shape[0]))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        self.stills: tuple[Image, Image] = (
            np.asarray(cv2.resize(visible, size, interpolation=how), np.uint8),
            np.asarray(cv2.resize(thermal, size), np.uint8),
        )
        rng = np.random.default_rng(seed)
        self._turn_s = rng.uniform((3.0, 1.5), (6.0, 3.0))
        self._reach_px = rng.uniform((60.0, 5.0), (105.0, 20.0))
        self._rests_s = float(rng.choice([0.0, 1.5, 3.0]))
        self._begins = rng.uniform(0, 2 * np.pi, 2) * (self._rests_s == 0)
        self._rng = rng

    def visible(self, seconds: float) -> Image:
        """The visible camera's image at a time, uint8 (H, W, 3)."""
        return self._seen(0, self.view(seconds), VISIBLE)

    def thermal(self, seconds: float, homography: Float64 = TRUTH) -> Image:
        """The image at a time of a thermal camera with a homography, uint8 (H, W)."""
        return self._seen(1, self.view(seconds) @ homography, THERMAL)

    def _seen(self, camera: int, onto: Float64, size: Size) -> Image:
        still = self.stills[camera]
        view = cv2.warpPerspective(still, onto, size[::-1], flags=_FLAGS, borderMode=cv2.BORDER_REFLECT)
        most = _NOISE[camera]
        noise = self._rng.integers(-most, most + 1, view.shape, np.int16)
        return np.asarray(np.clip(view.astype(np.int16) + noise, 0, 255), np.uint8)

    def view(self, seconds: float) -> Float64:
        """From pixels of the visible image to those of the still: to and fro, some places at rest first."""
        since = max(0.0, seconds - self._rests_s) if self._rests_s else seconds
        turned = np.cos(2 * np.pi * since / self._turn_s + self._begins)
        rows, columns = self.stills[1].shape
        x = (columns - VISIBLE[1]) / 2 - float(self._reach_px @ turned)
        y = (rows - VISIBLE[0]) / 2 - _TILT_PX * turned[1]
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def synthetic_place(seed: int) -> Place:
    """A street of `scene`, both images of which are seen from one point."""
    pair = Scene(seed, night=bool(seed % 2), baseline=0.0).render()
    known = np.isfinite(pair.truth[..., 0])
    rows, columns = np.nonzero(known)
    onto, _ = cv2.findHomography(np.stack([columns, rows], axis=1).astype(np.float64), pair.truth[known], 0)
    visible = cv2.warpPerspective(pair.visible, onto, pair.thermal.shape[::-1], flags=_FLAGS)
    low, high = np.percentile(pair.thermal, (0.5, 99.5))
    thermal = np.clip((pair.thermal - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    return Place(np.asarray(visible, np.uint8), thermal, seed)


def repeating_place(period: int, seed: int) -> Place:
    """Panels that repeat, with a few marks that do not; the period is in pixels of the visible image."""
    rows, columns = (round(room * length) for room, length in zip(_ROOM, VISIBLE, strict=True))
    rng, gap = np.random.default_rng([seed, period]), max(1, round(period / 16))
    kinds = np.zeros((rows, columns), np.uint8)  # 0 between panels, 1 on them, 2 on marks
    for x in range(0, columns, period):
        for y in range(0, rows, period):
            kinds[y + gap : y + period - gap, x + gap : x + period - gap] = 1
    for x, y in rng.integers(0, (columns, rows), (_MARKS, 2)).tolist():
        cv2.circle(kinds, (x, y), 6, 2, -1)
    visible, thermal = (cv2.GaussianBlur(values[kinds], (3, 3), 0) for values in (_COLOURS, _HEAT))
    return Place(np.asarray(visible, np.uint8), np.asarray(thermal, np.uint8), seed)
