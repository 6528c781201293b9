"""Painted textures of a room: walls, furniture and what stands on it."""

import numpy as np

from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.paint import Sheet, colour, glow, noise, path
from distillmatch_ros.scene.raster import Texture

WALLPAPERS = ("d9d2c4", "c7d0c8", "d8cbb8", "cfd3d8")
BOARDS = ("9c7850", "8a6a48", "a98a62")
SPINES = ("7d2b2b", "2e4a62", "3f5d45", "b08a3a", "4a3f5c", "c9c2b0", "2b2d33", "8d5a3a")
WOOD, DARK, WHITE, STEEL = colour("a5825a"), colour("1d1f22"), colour("efeee9"), colour("9aa0a4")


def back_wall(rng: np.random.Generator, width: float, height: float, climate: Climate) -> Texture:
    """The far wall: a window, a radiator below it, a door and pictures."""
    sheet = _papered(rng, width, height, climate)
    x = rng.uniform(0.5, 0.8)
    sheet.rectangle(x - 0.08, 0.62, x + 1.48, 1.82, WHITE, climate.wall - 2)
    sheet.rectangle(x, 0.7, x + 1.4, 1.74, glow("cfe3f2", 0.5), climate.glass - 4)
    for bar in (x + 0.68, x):
        sheet.rectangle(bar, 0.7, bar + 0.05, 1.74, WHITE, climate.wall - 3)
    sheet.rectangle(x, 1.15, x + 1.4, 1.2, WHITE, climate.wall - 3)
    sheet.rectangle(x + 0.05, 1.95, x + 1.35, 2.5, WHITE * 0.9, climate.wall + 14)
    for rib in np.arange(x + 0.1, x + 1.3, 0.1):
        sheet.rectangle(rib, 1.98, rib + 0.025, 2.47, WHITE * 0.6, climate.wall + 19)
    door = rng.uniform(2.45, 2.6)
    sheet.rectangle(door - 0.07, height - 2.1, door + 0.97, height, WHITE * 0.8, climate.wall + 0.4)
    sheet.rectangle(door, height - 2.03, door + 0.9, height, colour("7a5b3e"), climate.wall - 0.9)
    for top in (0.9, 1.75):
        sheet.rectangle(door + 0.15, top, door + 0.75, top + 0.65, colour("6a4d33"), climate.wall - 1.2)
    sheet.ellipse(door + 0.8, 1.7, 0.035, 0.035, STEEL, climate.metal - 1)
    sheet.rectangle(3.75, 0.7, 4.45, 1.25, DARK, climate.wall + 0.6)
    sheet.rectangle(3.8, 0.75, 4.4, 1.2, colour("d0a070"), climate.wall + 0.3)
    sheet.ellipse(4.1, 1.0, 0.18, 0.13, colour("35607a"))
    return sheet.texture()


def side_wall(rng: np.random.Generator, length: float, height: float, climate: Climate) -> Texture:
    """A wall along the room: pictures, a pipe in the wall, a socket."""
    sheet = _papered(rng, length, height, climate)
    for x in np.arange(rng.uniform(1.6, 2.0), length - 1, 1.3):
        w, h = rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.6)
        sheet.rectangle(x, 0.8, x + w, 0.8 + h, colour("3a3026"), climate.wall + 0.5)
        hue = colour(rng.choice(SPINES))
        sheet.rectangle(x + 0.05, 0.85, x + w - 0.05, 0.75 + h, hue, climate.wall + 0.2)
        sheet.ellipse(x + w / 2, 0.8 + h / 2, 0.12, 0.1, colour("e0d6b8"))
    pipe = rng.uniform(0.4, 0.6) * length
    sheet.rectangle(pipe, 0.1, pipe + 0.08, height, None, climate.wall + 2.5)  # hot water behind the paper
    sheet.rectangle(pipe + 0.6, height - 0.42, pipe + 0.7, height - 0.32, WHITE * 0.95, climate.wall + 2)
    return sheet.texture()


def _papered(rng: np.random.Generator, width: float, height: float, climate: Climate) -> Sheet:
    sheet = Sheet((width, height), 110)
    sheet.fill(colour(rng.choice(WALLPAPERS)), climate.wall + rng.normal(0, 0.3))
    rows, columns = sheet.visible.shape[:2]
    warmth = np.linspace(1.2, -0.6, rows)[:, None]  # warm air is at the top
    sheet.grain(
        1 + 0.03 * noise(rng, (rows, columns), 80, 3), warmth + 0.15 * noise(rng, (rows, columns), 150, 3)
    )
    sheet.rectangle(0, height - 0.1, width, height, WHITE * 0.85, climate.wall - 0.8)
    sheet.rectangle(0, 0, width, 0.06, WHITE * 0.9, climate.wall + 0.3)
    return sheet


