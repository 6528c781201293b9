"""The layout of a street that repeats every ``PERIOD`` metres."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from distillmatch_ros.scene import ground, houses, things
from distillmatch_ros.scene.camera import Float32
from distillmatch_ros.scene.cars import car
from distillmatch_ros.scene.climate import Climate
from distillmatch_ros.scene.raster import Surface, Texture, Vector

PERIOD = 150.0  # metres
HALF_STREET, HALF_ROAD = 9.5, 5.2  # metres from the middle of the road to the houses, to the kerb
LAMP_SPACING, LAMP_HEIGHT, LAMP_X = 25.0, 6.3, 4.6
SUN = (-0.50, -0.79, -0.36)  # unit vector towards the sun: left, up, behind
EGO_X, EGO_SPEED = 1.5, 7.0  # lateral position of the ego lane, metres; speed, metres per second
_BEHIND = 22.0  # metres behind the camera at which objects move to the other end of the street
_STRETCH = 12.5  # metres of ground per texture
_HEIGHT_STEP = 0.25  # metres along the street between samples of the roofs' height
_LEAN, _RISE = 0.9, 2.6  # metres by which a roof extends backwards and upwards


@dataclass(frozen=True, eq=False)
class Thing:
    """Surfaces around a moving point.

    Attributes:
        start: x and z at time 0, metres.
        surfaces: function of time (s) that returns the surfaces relative to the point.
        velocity: velocity along x and z, metres per second.
        shade: width and length of its dark patch on the ground, metres; None for none.
    """

    start: tuple[float, float]
    surfaces: Callable[[float], Sequence[Surface]]
    velocity: tuple[float, float] = (0.0, 0.0)
    shade: tuple[float, float] | None = None

    def place(self, time: float, camera_z: float) -> tuple[float, float]:
        """Position x and z at a time, of the repetition that is in view."""
        x = self.start[0] + self.velocity[0] * time
        if self.velocity[0]:  # back and forth between the pavements
            x = abs((x + 7) % 28 - 14) - 7
        return x, _ahead(self.start[1] + self.velocity[1] * time, camera_z)


class Street:
    """All static and moving objects of the street, generated from random numbers."""

    def __init__(self, rng: np.random.Generator, climate: Climate) -> None:
        self._climate = climate
        self._sky, self._town = things.sky(rng, climate), ground.skyline(rng, climate)
        self._ground = ground.ground(rng, HALF_ROAD, HALF_STREET, _STRETCH, climate)
        self._zebra, self._shadow = ground.zebra(2 * HALF_ROAD - 0.8, climate), ground.shadow()
        self._trees = [things.tree(rng, climate) for _ in range(5)]
        self._crossing = rng.uniform(13, 19)
        self._heights = np.zeros(round(PERIOD / _HEIGHT_STEP))
        self._houses = [*self._row(rng, -1), *self._row(rng, 1)]
        self._others = [*self._furniture(rng), *self._traffic(rng), *self._people(rng)]

    def surfaces(self, time: float, camera_z: float) -> list[Surface]:
        """All surfaces except the sky at a time in seconds, from far to near."""
        found = self._backdrop(camera_z)
        for thing in self._others:
            if thing.shade is not None:
                (x, z), (width, length) = thing.place(time, camera_z), thing.shade
                corner = (x - 0.62 * width, 0.0, z + 1.08 * length)
                found.append(_flat(self._shadow, corner, 1.5 * width, 1.2 * length))
        for group in (self._houses, self._others):  # only the backdrop is behind the houses
            placed = [(thing, *thing.place(time, camera_z)) for thing in group]
            for thing, x, z in sorted(placed, key=lambda item: -item[2]):
                for part in thing.surfaces(time):
                    right, down, ahead = part.origin
                    found.append(replace(part, origin=(right + x, down, ahead + z)))
        return found

    def sunshine(self, points: Float32, penumbra: float) -> Float32:
        """Fraction of direct sunlight at points (..., 3), by the houses' shadows; ``penumbra`` in metres."""
        reach = (points[..., 0] + HALF_STREET) / -SUN[0]
        height = -points[..., 1] - reach * SUN[1]
        along = (points[..., 2] + reach * SUN[2]) % PERIOD
        roofs = np.interp(along, np.arange(self._heights.size) * _HEIGHT_STEP, self._heights)
        return np.clip((height - roofs) / penumbra + 0.5, 0, 1).astype(np.float32)

    def sky(self, camera_z: float) -> Surface:
        """The sky, at a constant distance from the camera."""
        return Surface(self._sky, (-3600, -2300, camera_z + 3000), (7200, 0, 0), (0, 2400, 0))

    def _backdrop(self, camera_z: float) -> list[Surface]:
        """The town, at a constant distance from the camera, and the ground."""
        found = [Surface(self._town, (-240, -58, camera_z + 330), (480, 0, 0), (0, 60, 0), 0.4)]
        first = np.floor((camera_z - 2) / _STRETCH)
        for index in reversed(range(14)):
            corner = (-HALF_STREET, 0.0, (first + index + 1) * _STRETCH)
            found.append(_flat(self._ground, corner, 2 * HALF_STREET, 1.01 * _STRETCH))
        width, length = self._zebra.size
        corner = (-width / 2, 0.0, _ahead(self._crossing, camera_z) + length)
        return [*found, _flat(self._zebra, corner, width, length)]

    def _row(self, rng: np.random.Generator, side: int) -> Iterator[Thing]:
        """One side of the street, house by house."""
        z = 0.0
        while z < PERIOD:
            length = rng.uniform(9, 16)
            if PERIOD - z - length < 9:
                length = PERIOD - z
            parts = self._garden(rng, side, length) if rng.random() < 0.15 else self._house(rng, side, length)
            if side < 0:  # the side towards the sun
                top = max(-part.origin[1] for part in parts if part.texture not in self._trees)
                self._heights[round(z / _HEIGHT_STEP) : round((z + length) / _HEIGHT_STEP)] = top
            yield Thing((0.0, z), _fixed(parts))
            z += length

    def _house(self, rng: np.random.Generator, side: int, length: float) -> list[Surface]:
        front = houses.facade(rng, length, int(rng.integers(2, 5)), self._climate)
        height = front.size[1]
        slope = houses.roof(rng, length, float(np.hypot(_LEAN, _RISE)), self._climate)
        end = houses.gable(rng, 8.0, height + _RISE, self._climate)
        x = side * HALF_STREET
        parts = [
            _along(slope, side, (x + side * _LEAN, -height - _RISE), (-side * _LEAN, _RISE), 0.3),
            Surface(
                end, (min(x, x + 8 * side), -height - _RISE, 0), (8, 0, 0), (0, height + _RISE, 0), -SUN[2]
            ),
            _along(front, side, (x, -height), (0, height)),
        ]
        if rng.random() < 0.5:
            cloth = houses.awning(rng, length, self._climate)
            parts.append(_along(cloth, side, (x, -3.15), (-side * 1.3, 0.6), 0.4))
        return parts

    def _garden(self, rng: np.random.Generator, side: int, length: float) -> list[Surface]:
        x = side * HALF_STREET
        wall = houses.garden_wall(rng, length, self._climate)
        trees = [_upright(self._tree(rng), x + side * 2.5, share * length) for share in (0.72, 0.25)]
        return [*trees, _along(wall, side, (x, -wall.size[1]), (0, wall.size[1]))]

    def _furniture(self, rng: np.random.Generator) -> Iterator[Thing]:
        lamp = things.lamp_post(self._climate)
        for side in (-1, 1):
            lamp_post = [_upright(lamp if side < 0 else lamp.mirrored())]
            for z in np.arange(LAMP_SPACING / 2, PERIOD, LAMP_SPACING):
                yield Thing((side * 5.05, z), _fixed(lamp_post))
            for z in np.arange(rng.uniform(4, 8), PERIOD - 4, 12.5):
                if rng.random() < 0.75:
                    tree = [_upright(self._tree(rng))]
                    yield Thing((side * rng.uniform(6.3, 6.7), z), _fixed(tree), shade=(1.6, 1.2))
            for z in rng.uniform(0, PERIOD, 3):
                sign = [_upright(things.road_sign(rng, self._climate))]
                yield Thing((side * 5.7, z), _fixed(sign))

    def _tree(self, rng: np.random.Generator) -> Texture:
        return self._trees[rng.integers(len(self._trees))]

    def _traffic(self, rng: np.random.Generator) -> Iterator[Thing]:
        for side in (-1, 1):
            z = rng.uniform(4, 9)
            while z < PERIOD - 6:
                if abs(z + 2 - self._crossing) > 7 and rng.random() < 0.7:
                    yield self._car(rng, side * 4.1, z, 0.0, side)
                z += rng.uniform(5.2, 6.5)
        for nearest, farthest in ((24, 34), (55, 70)):
            yield self._car(rng, EGO_X + 0.1, rng.uniform(nearest, farthest), EGO_SPEED, 1)
        for nearest, farthest in ((22, 34), (60, 80), (105, 120)):
            yield self._car(rng, -1.6, rng.uniform(nearest, farthest), -EGO_SPEED, -1)

    def _car(self, rng: np.random.Generator, x: float, z: float, speed: float, heading: int) -> Thing:
        parts = car(rng, self._climate, speed != 0, heading)
        return Thing((x, z), _fixed(parts), (0.0, speed), (2.0, 4.6))

    def _people(self, rng: np.random.Generator) -> Iterator[Thing]:
        for index in range(14):
            x = rng.uniform(7.2, 8.6) * (-1 if index % 4 < 2 else 1)
            pace = rng.uniform(1.1, 1.5) * (-1 if index % 2 else 1)
            yield self._walker(rng, (x, index * PERIOD / 14 + rng.uniform(0, 6)), (0.0, pace))
        for x in (rng.uniform(-4, -1), rng.uniform(2.6, 4.4)):
            yield self._walker(
                rng, (x, self._crossing + rng.uniform(0.8, 2.2)), (rng.choice([-0.9, 0.9]), 0.0)
            )

    def _walker(
        self, rng: np.random.Generator, start: tuple[float, float], velocity: tuple[float, float]
    ) -> Thing:
        seed, offset = int(rng.integers(1 << 30)), rng.random()

        def surfaces(time: float) -> list[Surface]:
            return [_upright(things.person(seed, (offset + 0.9 * time) % 1, self._climate))]

        return Thing(start, surfaces, velocity, (0.7, 0.35))


