"""Painted textures: each stroke has a colour and a temperature."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.scene.camera import Float32
from distillmatch_ros.scene.raster import Texture

Colour = NDArray[np.floating]  # (3,) linear BGR reflectance; values above 1 are emitted light
Points = Sequence[tuple[float, float]]
_SHIFT = 4  # cv2 takes polygon corners in 1/16 texel


def colour(code: str, light: float = 1.0) -> Colour:
    """Linear reflectance of an sRGB code such as ``"c8553d"``, times ``light``."""
    rgb = np.array([int(code[i : i + 2], 16) for i in (4, 2, 0)], np.float32) / 255
    return np.asarray(light * rgb**2.2, np.float32)


def glow(code: str, strength: float) -> Colour:
    """A light-emitting colour of the given strength."""
    return 1 + strength * colour(code)


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 1) -> Float32:
    """Smooth random field, float32 ``shape``, of about unit variance.

    Args:
        rng: random generator.
        shape: rows and columns.
        cell: size of the largest features, pixels.
        octaves: number of layers, each with half the feature size and half the amplitude of the previous one.
    """
    finest = cell / 2 ** (octaves - 1)
    grid = [round(side / finest) + 3 for side in shape]
    total = np.zeros(grid, np.float32)  # at the resolution of the finest layer, for speed
    for octave in range(octaves):
        coarse = [(side >> (octaves - 1 - octave)) + 3 for side in grid]
        bumps = rng.standard_normal(coarse, dtype=np.float32)
        total += 0.5**octave * cv2.resize(bumps, grid[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(total / total.std(), shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def path(*numbers: float) -> Points:
    """Points from alternating x and y."""
    return list(zip(numbers[::2], numbers[1::2], strict=True))


class Sheet:
    """A texture being painted. Coordinates are metres from its top left corner, x right, y down.

    A stroke with ``paint=None`` is visible to the thermal camera only (a warm radiator behind a wall), one
    with ``heat=None`` to the visible camera only (a poster): both must lie on a painted area.

    Args:
        size: width and height, metres.
        density: texels per metre.
    """

    def __init__(self, size: tuple[float, float], density: float) -> None:
        self.size, self.density = size, density
        width, height = (max(2, round(side * density)) for side in size)
        self.visible = np.zeros((height, width, 4), np.float32)
        self.thermal = np.zeros((height, width, 2), np.float32)

    def texture(self) -> Texture:
        return Texture(self.visible, self.thermal, self.size)

    def fill(self, paint: Colour, heat: float) -> None:
        self.rectangle(0, 0, *self.size, paint, heat)

    def rectangle(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        paint: Colour | None,
        heat: float | None = None,
        opacity: float = 1.0,
    ) -> None:
        box = np.clip(np.round(np.array([x0, y0, x1, y1]) * self.density), 0, None).astype(int)
        self._lay(np.s_[box[1] : box[3], box[0] : box[2]], opacity, paint, heat)

    def polygon(
        self,
        points: Points,
        paint: Colour | None,
        heat: float | None = None,
        opacity: float = 1.0,
    ) -> None:
        corners = np.asarray(points, np.float64) * self.density - 0.5
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, self.visible.shape[1::-1])
        if np.any(high <= low):
            return
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        fixed = np.round((corners - low) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        self._lay(window, mask[..., None] * np.float32(opacity / 255), paint, heat)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        paint: Colour | None,
        heat: float | None = None,
        opacity: float = 1.0,
    ) -> None:
        angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        points = [(x + rx * c, y + ry * s) for c, s in zip(np.cos(angle), np.sin(angle), strict=True)]
        self.polygon(points, paint, heat, opacity)

    def stroke(
        self,
        points: Points,
        width: float,
        paint: Colour | None,
        heat: float | None = None,
    ) -> None:
        """A line with round joints through ``points``."""
        for (x0, y0), (x1, y1) in pairwise(points):
            along = np.array([x1 - x0, y1 - y0])
            sx, sy = along[::-1] / max(float(np.hypot(*along)), 1e-9) * (-width / 2, width / 2)
            self.polygon(
                [(x0 + sx, y0 + sy), (x1 + sx, y1 + sy), (x1 - sx, y1 - sy), (x0 - sx, y0 - sy)], paint, heat
            )
        for x, y in points[1:-1]:
            self.ellipse(x, y, width / 2, width / 2, paint, heat)

    def mask(
        self, alpha: NDArray[np.floating], paint: NDArray[np.floating], heat: NDArray[np.floating] | None
    ) -> None:
        """Paint the whole sheet: alpha (h, w), paint a colour or (h, w, 3), heat (h, w)."""
        self._lay(np.s_[:, :], alpha[..., None], paint, heat)

    def write(self, text: str, x: float, y: float, height: float, paint: Colour) -> None:
        """Text centred on (x, y), visible to the visible camera only, as on a real sign."""
        scale = height * self.density / 21  # the font's capitals are 21 px high at scale 1
        thickness = max(1, round(2.4 * scale))
        (width, rise), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, thickness)
        mask = np.zeros(self.visible.shape[:2], np.uint8)
        corner = (round(x * self.density - width / 2), round(y * self.density + rise / 2))
        cv2.putText(mask, text, corner, cv2.FONT_HERSHEY_DUPLEX, scale, 255, thickness, cv2.LINE_AA)
        self._lay(np.s_[:, :], mask[..., None] * np.float32(1 / 255), paint, None)

    def grain(self, shade: NDArray[np.floating], warmth: NDArray[np.floating]) -> None:
        """Multiply the paint by ``shade`` (h, w), and add ``warmth`` (h, w), degrees, to the temperature."""
        self.visible[..., :3] *= shade[..., None]
        self.thermal[..., 0] += warmth * self.thermal[..., 1]

    def _lay(
        self,
        window: tuple[slice, slice],
        alpha: NDArray[np.floating] | float,
        paint: NDArray[np.floating] | None,
        heat: NDArray[np.floating] | float | None,
    ) -> None:
        if paint is not None:
            _over(self.visible[window], alpha, paint)
        if heat is not None:
            felt = self.thermal[window]
            if paint is None:
                alpha = alpha * felt[..., 1:]
            _over(felt, alpha, np.atleast_3d(heat))


def _over(layer: Float32, alpha: NDArray[np.floating] | float, value: NDArray[np.floating]) -> None:
    """Blend a value over a layer with premultiplied alpha in its last channel."""
    if isinstance(alpha, float) and alpha == 1:  # the most frequent case, and much faster
        layer[..., :-1] = value
        layer[..., -1] = 1
    else:
        layer *= 1 - alpha
        layer[..., :-1] += alpha * value
        layer[..., -1:] += alpha