def floor(rng: np.random.Generator, width: float, length: float, climate: Climate) -> Texture:
    """Boards, and a rug in the middle."""
    sheet = Sheet((width, length), 110)
    sheet.fill(WOOD, climate.paving)
    for x in np.arange(0, width, 0.14):
        sheet.rectangle(
            x, 0, x + 0.13, length, colour(rng.choice(BOARDS)), climate.paving + rng.normal(0, 0.12)
        )
        for y in np.arange(rng.uniform(0, 1.2), length, 1.2):
            sheet.rectangle(x, y, x + 0.13, y + 0.012, DARK, climate.paving - 0.3)
    left, top = rng.uniform(1.6, 1.9), rng.uniform(1.2, 1.5)
    sheet.rectangle(left, top, left + 1.9, top + 1.4, colour("7f3b36"), climate.paving + 1.1)
    sheet.rectangle(left + 0.12, top + 0.12, left + 1.78, top + 1.28, colour("c9b48c"), climate.paving + 0.9)
    sheet.rectangle(left + 0.22, top + 0.22, left + 1.68, top + 1.18, colour("6b3a3a"), climate.paving + 1.2)
    rows, columns = sheet.visible.shape[:2]
    grain = noise(rng, (rows, columns), 30, 3)
    sheet.grain(1 + 0.06 * grain, 0.08 * grain)
    return sheet.texture()


def ceiling(width: float, length: float, climate: Climate) -> Texture:
    """A white ceiling with two warm lamps."""
    sheet = Sheet((width, length), 60)
    sheet.fill(WHITE, climate.wall + 1.8)
    for y in (0.45 * length, 0.75 * length):
        sheet.rectangle(0.35 * width, y, 0.65 * width, y + 0.25, glow("fff4e0", 1.5), climate.wall + 13)
    return sheet.texture()


def plank(width: float, length: float, climate: Climate) -> Texture:
    """A plain board."""
    sheet = Sheet((width, length), 120)
    sheet.fill(WOOD * 0.85, climate.wall + 0.2)
    return sheet.texture()


def bookcase_back(width: float, height: float, climate: Climate) -> Texture:
    """The back panel, in the shade."""
    sheet = Sheet((width, height), 110)
    sheet.fill(WOOD * 0.4, climate.wall - 0.5)
    return sheet.texture()


def bookcase_front(width: float, height: float, climate: Climate) -> Texture:
    """The front edges of posts and boards; open between them."""
    sheet = Sheet((width, height), 160)
    for x in (0.0, width - 0.04):
        sheet.rectangle(x, 0, x + 0.04, height, WOOD, climate.wall + 0.3)
    for level in range(6):
        y = min(level * height / 5, height - 0.03)
        sheet.rectangle(0, y, width, y + 0.03, WOOD, climate.wall + 0.3)
    return sheet.texture()


def books(rng: np.random.Generator, width: float, height: float, climate: Climate) -> Texture:
    """A row of books, with a warm device among them."""
    sheet = Sheet((width, height), 200)
    x = 0.0
    while x < width - 0.06:
        thick, high = rng.uniform(0.02, 0.055), rng.uniform(0.19, 0.28)
        heat = climate.wall + rng.normal(0, 0.3)
        if rng.random() < 0.06:  # a router
            sheet.rectangle(x, height - 0.1, x + 0.16, height, DARK, climate.wall + 13)
            x += 0.18
            continue
        if rng.random() < 0.12:  # a gap
            x += rng.uniform(0.05, 0.15)
            continue
        spine = colour(rng.choice(SPINES))
        sheet.rectangle(x, height - high, x + thick, height, spine, heat)
        sheet.rectangle(
            x + 0.004, height - 0.8 * high, x + thick - 0.004, height - 0.7 * high, spine * 2 + 0.05
        )
        x += thick + 0.002
    return sheet.texture()


