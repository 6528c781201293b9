"""Two cameras on a car that drives along the street."""

import numpy as np

from distillmatch_ros.scene import world
from distillmatch_ros.scene.camera import SyntheticCamera, intrinsics, rotation
from distillmatch_ros.scene.climate import DAY, NIGHT
from distillmatch_ros.scene.light import radiance, temperature
from distillmatch_ros.scene.pair import SyntheticPair, develop
from distillmatch_ros.scene.raster import rasterise

VISIBLE_SIZE, THERMAL_SIZE = (960, 720), (640, 512)


class Scene:
    """A drive along a street. The same seed gives the same pixels.

    Args:
        seed: seed of the street and of the cameras' mounting on the car.
        night: whether it is night, with street lamps.
        baseline: sideways distance of the cameras, metres; by default one of 5 to 8 cm, by the seed.
        k1: radial distortion of both lenses.
    """

    def __init__(
        self, seed: int, *, night: bool = False, baseline: float | None = None, k1: float = 0.0
    ) -> None:
        rng = np.random.default_rng([seed, night])
        self._seed = seed
        self._climate = NIGHT if night else DAY
        self._street = world.Street(rng, self._climate)
        self._mount = rotation(*np.radians(rng.uniform(-1, 1, 3)))
        self._baseline = np.array([rng.uniform(0.05, 0.08), rng.uniform(-0.02, 0.02), 0])  # metres
        if baseline is not None:
            self._baseline[0] = baseline
        self._view = rng.uniform(43, 47)  # horizontal field of view of the thermal camera, degrees
        self._k1 = k1

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
        cameras = visible_camera, thermal_camera
        return develop(cameras, (visible, thermal), light, celsius, self._climate, rng)

    def _cameras(self, time: float) -> tuple[SyntheticCamera, SyntheticCamera]:
        """The visible and the thermal camera on a slightly swaying car."""
        pitch, yaw = 0.012 + 0.004 * np.sin(3.1 * time), 0.035 + 0.02 * np.sin(0.5 * time)
        heading = rotation(pitch, yaw, 0.004 * np.sin(1.3 * time))
        centre = np.array([world.EGO_X + 0.15 * np.sin(0.4 * time), -1.75, world.EGO_SPEED * time])
        beside = centre + heading.T @ self._baseline
        turned, lens = self._mount @ heading, intrinsics(THERMAL_SIZE, self._view)
        return (
            SyntheticCamera(VISIBLE_SIZE, intrinsics(VISIBLE_SIZE, 60), heading, centre, self._k1),
            SyntheticCamera(THERMAL_SIZE, lens, turned, beside, self._k1),
        )


def render_pair(seed: int, *, night: bool = False, time: float = 0.0) -> SyntheticPair:
    """Render one pair of a new street, ``time`` seconds into the drive."""
    return Scene(seed, night=night).render(time)
