"""Painted textures of the houses along the street."""

from dataclasses import dataclass

import numpy as np

from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.paint import Colour, Sheet, colour, glow, noise, path
from distillmatch_ros.scene.raster import Texture

WALLS = ("d9a27c", "c4785a", "e4d2ab", "bdb8a6", "93a7ac", "a65d4e", "dcbb74", "a3ad90", "d8c3b5", "c98f86")
ROOFS = ("8f4a38", "7b4437", "4d5257", "5a5f63")
SHOPS = ("2f4b57", "6a2f38", "2f4f3f", "c59a35", "39405c", "8c4a2f")
AWNINGS = ("b8413a", "2f6f62", "c9972f", "35588c")
NAMES = ("CAFE", "BOOKS", "BAKERY", "FLOWERS", "BAR", "HOTEL", "OPTICS", "BIKES", "MUSIC", "TAILOR")
LAMPLIGHT = ("ffc873", "ffb45c", "ffe3b0", "f7d28a")
CURTAINS = ("e9e1d2", "cdb9a0", "b7c0c4")
TRIM, SHADE, IRON = colour("efe7d8"), colour("15181c"), colour("2a2f33")
GROUND_FLOOR, STOREY, CORNICE = 3.9, 3.05, 0.55  # metres


def facade(rng: np.random.Generator, length: float, storeys: int, climate: Climate) -> Texture:
    """A house front with a shop on the ground floor and ``storeys`` rows of windows above."""
    sheet = Sheet((length, GROUND_FLOOR + storeys * STOREY + CORNICE), 28)
    wall, warm = colour(rng.choice(WALLS)), climate.wall + rng.normal(0, 1.3)
    sheet.fill(wall, warm)
    rows, columns = sheet.visible.shape[:2]
    # Some fronts have visible brick courses; the thermal camera does not see them.
    courses = 1 - 0.16 * (np.arange(rows) % 5 == 0)[:, None] * (rng.random() < 0.35)
    stains = 1 + 0.05 * noise(rng, (rows, columns), 60, 4)
    sheet.grain(stains * courses, 0.35 * noise(rng, (rows, columns), 90, 3))
    front = _Front(sheet, rng, climate, warm)
    front.upper_storeys(storeys)
    sheet.rectangle(0, 0, length, 0.3, TRIM, warm + 0.4)
    sheet.rectangle(0, 0.3, length, 0.44, TRIM * 0.7, warm - 0.5)
    sheet.rectangle(0, 0.44, length, CORNICE, wall * 0.5)
    front.shop()
    for x in (0.0, length - 0.1):  # a drainpipe and the joint to the neighbour
        sheet.rectangle(x, 0, x + 0.1, sheet.size[1], wall * 0.55, warm - 1.2)
    return sheet.texture()