def table_top(rng: np.random.Generator, width: float, depth: float, climate: Climate) -> Texture:
    """A table from above: sheets of paper, the ring of a cup, the warm place of a hand."""
    sheet = Sheet((width, depth), 260)
    sheet.fill(colour("b48d60"), climate.wall + 0.5)
    rows, columns = sheet.visible.shape[:2]
    sheet.grain(1 + 0.05 * noise(rng, (rows, columns), 40, 3), 0.1 * noise(rng, (rows, columns), 60, 2))
    x = rng.uniform(0.1, 0.3)
    sheet.polygon(path(x, 0.42, x + 0.2, 0.4, x + 0.24, 0.68, x + 0.04, 0.7), WHITE, climate.wall + 1.0)
    sheet.rectangle(0.55, 0.5, 0.95, 0.64, DARK, climate.wall + 4)  # a keyboard
    for column in np.arange(0.565, 0.93, 0.026):
        for row in (0.515, 0.545, 0.575, 0.605):
            sheet.rectangle(column, row, column + 0.02, row + 0.022, colour("4b4f54"))
    sheet.ellipse(1.05, 0.57, 0.035, 0.055, DARK, climate.skin - 3)  # a mouse, warm from the hand
    return sheet.texture()


def leg(height: float, climate: Climate) -> Texture:
    """A table's leg."""
    sheet = Sheet((0.06, height), 200)
    sheet.fill(WOOD * 0.7, climate.wall - 0.3)
    return sheet.texture()


def chair(rng: np.random.Generator, climate: Climate) -> Texture:
    """A chair from behind."""
    sheet = Sheet((0.5, 0.95), 200)
    frame = colour(rng.choice(("3b2f26", "5a4632")))
    for x in (0.03, 0.42):
        sheet.rectangle(x, 0, x + 0.05, 0.95, frame, climate.wall - 0.4)
    for y in (0.06, 0.2, 0.34):
        sheet.rectangle(0.03, y, 0.47, y + 0.06, frame * 1.2, climate.wall - 0.2)
    sheet.rectangle(0.0, 0.5, 0.5, 0.57, colour("6b4d6e"), climate.skin - 5)  # a seat that someone left
    return sheet.texture()


def monitor(climate: Climate) -> Texture:
    """A screen on a foot."""
    sheet = Sheet((0.56, 0.42), 300)
    sheet.rectangle(0.25, 0.3, 0.31, 0.41, DARK, climate.wall + 2)
    sheet.rectangle(0.16, 0.39, 0.4, 0.42, DARK, climate.wall + 1)
    sheet.rectangle(0, 0, 0.56, 0.34, DARK, climate.wall + 7)
    sheet.rectangle(0.015, 0.015, 0.545, 0.31, glow("5f8fc0", 0.3), climate.wall + 11)
    for y in np.arange(0.05, 0.29, 0.035):
        sheet.rectangle(0.05, y, 0.2 + 0.25 * (np.sin(40 * y) ** 2), y + 0.012, glow("f4f6f8", 0.6))
    return sheet.texture()


def mug(climate: Climate) -> Texture:
    """A mug of hot coffee."""
    sheet = Sheet((0.13, 0.11), 500)
    sheet.ellipse(0.1, 0.055, 0.028, 0.035, colour("b8413a"), climate.wall + 12)
    sheet.ellipse(0.1, 0.055, 0.015, 0.022, colour("7a2a25"), climate.wall + 5)
    sheet.rectangle(0.0, 0.0, 0.09, 0.11, colour("b8413a"), climate.wall + 24)
    sheet.rectangle(0.0, 0.0, 0.09, 0.02, colour("d9675f"), climate.wall + 14)
    return sheet.texture()


def bottle(climate: Climate) -> Texture:
    """A bottle from the fridge."""
    sheet = Sheet((0.09, 0.3), 400)
    sheet.polygon(
        path(0.03, 0, 0.06, 0, 0.06, 0.08, 0.09, 0.13, 0.09, 0.3, 0, 0.3, 0, 0.13, 0.03, 0.08),
        colour("2f6b45"),
        climate.wall - 12,
    )
    sheet.rectangle(0.0, 0.17, 0.09, 0.25, WHITE, climate.wall - 10)
    sheet.rectangle(0.028, 0, 0.062, 0.03, STEEL, climate.wall - 8)
    return sheet.texture()


def plant(rng: np.random.Generator, climate: Climate) -> Texture:
    """A plant in a pot."""
    sheet = Sheet((0.4, 0.5), 260)
    for _ in range(16):
        angle, reach = rng.uniform(-1.3, 1.3), rng.uniform(0.12, 0.26)
        tip = (0.2 + reach * np.sin(angle), 0.34 - reach * np.cos(angle))
        green = colour(rng.choice(("3f6b35", "55803f", "2f5530")))
        sheet.stroke([(0.2, 0.36), tip], 0.02, green, climate.foliage)
        sheet.ellipse(*tip, 0.035, 0.05, green, climate.foliage - 0.8)
    sheet.polygon(path(0.1, 0.34, 0.3, 0.34, 0.27, 0.5, 0.13, 0.5), colour("a65f3a"), climate.wall - 2)
    return sheet.texture()
