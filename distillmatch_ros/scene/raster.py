"""Rasterises textured parallelograms through a camera: colour or temperature, and inverse depth.

The ground, or the floor, is in the plane y = 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np

from distillmatch_ros.scene.camera import Float32, Float64, SyntheticCamera

Vector = tuple[float, float, float]
Modality = Literal["visible", "thermal"]

NEAR = 0.3  # metres; closer surfaces are clipped


@dataclass(frozen=True, eq=False)
class Texture:
    """Appearance of a flat object for both cameras, with premultiplied alpha, so that edges filter cleanly.

    Attributes:
        visible: float32 (h, w, 4), BGR reflectance in [0, 1] (values above 1 are emitted light), alpha.
        thermal: float32 (h, w, 2), apparent temperature in degrees Celsius, alpha.
        size: width and height, metres.
    """

    visible: Float32
    thermal: Float32
    size: tuple[float, float]
    _shrunk: dict[tuple[Modality, int, int], Float32] = field(default_factory=dict, repr=False)

    def shrunk(self, modality: Modality, across: int, down: int) -> Float32:
        """The texture averaged over ``across`` x ``down`` texels, to avoid aliasing of distant surfaces."""
        key = (modality, across, down)
        if key not in self._shrunk:
            full = self.visible if modality == "visible" else self.thermal
            height, width = full.shape[:2]
            size = (max(1, width // across), max(1, height // down))
            self._shrunk[key] = np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.float32)
        return self._shrunk[key]

    def mirrored(self) -> "Texture":
        """The texture with left and right exchanged."""
        left_to_right = np.s_[:, ::-1]
        return Texture(self.visible[left_to_right].copy(), self.thermal[left_to_right].copy(), self.size)


@dataclass(frozen=True, eq=False)
class Surface:
    """A texture on a parallelogram in the world, visible from its front only.

    Attributes:
        texture: the texture.
        origin: its top left corner, metres.
        across: vector from there to its top right corner, metres.
        down: vector from there to its bottom left corner, metres.
        sun: fraction of direct sunlight by its orientation, in [0, 1].
    """

    texture: Texture
    origin: Vector
    across: Vector
    down: Vector
    sun: float = 0.5


@dataclass(frozen=True, eq=False)
class Canvas:
    """Rendered buffers of a camera.

    Attributes:
        pixels: float32 (H, W, C), as in ``Texture``: reflectance or temperature without light, and alpha.
        inverse_depth: float32 (H, W), 1/metres along the optical axis; 0 for background.
        sun: float32 (H, W), ``Surface.sun`` of the visible surface.
    """

    pixels: Float32
    inverse_depth: Float32
    sun: Float32


def rasterise(camera: SyntheticCamera, surfaces: Iterable[Surface], modality: Modality) -> Canvas:
    """Draw surfaces over one another in the given order, which must be from far to near."""
    width, height = camera.size
    canvas = Canvas(
        np.zeros((height, width, 4 if modality == "visible" else 2), np.float32),
        np.zeros((height, width), np.float32),
        np.zeros((height, width), np.float32),
    )
    for surface in surfaces:
        _draw(canvas, camera, surface, modality)
    return canvas


def _draw(canvas: Canvas, camera: SyntheticCamera, surface: Surface, modality: Modality) -> None:
    projection = camera.matrix @ camera.rotation
    # Columns: images of a step across, a step down and the corner, homogeneous pixels.
    plane = projection @ np.stack(
        [surface.across, surface.down, np.subtract(surface.origin, camera.centre)], axis=1
    )
    region = _region(plane, camera)
    if region is None or np.linalg.det(plane) < 1e-6:  # outside the view, seen edge-on or from behind
        return
    x0, y0, x1, y1 = region
    to_plane = np.linalg.inv(plane) @ np.array([[1.0, 0.0, x0], [0.0, 1.0, y0], [0.0, 0.0, 1.0]])

    full = surface.texture.visible
    shrinking = _texels_a_pixel(to_plane, (x1 - x0, y1 - y0), (full.shape[1], full.shape[0]))
    picture = surface.texture.shrunk(modality, *shrinking)
    rows, columns = picture.shape[:2]
    # Edges are at the centres of the outermost texels and fade outside: neighbours join without a seam.
    to_texture = np.diag([columns - 1, rows - 1, 1]) @ to_plane
    # The third row of `to_plane` is the inverse depth, linear in a pinhole's pixel; behind the camera < 0.
    if camera.k1:
        straight = camera.straight[y0:y1, x0:x1].astype(np.float64) - (x0, y0)
        inverse = (straight @ to_plane[2, :2] + to_plane[2, 2]).astype(np.float32)
        drawn = _bent(picture, straight @ to_plane[:2, :2].T + to_plane[:2, 2], inverse)
    else:
        x, y = np.arange(x1 - x0, dtype=np.float32), np.arange(y1 - y0, dtype=np.float32)[:, None]
        inverse = _linear(to_plane[2], x, y)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        flat: Any = cv2.warpPerspective(picture, to_texture, (x1 - x0, y1 - y0), flags=flags)
        drawn = np.asarray(flat, np.float32)
    if inverse.min() <= 0 or inverse.max() > 1 / NEAR:
        drawn[(inverse <= 0) | (inverse > 1 / NEAR)] = 0

    window = np.s_[y0:y1, x0:x1]
    alpha = drawn[..., -1]
    canvas.pixels[window] *= cv2.merge([1 - alpha] * drawn.shape[2])  # three times as fast as broadcasting
    canvas.pixels[window] += drawn
    solid = alpha > 0.5
    np.copyto(canvas.inverse_depth[window], inverse, where=solid)
    np.copyto(canvas.sun[window], np.float32(surface.sun), where=solid)


def _bent(picture: Float32, along: Float64, inverse: Float32) -> Float32:
    """A picture at places (s, t) of it, (H, W, 2), both times the inverse depth; nothing outside 0 to 1."""
    steps = np.subtract(picture.shape[1::-1], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = along / inverse[..., None]
    # The rim that fades is a texel wide, but not where a picture has few; cv2.remap wraps beyond 16 bits.
    rim = np.where(steps > 40, 1 / np.maximum(steps, 1), 0)
    outside = np.asarray(~((places >= -rim) & (places <= 1 + rim)).all(axis=-1), np.bool_)
    places[outside] = 0
    across, down = (np.asarray(places[..., axis] * steps[axis], np.float32) for axis in (0, 1))
    drawn = np.asarray(cv2.remap(picture, across, down, cv2.INTER_LINEAR), np.float32)
    drawn[outside] = 0
    return drawn


def _linear(row: Float64, x: Float32, y: Float32) -> Float32:
    across, down, offset = row.astype(np.float32)
    return np.asarray(x * across + y * down + offset, np.float32)


def _region(plane: Float64, camera: SyntheticCamera) -> tuple[int, int, int, int] | None:
    """Pixel box (x0, y0, x1, y1) of the part of a surface in front of the camera; None if there is none."""
    corners = [plane @ (s, t, 1.0) for s, t in ((0, 0), (1, 0), (1, 1), (0, 1))]
    polygon = []
    for here, there in zip(corners, corners[1:] + corners[:1], strict=True):
        if here[2] >= NEAR:
            polygon.append(here[:2] / here[2])
        if (here[2] >= NEAR) != (there[2] >= NEAR):
            crossing = here + (there - here) * (NEAR - here[2]) / (there[2] - here[2])
            polygon.append(crossing[:2] / NEAR)
    if not polygon:
        return None
    low, high = np.floor(np.min(polygon, axis=0)) - 1, np.ceil(np.max(polygon, axis=0)) + 2
    if camera.k1:
        low, high = camera.around(low, high)
    low, high = (np.clip(end, 0, camera.size).astype(int) for end in (low, high))
    return (low[0], low[1], high[0], high[1]) if np.all(high > low) else None


def _texels_a_pixel(to_plane: Float64, box: tuple[int, int], texels: tuple[int, int]) -> tuple[int, int]:
    """Powers of two by which to reduce a texture across and down, estimated at the centre of its box."""
    x, y = box[0] / 2, box[1] / 2
    places = to_plane @ np.array([[x, x + 1, x], [y, y, y + 1], [1, 1, 1]])
    places = places[:2] / places[2]
    steps = np.abs(places[:, 1:] - places[:, :1]).max(axis=1) * texels
    across, down = 2 ** np.clip(np.floor(np.log2(np.maximum(steps, 1))), 0, 6).astype(int)
    return int(across), int(down)
