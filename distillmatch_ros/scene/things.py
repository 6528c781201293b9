"""Painted textures of trees, people, lamps, signs and the sky."""

import numpy as np

from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.paint import Sheet, colour, glow, noise, path
from distillmatch_ros.scene.raster import Texture

COATS = ("b23a48", "274c77", "e0a458", "3d5a46", "d9cfc1", "5b4b6e", "2e2f35", "8c6a4f")
TROUSERS = ("2b303a", "4a5568", "6b5b4b", "20242b", "8a8577")
SKINS = ("f1c9a5", "d9a066", "a8714a", "6f4a34")
DARK = colour("1b1e22")


def tree(rng: np.random.Generator, climate: Climate) -> Texture:
    """A broad-leaved tree."""
    width, height = rng.uniform(3.8, 5.0), rng.uniform(6.0, 8.0)
    sheet = Sheet((width, height), 36)
    middle, bark = width / 2, colour("5a4636")
    fork, foot = height * 0.35, height
    trunk = path(middle - 0.19, foot, middle - 0.1, fork, middle + 0.1, fork, middle + 0.19, foot)
    sheet.polygon(trunk, bark, climate.trunk)
    for aside in (-0.22 * width, 0.22 * width):
        branch = path(middle, height * 0.68, middle + aside, height * 0.4)
        sheet.stroke(branch, 0.11, bark, climate.trunk)

    rows, columns = sheet.thermal.shape[:2]
    x, y = np.meshgrid(np.linspace(0, width, columns), np.linspace(0, height, rows))
    swell, light = np.full((rows, columns), -9.0), np.zeros((rows, columns))
    for _ in range(26):  # leaf clusters on a sphere, with their distance from the rim and shading
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform())
        aside, below = reach * np.cos(angle), reach * np.sin(angle)
        radius = rng.uniform(0.17, 0.24) * width
        dx = (x - middle - 0.3 * width * aside) / radius
        dy = (y - (0.34 + 0.22 * below) * height) / radius
        inside = 1 - dx**2 - dy**2
        light = np.where(inside > swell, -0.17 * dx - 0.28 * dy - 0.2 * aside - 0.35 * below, light)
        swell = np.maximum(swell, inside)
    leaves = noise(rng, (rows, columns), 9, 2)
    tone = np.round(4 * (0.9 + 0.75 * light + 0.13 * leaves)) / 4  # few levels, as if painted
    alpha = np.clip((swell + 0.2 * leaves) / 0.12, 0, 1)
    warmth = climate.foliage + 0.7 * noise(rng, (rows, columns), 24, 3) + 2.2 * (tone - 1)
    hue = colour(rng.choice(["5f7f3a", "4f7a45", "7d8a3c", "6b8f4e"]))
    sheet.mask(alpha, hue * np.clip(tone, 0.3, 1.7)[..., None], warmth)
    return sheet.texture()


def person(seed: int, phase: float, climate: Climate, density: float = 80) -> Texture:
    """A person, 0.9 m x 1.8 m, from behind or in front; ``phase`` in [0, 1) is the phase of the stride."""
    rng = np.random.default_rng(seed)
    coat, legs, skin = (colour(rng.choice(choices)) for choices in (COATS, TROUSERS, SKINS))
    hair = colour(rng.choice(["2a2019", "5a3d28", "8d6b43", "3a3a3e"]))
    cloth = climate.cloth + rng.normal(0, 0.8)
    sheet = Sheet((0.9, 1.8), density)
    swing = 0.16 * np.sin(2 * np.pi * phase)
    for side, shade in ((-1, 0.75), (1, 1.0)):
        foot = 0.45 + side * (0.07 + swing * side * 0.6)
        lift = 0.05 * max(0.0, -side * float(np.cos(2 * np.pi * phase)))
        knee = (0.45 + side * 0.09 + swing * 0.4, 1.36)
        sheet.stroke([(0.45 + side * 0.07, 0.95), knee, (foot, 1.72 - lift)], 0.14, legs * shade, cloth - 1)
        sheet.ellipse(foot + 0.02, 1.75 - lift, 0.09, 0.045, DARK, climate.paving)
        hand = (0.45 + side * 0.25 - swing * 0.7, 0.98)
        arm = [(0.45 + side * 0.17, 0.42), (0.45 + side * 0.24, 0.7), hand]
        sheet.stroke(arm, 0.1, coat * shade, cloth - 0.5)
        sheet.ellipse(*hand, 0.045, 0.055, skin, climate.skin - 2)
    jacket = path(
        0.25, 0.4, 0.34, 0.31, 0.56, 0.31, 0.65, 0.4, 0.63, 0.72, 0.66, 1.02, 0.24, 1.02, 0.27, 0.72
    )
    sheet.polygon(jacket, coat, cloth)
    shaded = path(0.5, 0.31, 0.56, 0.31, 0.65, 0.4, 0.63, 0.72, 0.66, 1.02, 0.52, 1.02)
    sheet.polygon(shaded, coat * 0.8, cloth - 0.4)
    sheet.rectangle(0.4, 0.25, 0.5, 0.34, skin, climate.skin)
    sheet.ellipse(0.45, 0.17, 0.1, 0.135, skin, climate.skin)
    locks = path(0.34, 0.2, 0.34, 0.1, 0.4, 0.03, 0.5, 0.03, 0.56, 0.1, 0.56, 0.2, 0.53, 0.12, 0.38, 0.11)
    sheet.polygon(locks, hair, climate.skin - 5)
    if seed % 3 == 0:  # a bag, colder than the coat
        sheet.rectangle(0.6, 0.78, 0.78, 1.06, colour("7a4b2a"), climate.paving)
    return sheet.texture()


