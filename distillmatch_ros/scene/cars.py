"""Cars: hatchbacks made of flat panels."""

from dataclasses import dataclass

import numpy as np

from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.paint import Colour, Sheet, colour, glow, path
from distillmatch_ros.scene.raster import Surface, Texture

PAINTS = ("b3282d", "e8e6df", "2f4858", "30343a", "7f8c8d", "d8a32f", "3e6b5a", "4c78a8")
DARK, PALE = colour("1b1e22"), colour("e8e6dc")
# Metres: width, height of the windows' lower edge, inward offset of the roof on either side.
WIDTH, BELT, TUCK = 1.78, 0.92, 0.17
# Metres along the car: flat part behind and before the windows, and longitudinal extent of their slope.
BOOT, BONNET, RAKE_BACK, RAKE_FRONT = 0.05, 1.05, 0.35, 0.75


def car(rng: np.random.Generator, climate: Climate, running: bool, heading: int) -> list[Surface]:
    """The surfaces of a car with its near end at the origin; ``heading`` 1 shows its back, -1 its front."""
    length, top = rng.uniform(3.9, 4.5), rng.uniform(1.42, 1.62)
    body = _Body(climate, colour(rng.choice(PAINTS)), running, heading, length, top - BELT)
    half, inner = WIDTH / 2, WIDTH / 2 - TUCK
    # Longitudinal positions of the windows' near and far end, at their lower edge and at the roof.
    start, end, back, front = BOOT, length - BONNET, BOOT + RAKE_BACK, length - BONNET - RAKE_FRONT
    if heading < 0:
        start, back, front = length - end, length - front, length - back
    surfaces = [
        Surface(body.roof(), (-inner, -top, front), (2 * inner, 0, 0), (0, 0, back - front), 0.8),
        Surface(body.glass(), (-half, -top, back), (WIDTH, 0, 0), (0, body.rise, start - back), 0.45),
    ]
    windows, flank = body.windows(), body.flank()
    # Seen from outside, the left side runs from far to near and the right one from near to far.
    for side, z, run, sun in ((-1, length, -length, 0.6), (1, 0.0, length, 0.1)):
        for texture, x, y, lean in ((windows, inner, top, TUCK), (flank, half, BELT, 0.0)):
            drawn = texture if side * heading > 0 else texture.mirrored()
            down = (side * lean, texture.size[1], 0)
            surfaces.append(Surface(drawn, (side * x, -y, z), (0, 0, run), down, sun))
    if heading < 0:
        surfaces.append(Surface(body.bonnet(), (-half, -BELT, BONNET), (WIDTH, 0, 0), (0, 0, -BONNET), 0.8))
    return [*surfaces, Surface(body.end(), (-half, -BELT, 0), (WIDTH, 0, 0), (0, BELT, 0), 0.4)]