@dataclass(frozen=True, eq=False)
class _Front:
    """Paints windows and shop on a front whose wall has the temperature ``warm``."""

    sheet: Sheet
    rng: np.random.Generator
    climate: Climate
    warm: float

    def upper_storeys(self, storeys: int) -> None:
        length = self.sheet.size[0]
        bays = max(2, round(length / self.rng.uniform(2.3, 3.1)))
        pitch = length / bays
        w, h = pitch * self.rng.uniform(0.38, 0.46), self.rng.uniform(1.6, 1.95)
        shutters = colour(self.rng.choice(SHOPS)) if self.rng.random() < 0.4 else None
        for storey in range(storeys):
            y = CORNICE + 0.45 + storey * STOREY
            slab = y + h + 0.72
            self.sheet.rectangle(0, slab, length, slab + 0.22, None, self.warm + 0.9)  # a thermal bridge
            balconies = self.rng.random() < 0.25
            for x in (np.arange(bays) + 0.5) * pitch - w / 2:
                self._window(x, y, w, h)
                if shutters is not None:
                    self._shutters(x, y, w, h, shutters)
                if balconies:
                    self._balcony(x - 0.25, y + h - 0.75, w + 0.5)

    def _window(self, x: float, y: float, w: float, h: float) -> None:
        sheet, rng, right, sill = self.sheet, self.rng, x + w, y + h
        lit = rng.random() < self.climate.lit
        heat = (self.climate.room if lit else self.climate.glass) + rng.normal(0, 1.2)
        sheet.rectangle(x - 0.13, y - 0.16, right + 0.13, sill + 0.06, TRIM * 0.92, self.warm + 0.5)
        if lit:
            shine = glow(rng.choice(LAMPLIGHT), rng.uniform(0.35, 0.9))
            sheet.rectangle(x, y, right, sill, shine if self.climate.night else colour("d8b070"), heat)
        else:
            sheet.rectangle(x, y, right, sill, colour("27333d"), heat)
            sky = path(x, y, x + 0.9 * w, y, x, y + 0.75 * h)
            sheet.polygon(sky, colour("7f98ab", 0.7), heat - 2.5, 0.6)
        if rng.random() < 0.45:
            cloth = colour(rng.choice(CURTAINS), 0.75)
            sheet.rectangle(x, y, x + w * rng.uniform(0.15, 0.3), sill, cloth, heat + 1)
            sheet.rectangle(x + w * rng.uniform(0.72, 0.85), y, right, sill, cloth, heat + 1)
        sheet.rectangle(x, y, right, y + 0.12, SHADE, None, 0.55)
        sheet.rectangle(x + w / 2 - 0.03, y, x + w / 2 + 0.03, sill, TRIM, heat + 3)
        sheet.rectangle(x, y + 0.33 * h, right, y + 0.33 * h + 0.06, TRIM, heat + 3)
        sheet.rectangle(x - 0.2, sill, right + 0.2, sill + 0.11, TRIM, self.warm + 1.2)
        sheet.rectangle(x - 0.2, sill + 0.11, right + 0.2, sill + 0.2, SHADE, None, 0.4)
        if self.climate.night:  # the radiator behind the wall
            heat = self.warm + rng.uniform(0.5, 2.5)
            sheet.rectangle(x + 0.1, sill + 0.15, right - 0.1, sill + 0.6, None, heat)

    def _shutters(self, x: float, y: float, w: float, h: float, paint: Colour) -> None:
        for left in (x - 0.14 - 0.42 * w, x + w + 0.14):
            self.sheet.rectangle(left, y - 0.05, left + 0.42 * w, y + h, paint, self.warm - 0.8)
            for top in y + h * np.arange(5) / 5:
                self.sheet.rectangle(left, top, left + 0.42 * w, top + 0.06, paint * 0.6)

    def _balcony(self, x: float, y: float, w: float) -> None:
        metal = self.climate.metal
        self.sheet.rectangle(x, y + 0.73, x + w, y + 0.85, TRIM * 0.75, self.climate.wall - 2)
        self.sheet.rectangle(x, y, x + w, y + 0.07, IRON, metal)
        for bar in np.arange(x, x + w, 0.16):
            self.sheet.rectangle(bar, y, bar + 0.04, y + 0.75, IRON, metal)

    def shop(self) -> None:
        sheet, rng, warm = self.sheet, self.rng, self.warm
        length, height = sheet.size
        tint, top = colour(rng.choice(SHOPS)), height - GROUND_FLOOR + 0.25
        board = top + 0.75
        sheet.rectangle(0.1, top, length - 0.1, height, tint * 0.55, warm - 0.6)
        sheet.rectangle(0.1, top, length - 0.1, board, tint, warm - 0.9)
        sheet.write(str(rng.choice(NAMES)), length / 2, top + 0.4, 0.42, TRIM)
        panes = max(3, round(length / 2.6))
        pitch = (length - 0.6) / panes
        door = rng.integers(panes)
        for pane in range(panes):
            x = 0.42 + pane * pitch
            right = x + pitch - 0.24
            if pane == door:
                sheet.rectangle(x, board + 0.3, right, height - 0.05, tint, warm + 1.5)
                sheet.rectangle(x + 0.2, board + 0.5, right - 0.2, height - 0.9, IRON, self.climate.glass)
            else:
                self._display(x, board + 0.15, right, height - 0.6)

    def _display(self, x: float, y: float, right: float, bottom: float) -> None:
        sheet, rng, night = self.sheet, self.rng, self.climate.night
        lit = rng.random() < 0.75
        heat = self.climate.glass + (2.5 if lit else 0) + rng.normal(0, 0.8)
        inside = SHADE if night else colour("4a4238")
        sheet.rectangle(
            x, y, right, bottom, glow("ffc27a", rng.uniform(0.25, 0.5)) if night and lit else inside, heat
        )
        for _ in range(4):
            left, top = rng.uniform(x, right - 0.35), rng.uniform(y + 1, bottom - 0.3)
            goods = colour(rng.choice(WALLS), 0.9 if lit else 0.2)
            sheet.rectangle(left, top, left + 0.35, bottom, goods)
        if not night:
            sheet.polygon(path(x, y, x + 0.8 * (right - x), y, x, bottom), colour("9fb4c2"), heat - 1.5, 0.28)