def _fixed(parts: Sequence[Surface]) -> Callable[[float], Sequence[Surface]]:
    return lambda _: parts


def _ahead(z: float, camera_z: float) -> float:
    """Position of the repetition of ``z`` that is in view."""
    start = camera_z - _BEHIND
    return float((z - start) % PERIOD + start)


def _upright(texture: Texture, x: float = 0.0, z: float = 0.0) -> Surface:
    """A surface standing at (x, z), facing along the street."""
    width, height = texture.size
    return Surface(texture, (x - width / 2, -height, z), (width, 0, 0), (0, height, 0), 0.6)


def _flat(texture: Texture, corner: Vector, width: float, length: float) -> Surface:
    """A surface on the ground, given its far left corner."""
    return Surface(texture, corner, (width, 0, 0), (0, 0, -length), -SUN[1])


def _along(
    texture: Texture, side: int, top: tuple[float, float], down: tuple[float, float], more_sun: float = 0.0
) -> Surface:
    """A surface along the houses from z = 0, facing the street; ``top``: x and y of its upper edge."""
    length = texture.size[0]
    z, run = (0.0, length) if side < 0 else (length, -length)
    sun = max(0.0, side * -SUN[0]) + more_sun
    return Surface(texture, (*top, z), (0, 0, run), (*down, 0), sun)
