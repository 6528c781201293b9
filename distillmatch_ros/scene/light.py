"""Illumination by sun and lamps, and the sun's contribution to temperatures."""

import numpy as np

from distillmatch_ros.scene import world
from distillmatch_ros.scene.camera import Float32, SyntheticCamera
from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.paint import colour
from distillmatch_ros.scene.raster import Canvas

CLEAR = 380.0  # metres after which the air has absorbed 63 % of the light


def radiance(
    canvas: Canvas, sky: Canvas, camera: SyntheticCamera, street: world.Street, climate: Climate
) -> Float32:
    """Radiance at the visible camera, float32 (H, W, 3) linear BGR; 1 is white in full light."""
    points = _points(canvas, camera)
    if climate.night:
        light = climate.ambient + _lamplight(points)[..., None] * colour("ffd3a0")
        light += _headlight(points, camera)[..., None] * colour("fff1dd")
    else:
        light = climate.ambient + (canvas.sun * street.sunshine(points, 0.25))[..., None] * climate.sunlight
    paint, alpha = canvas.pixels[..., :3], canvas.pixels[..., 3:]
    own = np.maximum(paint - alpha, 0)
    clear = np.exp(-1 / CLEAR / np.maximum(canvas.inverse_depth, 1e-4))[..., None]
    hazy = alpha * climate.haze * (1 - clear) + ((paint - own) * light + own) * clear
    return np.asarray(hazy + (1 - alpha) * sky.pixels[..., :3], np.float32)


def temperature(
    canvas: Canvas, sky: Canvas, camera: SyntheticCamera, street: world.Street, climate: Climate
) -> Float32:
    """Apparent temperature at the thermal camera, float32 (H, W), degrees Celsius."""
    celsius, alpha = canvas.pixels[..., 0], canvas.pixels[..., 1]
    if climate.solar:
        # Shadows move faster than surfaces cool: in the thermal image their edges are soft.
        sunlit = canvas.sun * street.sunshine(_points(canvas, camera), 1.2)
        celsius = celsius + climate.solar * alpha * sunlit
    return np.asarray(celsius + (1 - alpha) * sky.pixels[..., 0], np.float32)


def _points(canvas: Canvas, camera: SyntheticCamera) -> Float32:
    """World points of all pixels, float32 (H, W, 3)."""
    depth = 1 / np.maximum(canvas.inverse_depth, np.float32(1e-4))
    return np.asarray(camera.rays * depth[..., None] + camera.centre, np.float32)


def _lamplight(points: Float32) -> Float32:
    """Irradiance from the nearest street lamp on either side."""
    total = np.zeros(points.shape[:2], np.float32)
    fall = points[..., 1] + world.LAMP_HEIGHT
    along = points[..., 2] % world.LAMP_SPACING - world.LAMP_SPACING / 2
    for x in (-world.LAMP_X, world.LAMP_X):
        square = (points[..., 0] - x) ** 2 + fall**2 + along**2 + 0.4
        downward = np.clip(fall / np.sqrt(square), 0, 1)
        total += 22 * (0.06 + 0.94 * downward**2) / square
    return total


def _headlight(points: Float32, camera: SyntheticCamera) -> Float32:
    """Irradiance from the car's own low beam."""
    ahead = np.maximum(points[..., 2] - np.float32(camera.centre[2]), 1)
    aside = (points[..., 0] - np.float32(camera.centre[0])) / ahead
    above = (-points[..., 1] - 0.65) / ahead
    beam = np.exp(-((aside / 0.32) ** 2)) / (1 + np.exp((above - 0.005) / 0.012))
    strength: Float32 = 0.8 * beam / (1 + (ahead / 14) ** 2)
    return strength
