"""Two cameras on a car: images with sensor effects, and the true geometry."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.scene import world
from distillmatch_ros.scene.climate import DAY, NIGHT, Climate
from distillmatch_ros.scene.light import radiance, temperature
from distillmatch_ros.scene.raster import Canvas, Float32, Float64, Pinhole, rasterise

VISIBLE_SIZE, THERMAL_SIZE = (960, 720), (640, 512)
KELVIN = 273.15


@dataclass(frozen=True, eq=False)
class SyntheticPair:
    """Images of both cameras at one time, with the true geometry.

    Attributes:
        visible: uint8 (720, 960, 3), BGR.
        thermal: uint16 (512, 640), apparent temperature in hundredths of a kelvin.
        truth: float32 (512, 640, 2), the visible pixel (x, y) in which each thermal pixel's scene point
            appears; NaN if it is outside the visible image or occluded there.
        depth: float32 (512, 640), metres along the thermal camera's optical axis; infinite for the sky.
        visible_camera: pose and intrinsics of the visible camera.
        thermal_camera: pose and intrinsics of the thermal camera.
    """

    visible: NDArray[np.uint8]
    thermal: NDArray[np.uint16]
    truth: Float32
    depth: Float32
    visible_camera: Pinhole
    thermal_camera: Pinhole


class Scene:
    """A drive along a street. The same seed gives the same pixels.

    Args:
        seed: seed of the street and of the cameras' mounting on the car.
        night: whether it is night, with street lamps.
    """

    def __init__(self, seed: int, *, night: bool = False) -> None:
        rng = np.random.default_rng([seed, night])
        self._seed = seed
        self._climate = NIGHT if night else DAY
        self._street = world.Street(rng, self._climate)
        self._mount = _rotation(*np.radians(rng.uniform(-1, 1, 3)))
        self._baseline = np.array([rng.uniform(0.05, 0.08), rng.uniform(-0.02, 0.02), 0])  # metres
        self._view = rng.uniform(43, 47)  # horizontal field of view of the thermal camera, degrees

    def render(self, time: float = 0.0) -> SyntheticPair:
        """Render both cameras' images after a drive of ``time`` seconds."""
        rng = np.random.default_rng([self._seed, int(self._climate.night), abs(round(1e3 * time))])
        visible_camera, thermal_camera = self._cameras(time)
        camera_z = float(visible_camera.centre[2])
        surfaces, sky = self._street.surfaces(time, camera_z), self._street.sky(camera_z)
        visible = rasterise(visible_camera, surfaces, "visible")
        thermal = rasterise(thermal_camera, surfaces, "thermal")
        above = rasterise(visible_camera, [sky], "visible"), rasterise(thermal_camera, [sky], "thermal")
        light = radiance(visible, above[0], visible_camera, self._street, self._climate)
        celsius = temperature(thermal, above[1], thermal_camera, self._street, self._climate)
        with np.errstate(divide="ignore"):
            depth = np.asarray(1 / thermal.inverse_depth, np.float32)
        return SyntheticPair(
            visible=_expose(light, self._climate, rng),
            thermal=_measure(celsius, rng),
            truth=_truth(thermal, thermal_camera, visible, visible_camera),
            depth=depth,
            visible_camera=visible_camera,
            thermal_camera=thermal_camera,
        )

    def _cameras(self, time: float) -> tuple[Pinhole, Pinhole]:
        """The visible and the thermal camera on a slightly swaying car."""
        pitch, yaw = 0.012 + 0.004 * np.sin(3.1 * time), 0.035 + 0.02 * np.sin(0.5 * time)
        heading = _rotation(pitch, yaw, 0.004 * np.sin(1.3 * time))
        centre = np.array([world.EGO_X + 0.15 * np.sin(0.4 * time), -1.75, world.EGO_SPEED * time])
        beside = centre + heading.T @ self._baseline
        return (
            Pinhole(VISIBLE_SIZE, _intrinsics(VISIBLE_SIZE, 60), heading, centre),
            Pinhole(THERMAL_SIZE, _intrinsics(THERMAL_SIZE, self._view), self._mount @ heading, beside),
        )


def render_pair(seed: int, *, night: bool = False, time: float = 0.0) -> SyntheticPair:
    """Render one pair of a new street, ``time`` seconds into the drive."""
    return Scene(seed, night=night).render(time)


def _intrinsics(size: tuple[int, int], view: float) -> Float64:
    """Camera matrix for a horizontal field of view of ``view`` degrees."""
    width, height = size
    focal = width / 2 / np.tan(np.radians(view / 2))
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def _rotation(pitch: float, yaw: float, roll: float) -> Float64:
    return np.asarray(cv2.Rodrigues(np.array([pitch, yaw, roll]))[0], np.float64)


def _truth(thermal: Canvas, thermal_camera: Pinhole, visible: Canvas, visible_camera: Pinhole) -> Float32:
    # Camera rotation maps pixels by a homography; translation adds a shift proportional to inverse depth.
    onto = visible_camera.matrix @ visible_camera.rotation
    turn = onto @ np.linalg.inv(thermal_camera.matrix @ thermal_camera.rotation)
    shift = onto @ (thermal_camera.centre - visible_camera.centre)
    rows, columns = np.indices(thermal.inverse_depth.shape)
    x, y, z = (
        across * columns + down * rows + offset + moved * thermal.inverse_depth
        for (across, down, offset), moved in zip(turn, shift, strict=True)
    )
    x, y, inverse_depth = x / z, y / z, thermal.inverse_depth / z

    height, width = visible.inverse_depth.shape
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    nearest = np.where(inside, y, 0).round().astype(int), np.where(inside, x, 0).round().astype(int)
    # Along the road, inverse depth increases by 7e-4 per pixel: a larger difference means occlusion.
    hidden = np.abs(visible.inverse_depth[nearest] - inverse_depth) > 2e-3 + 0.03 * inverse_depth
    return np.where((inside & ~hidden)[..., None], np.stack([x, y], axis=-1), np.nan).astype(np.float32)


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