@dataclass(frozen=True, eq=False)
class _Body:
    """Textures of the panels of one car; ``rise`` is the height of its windows, metres."""

    climate: Climate
    paint: Colour
    running: bool
    heading: int
    length: float
    rise: float

    @property
    def heat(self) -> float:
        return self.climate.body if self.running else self.climate.parked_body

    @property
    def tyre(self) -> float:
        return self.climate.tyre if self.running else self.climate.road

    def warmed(self, offset: float) -> float:
        """Temperature of a part near the engine: the engine's plus ``offset`` if it runs, else the body's."""
        return self.climate.engine + offset if self.running else self.heat

    def roof(self) -> Texture:
        sheet = Sheet((WIDTH - 2 * TUCK, 2), 24)
        sheet.fill(np.minimum(self.paint * 1.15 + 0.02, 1), self.heat + (-6 if self.climate.night else 3))
        return sheet.texture()

    def bonnet(self) -> Texture:
        sheet = Sheet((WIDTH, BONNET), 24)
        sheet.fill(np.minimum(self.paint * 1.15 + 0.02, 1), self.heat)
        sheet.ellipse(WIDTH / 2, BONNET / 2, 0.4 * WIDTH, 0.45 * BONNET, None, self.warmed(-8))
        return sheet.texture()

    def end(self) -> Texture:
        """Back or front below the glass."""
        sheet = Sheet((WIDTH, BELT), 90)
        for x in (0.08, 1.5):
            sheet.rectangle(x, 0.6, x + 0.2, BELT, DARK, self.tyre)
        sheet.polygon(path(0, 0, 1.78, 0, 1.78, 0.6, 1.7, 0.74, 0.08, 0.74, 0, 0.6), self.paint, self.heat)
        sheet.rectangle(0.06, 0.56, 1.72, 0.72, self.paint * 0.35, self.heat + 2)
        lamps_on = self.climate.night and self.running
        if self.heading > 0:
            lamp = glow("ff2a1c", 2.2) if lamps_on else colour("a01c1c")
            for x in (0.04, 1.44):
                sheet.polygon(path(x, 0.1, x + 0.3, 0.12, x + 0.3, 0.26, x, 0.34), lamp, self.heat + 1)
            sheet.rectangle(0.62, 0.3, 1.16, 0.42, PALE, self.heat - 1)
            sheet.rectangle(0.2, 0.74, 1.58, 0.8, DARK, self.warmed(-12))
            sheet.ellipse(0.4, 0.77, 0.06, 0.03, DARK, self.warmed(20))  # the exhaust
        else:
            lamp = glow("fff4dc", 9) if lamps_on else colour("e9eef0")
            sheet.rectangle(0.48, 0.14, 1.3, 0.34, DARK, self.warmed(-6))
            for x in (0.23, 1.55):
                sheet.ellipse(x, 0.24, 0.15, 0.09, lamp, self.heat + 4)
            sheet.rectangle(0.3, 0.42, 1.48, 0.54, DARK, self.warmed(-2))
            sheet.rectangle(0.62, 0.58, 1.16, 0.69, PALE, self.heat)
        return sheet.texture()

    def glass(self) -> Texture:
        """Tailgate or windscreen with its frame."""
        sheet = Sheet((WIDTH, self.rise), 80)
        low, right = self.rise - 0.04, WIDTH - TUCK
        sheet.polygon(path(TUCK, 0, right, 0, WIDTH, self.rise, 0, self.rise), self.paint, self.heat)
        pane = path(TUCK + 0.1, 0.07, right - 0.1, 0.07, WIDTH - 0.13, low, 0.13, low)
        sheet.polygon(pane, colour("23303a"), self.climate.car_glass)
        mirrored_sky = path(TUCK + 0.2, 0.07, TUCK + 0.62, 0.07, 0.52, low, 0.2, low)
        sheet.polygon(mirrored_sky, colour("6f8797"), None, 0.5)
        return sheet.texture()

    def flank(self) -> Texture:
        """Side below the windows, with the front at the right."""
        sheet = Sheet((self.length, BELT), 50)
        end, sill = self.length, BELT - 0.22
        sheet.polygon(path(0, 0, end, 0.02, end, 0.3, end, sill, 0, sill), self.paint, self.heat)
        sheet.rectangle(0, sill - 0.1, end, sill, self.paint * 0.4, self.heat - 1)
        if self.running:
            sheet.rectangle(end - 1.2, 0.05, end - 0.1, 0.4, None, self.heat + 7)
        for x in (0.35 * end, 0.62 * end):
            sheet.rectangle(x, 0.02, x + 0.03, sill - 0.1, self.paint * 0.45)
        for x in (0.2 * end, 0.82 * end):
            sheet.ellipse(x, BELT - 0.3, 0.37, 0.37, DARK, self.heat - 2)
            sheet.ellipse(x, BELT - 0.3, 0.31, 0.31, colour("26282b"), self.tyre)
            sheet.ellipse(x, BELT - 0.3, 0.17, 0.17, colour("8f9498"), self.tyre + 4)
        return sheet.texture()

    def windows(self) -> Texture:
        """Side windows, with the front at the right."""
        sheet = Sheet((self.length, self.rise), 50)
        a, b, low = BOOT, self.length - BONNET, self.rise - 0.03
        frame = path(a + RAKE_BACK, 0, b - RAKE_FRONT, 0, b, self.rise, a, self.rise)
        sheet.polygon(frame, self.paint, self.heat)
        post = (a + b) / 2 - 0.1
        for pane in (
            path(a + 0.42, 0.08, post - 0.04, 0.08, post - 0.04, low, a + 0.16, low),
            path(post + 0.06, 0.08, b - 0.8, 0.08, b - 0.2, low, post + 0.06, low),
        ):
            sheet.polygon(pane, colour("2a3842"), self.climate.car_glass)
        return sheet.texture()