def lamp_post(climate: Climate) -> Texture:
    """A street lamp with an arm to the right."""
    sheet = Sheet((1.6, 6.6), 60)
    iron, heat = colour("3b4446"), climate.metal + 1
    sheet.stroke(path(0.12, 6.6, 0.12, 0.5), 0.12, iron, heat)
    sheet.stroke(path(0.12, 6.6, 0.12, 5.6), 0.2, iron, heat)
    sheet.stroke(path(0.12, 0.6, 0.3, 0.22, 0.7, 0.12, 1.2, 0.12), 0.08, iron, heat)
    sheet.polygon(path(0.95, 0.08, 1.5, 0.08, 1.55, 0.24, 0.9, 0.24), iron, climate.lamp - 4)
    bulb = glow("ffd9a0", 5) if climate.night else colour("f4efe2")
    sheet.polygon(path(0.95, 0.22, 1.5, 0.22, 1.42, 0.32, 1.02, 0.32), bulb, climate.lamp)
    return sheet.texture()


def road_sign(rng: np.random.Generator, climate: Climate) -> Texture:
    """A round sign on a pole: a speed limit, a direction or no stopping."""
    sheet = Sheet((0.7, 2.8), 80)
    sheet.stroke(path(0.35, 2.8, 0.35, 0.2), 0.07, colour("8d9496"), climate.metal)
    red, blue, white = colour("c0262d"), colour("2860b8"), colour("f3f1ea")
    rim, face, text = [(red, white, "30"), (blue * 0.7, blue, "P"), (red, blue, "")][rng.integers(3)]
    sheet.ellipse(0.35, 0.35, 0.34, 0.34, rim, climate.metal - 2)
    sheet.ellipse(0.35, 0.35, 0.26, 0.26, face, climate.metal - 2)
    sheet.write(text, 0.35, 0.35, 0.2, DARK if face is white else white)
    return sheet.texture()


def sky(rng: np.random.Generator, climate: Climate) -> Texture:
    """The whole sky as radiance, with the horizon at the bottom edge."""
    height, width = 320, 960
    sheet = Sheet((width, height), 1)
    rise = np.repeat(np.linspace(1, 0, height)[:, None], width, axis=1)
    low, high = (colour(code) for code in (("46405c", "0d1430") if climate.night else ("eaf2f4", "5b94d6")))
    felt = climate.sky_low + (climate.sky_high - climate.sky_low) * rise**0.5
    sheet.mask(np.ones_like(rise), low + (high - low) * (rise**0.55)[..., None], felt)
    billows = np.repeat(noise(rng, (height, width // 2), 90, 5), 2, axis=1)  # twice as wide as high
    clouds = np.clip(billows - 0.25 - 0.9 * rise, 0, 1) ** 0.8
    sheet.mask(
        clouds, colour("3d3a52") if climate.night else colour("ffffff", 1.1), (felt + climate.cloud) / 2
    )
    if climate.night:
        sheet.ellipse(width * rng.uniform(0.43, 0.57), 190, 2.2, 2.2, colour("fff6dd", 2))
    return sheet.texture()