def awning(rng: np.random.Generator, length: float, climate: Climate) -> Texture:
    """Striped cloth, with the wall's edge at the top."""
    sheet = Sheet((length, 1.43), 32)
    sheet.fill(colour("ece3d0"), climate.cloth - 6)
    stripe = colour(rng.choice(AWNINGS))
    for x in np.arange(0, length, 0.6):
        sheet.rectangle(x, 0, x + 0.3, 1.43, stripe)
    sheet.rectangle(0, 1.31, length, 1.43, stripe * 0.6)
    return sheet.texture()


def roof(rng: np.random.Generator, length: float, depth: float, climate: Climate) -> Texture:
    """Tiles with skylights, with the eaves at the bottom."""
    sheet = Sheet((length, depth), 20)
    sheet.fill(colour(rng.choice(ROOFS)), climate.wall + (-5 if climate.night else 4))
    rows, columns = sheet.visible.shape[:2]
    tiles = 1 - 0.25 * (np.arange(rows) % 6 == 0)[:, None]
    sheet.grain(tiles + 0.08 * noise(rng, (rows, columns), 8, 2), 0.5 * noise(rng, (rows, columns), 40, 2))
    for x in np.arange(1.5, length - 1.5, rng.uniform(3, 5)):
        sheet.rectangle(x, 0.4 * depth, x + 0.9, 0.75 * depth, colour("3c4d5a"), climate.glass - 3)
    return sheet.texture()


def gable(rng: np.random.Generator, width: float, height: float, climate: Climate) -> Texture:
    """The windowless end wall of a house that is higher than its neighbour."""
    sheet = Sheet((width, height), 24)
    sheet.fill(colour(rng.choice(WALLS), 0.9), climate.wall - 0.5)
    shape = sheet.visible.shape[:2]
    sheet.grain(1 + 0.07 * noise(rng, shape, 70, 4), 0.5 * noise(rng, shape, 60, 3))
    return sheet.texture()


def garden_wall(rng: np.random.Generator, length: float, climate: Climate) -> Texture:
    """A wall with ivy that closes a gap between houses."""
    sheet = Sheet((length, 2.2), 32)
    sheet.fill(colour("a98f78"), climate.wall - 0.5)
    sheet.rectangle(0, 0, length, 0.15, TRIM * 0.8, climate.wall - 1)
    for _ in range(int(9 * length)):
        x, y, size = rng.uniform(0, length), 2.2 * rng.beta(2.2, 1.4), rng.uniform(0.12, 0.3)
        leaves = colour("4f6f3d", rng.uniform(0.5, 1.2))
        sheet.ellipse(x, y, size, 0.8 * size, leaves, climate.foliage + rng.normal(0, 0.5))
    return sheet.texture()
