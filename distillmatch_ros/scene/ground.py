"""Painted textures of the street's ground and of the town behind it."""

import numpy as np

from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.houses import ROOFS, WALLS
from distillmatch_ros.scene.paint import Sheet, colour, glow, noise, path
from distillmatch_ros.scene.raster import Texture

PAINT = colour("e4e2da")


def ground(
    rng: np.random.Generator, half_road: float, half_street: float, length: float, climate: Climate
) -> Texture:
    """A stretch of street from above, its far end at the top; consecutive stretches join without a seam."""
    sheet = Sheet((2 * half_street, length), 44)
    _pavement(sheet, climate)
    middle, left, right = half_street, half_street - half_road, half_street + half_road
    road = climate.road
    sheet.rectangle(left, 0, right, length, colour("6a6a6c"), road)
    for x in (left, right - 0.25):
        sheet.rectangle(x, 0, x + 0.25, length, colour("cbc6bb"), climate.paving - 1)  # kerb stones
    for x in (left + 0.25, right - 0.33):
        sheet.rectangle(x, 0, x + 0.08, length, colour("3e3e40"), road + 0.8)  # and the gutter
    for x in (middle + rng.uniform(0.6, 1.2), middle - rng.uniform(2.0, 2.6)):
        ys = np.linspace(-0.2, length + 0.2, 9)
        xs = x + rng.normal(0, 0.02, 9)
        xs[-1] = xs[0]
        seam = list(zip(xs.tolist(), ys.tolist(), strict=True))
        sheet.stroke(
            seam, 0.05, colour("424244"), road + 1.6
        )  # bitumen: dark in the visible image, hot in the thermal one
    for start in (0.12, 0.62):
        sheet.rectangle(
            middle - 0.07, start * length, middle + 0.07, (start + 0.27) * length, PAINT, road - 2.5
        )
    for x in (left + 2.25, right - 2.35):
        for start in np.arange(0.02, 1, 0.2):
            sheet.rectangle(x, start * length, x + 0.1, (start + 0.1) * length, PAINT, road - 2.2)
    x, y = middle + rng.choice([-1.7, 1.9]), length * rng.uniform(0.2, 0.8)
    drain = 5 if climate.night else -5  # relative to the road: air from below ground
    sheet.ellipse(x, y, 0.36, 0.36, colour("4a4642"), road + drain)
    sheet.ellipse(x, y, 0.28, 0.28, colour("5e5954"), road + 0.8 * drain)
    rows, columns = sheet.visible.shape[:2]
    worn, drying = (noise(rng, (rows - rows // 2, columns), 60, 3) for _ in range(2))
    worn, drying = (np.vstack([half, half[::-1]])[:rows] for half in (worn, drying))  # joins the next stretch
    speckle = rng.standard_normal((rows, columns), dtype=np.float32)
    sheet.grain(1 + 0.05 * worn + 0.07 * speckle, 0.35 * drying)
    return sheet.texture()


def _pavement(sheet: Sheet, climate: Climate) -> None:
    slab = colour("b0a99c")
    sheet.fill(slab, climate.paving)
    width, length = sheet.size
    for x in np.arange(0, width, 0.8):
        sheet.rectangle(x, 0, x + 0.04, length, slab * 0.7, climate.paving + 0.5)
    for y in np.arange(0, length, 0.8):
        sheet.rectangle(0, y, width, y + 0.04, slab * 0.7, climate.paving + 0.5)


def zebra(width: float, climate: Climate) -> Texture:
    """The stripes of a zebra crossing."""
    sheet = Sheet((width, 3), 40)
    for x in np.arange(0.3, width - 0.5, 1):
        sheet.rectangle(x, 0, x + 0.5, 3, PAINT, climate.road - 3)
    return sheet.texture()


def shadow() -> Texture:
    """A soft dark patch for the ground under objects."""
    sheet = Sheet((1, 1), 64)
    side = np.abs(np.linspace(-1, 1, 64))
    rim = np.maximum(side[:, None], side) ** 4 + np.hypot(side[:, None], side) ** 6 / 8
    sheet.mask(0.72 * np.clip(1.6 * (1 - rim), 0, 1), colour("000000"), None)
    return sheet.texture()


def skyline(rng: np.random.Generator, climate: Climate) -> Texture:
    """Hills, houses and a church on the horizon."""
    width, height = 480.0, 60.0
    sheet = Sheet((width, height), 2.2)
    for hill, rise, heat in (("8fa0ad", 30, climate.foliage - 2), ("74886f", 20, climate.foliage)):
        xs = np.linspace(0, width, 60)
        crest = (
            height - rise - sum((s / 20 * np.sin(xs / s + rng.uniform(0, 6)) for s in (90, 37, 17)), 0 * xs)
        )
        ridge = zip(xs.tolist(), crest.tolist(), strict=True)
        sheet.polygon([(0, height), *ridge, (width, height)], colour(hill), heat)
    for x in np.arange(0, width, 9):
        _far_house(sheet, rng, climate, x, rng.uniform(8, 13), rng.uniform(9, 17))
    x, stone = width / 2 + rng.uniform(-6, 6), colour("cdbfa4")
    sheet.rectangle(x - 4, height - 34, x + 4, height, stone, climate.wall + 2)
    sheet.polygon(path(x - 4.6, 26, x, 4, x + 4.6, 26), colour("4d6a63"), climate.wall - 4)
    clock = glow("ffe6b0", 0.6) if climate.night else colour("f4efe2")
    sheet.ellipse(x, height - 29, 2, 2, clock, climate.wall)
    sheet.rectangle(x - 1, height - 24, x + 1, height - 18, colour("2c3136"), climate.wall - 2)
    return sheet.texture()


def _far_house(
    sheet: Sheet, rng: np.random.Generator, climate: Climate, x: float, width: float, rise: float
) -> None:
    height = sheet.size[1]
    eaves = height - rise
    sheet.rectangle(x, eaves, x + width, height, colour(rng.choice(WALLS), 0.85), climate.wall + rng.normal())
    tiles = path(x - 0.5, eaves, x + width / 2, eaves - 4, x + width + 0.5, eaves)
    sheet.polygon(tiles, colour(rng.choice(ROOFS)), climate.wall - 3)
    for left in np.arange(x + 1, x + width - 1, 2.2):
        for top in np.arange(eaves + 1.5, height - 2, 3):
            lit = climate.night and rng.random() < climate.lit
            pane = glow("ffc873", 0.7) if lit else colour("39434b")
            sheet.rectangle(left, top, left + 0.9, top + 1.4, pane, climate.glass)
