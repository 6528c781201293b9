"""A pair of synthetic images: sensor effects, and the true geometry between both cameras."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.scene.camera import Float32, SyntheticCamera
from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.raster import Canvas

KELVIN = 273.15


@dataclass(frozen=True, eq=False)
class Truth:
    """Where the scene points in the pixels of one camera appear in the other's image.

    Attributes:
        places: float32 (H, W, 2), pixels (x, y) of the other image; NaN outside it, and where hidden.
        hidden: bool (H, W), the other camera sees something nearer there.
    """

    places: Float32
    hidden: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SyntheticPair:
    """Images of both cameras at one time, with the true geometry.

    Attributes:
        visible: uint8 (720, 960, 3), BGR.
        thermal: uint16 (512, 640), apparent temperature in hundredths of a kelvin.
        truth: float32 (512, 640, 2), the visible pixel (x, y) in which each thermal pixel's scene point
            appears; NaN if it is outside the visible image or occluded there.
        depth: float32 (512, 640), metres along the thermal camera's optical axis; infinite for the sky.
        visible_depth: float32 (720, 960), metres along the visible camera's optical axis.
        visible_camera: pose and intrinsics of the visible camera.
        thermal_camera: pose and intrinsics of the thermal camera.
    """

    visible: NDArray[np.uint8]
    thermal: NDArray[np.uint16]
    truth: Float32
    depth: Float32
    visible_depth: Float32
    visible_camera: SyntheticCamera
    thermal_camera: SyntheticCamera

    @cached_property
    def visible_truth(self) -> Truth:
        """Where the scene point of each visible pixel appears in the thermal image."""
        here, there = (np.float32(1) / depth for depth in (self.visible_depth, self.depth))
        return _truth(here, self.visible_camera, there, self.thermal_camera)


def develop(
    cameras: tuple[SyntheticCamera, SyntheticCamera],
    canvases: tuple[Canvas, Canvas],
    light: Float32,
    celsius: Float32,
    climate: Climate,
    rng: np.random.Generator,
) -> SyntheticPair:
    """Make a pair of what arrives at both cameras; the visible one comes first.

    Args:
        cameras: both cameras.
        canvases: what they see.
        light: float32 (H, W, 3), radiance at the visible camera, linear BGR.
        celsius: float32 (H, W), apparent temperature at the thermal camera.
        climate: exposure and grain of the visible camera.
        rng: for the noise.
    """
    visible, thermal = canvases
    with np.errstate(divide="ignore"):
        visible_depth, depth = (np.asarray(1 / each.inverse_depth, np.float32) for each in canvases)
    return SyntheticPair(
        visible=_expose(light, climate, rng),
        thermal=_measure(celsius, rng),
        truth=_truth(thermal.inverse_depth, cameras[1], visible.inverse_depth, cameras[0]).places,
        depth=depth,
        visible_depth=visible_depth,
        visible_camera=cameras[0],
        thermal_camera=cameras[1],
    )


def _truth(here: Float32, camera: SyntheticCamera, there: Float32, other: SyntheticCamera) -> Truth:
    """Places of one camera's pixels in the other's image, by the inverse depths that both see."""
    # Camera rotation maps pixels by a homography; translation adds a shift proportional to inverse depth.
    onto = other.matrix @ other.rotation
    turn = onto @ np.linalg.inv(camera.matrix @ camera.rotation)
    shift = onto @ (camera.centre - other.centre)
    rows, columns = np.indices(here.shape)
    if camera.k1:
        columns, rows = np.moveaxis(camera.straight.astype(np.float64), -1, 0)
    x, y, z = (
        across * columns + down * rows + offset + moved * here
        for (across, down, offset), moved in zip(turn, shift, strict=True)
    )
    x, y = other.bent(x / z, y / z)
    inverse_depth = here / z

    height, width = there.shape
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    nearest = np.where(inside, y, 0).round().astype(int), np.where(inside, x, 0).round().astype(int)
    # Along the road, inverse depth increases by 7e-4 per pixel: a larger difference means occlusion.
    differ = np.abs(there[nearest] - inverse_depth) > 2e-3 + 0.03 * inverse_depth
    places = np.where((inside & ~differ)[..., None], np.stack([x, y], axis=-1), np.nan).astype(np.float32)
    return Truth(places, inside & differ & (there[nearest] > inverse_depth))


def _expose(light: Float32, climate: Climate, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Visible camera: glare around lights, film-like tone curve, noise."""
    height, width = light.shape[:2]
    small = cv2.resize(np.clip(light - 0.9, 0, 5), (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    for sigma, share in ((2.5, 0.35), (16, 0.3)):
        halo = cv2.GaussianBlur(small, (0, 0), sigma)
        light = np.asarray(light + share * cv2.resize(halo, (width, height)), np.float32)
    x = climate.exposure * light
    curve = np.sqrt(np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1))
    noisy = 255 * curve + climate.grain * rng.standard_normal((height, width, 1), dtype=np.float32)
    image: NDArray[np.uint8] = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
    return image


def _measure(celsius: Float32, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Microbolometer: slight blur, warming by the housing towards the corners, column noise."""
    height, width = celsius.shape
    x, y = np.linspace(-1, 1, width), np.linspace(-0.8, 0.8, height)[:, None]
    housing = 0.9 * (x**2 + y**2)
    noise = 0.06 * rng.standard_normal((height, width)) + 0.05 * rng.standard_normal((1, width))
    kelvin = cv2.GaussianBlur(celsius, (0, 0), 0.8) + housing + noise + KELVIN
    return np.clip(100 * kelvin + 0.5, 0, 65535).astype(np.uint16)
