"""A room with near things, seen from a robot: a table, shelves, people and walls at 1 to 6 m."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from distillmatch_ros.scene import furniture, things
from distillmatch_ros.scene.camera import Float32, SyntheticCamera, intrinsics, rotation
from distillmatch_ros.scene.climate import DAY
from distillmatch_ros.scene.paint import colour
from distillmatch_ros.scene.pair import SyntheticPair, develop
from distillmatch_ros.scene.raster import Canvas, Surface, Texture, Vector, rasterise
from distillmatch_ros.scene.view import THERMAL_SIZE, VISIBLE_SIZE

HALF_WIDTH, HEIGHT, LENGTH = 2.7, 2.75, 6.0  # metres; the back wall stands at z = LENGTH
INDOORS = replace(DAY, wall=20.5, paving=20, metal=20.5, foliage=19, trunk=19.5, exposure=1.0, grain=2.0)
BASELINE, K1 = 0.08, -0.2
_EYE = 1.35  # height of the cameras, metres
_LAMP: Vector = (0.2, -HEIGHT + 0.1, 2.6)
_PERSON_DENSITY = 260  # texels per metre, since people stand near


class Room:
    """Two cameras with distorting lenses, 8 cm apart, in a furnished room.

    The same seed gives the same pixels.

    Args:
        seed: seed of the room and of the cameras' mounting.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        self._seed = seed
        self._mount = rotation(*np.radians(rng.uniform(-1, 1, 3)))
        self._lens = intrinsics(THERMAL_SIZE, rng.uniform(47, 51))
        self._walls = list(_walls(rng))
        self._furniture = [_shelves(rng), _table(rng)]
        self._people = [
            _Person(int(rng.integers(1 << 30)), x, z, rng.uniform(0.1, 0.3))
            for x, z in (
                (rng.uniform(-1.5, -0.9), rng.uniform(3.4, 4.0)),
                (rng.uniform(0.4, 0.8), rng.uniform(2.7, 3.1)),
            )
        ]

    def render(self, time: float = 0.0) -> SyntheticPair:
        """Render both cameras' images at a time, seconds: people walk, and the robot sways and turns."""
        rng = np.random.default_rng([self._seed, 2, abs(round(1e3 * time))])
        cameras = self._cameras(time)
        surfaces = self._surfaces(time)
        canvases = rasterise(cameras[0], surfaces, "visible"), rasterise(cameras[1], surfaces, "thermal")
        light, celsius = _radiance(canvases[0], cameras[0]), canvases[1].pixels[..., 0]
        return develop(cameras, canvases, light, celsius, INDOORS, rng)

    def _cameras(self, time: float) -> tuple[SyntheticCamera, SyntheticCamera]:
        heading = rotation(0.09, 0.05 * np.sin(0.6 * time), 0.01 * np.sin(0.9 * time))
        centre = np.array([0.12 * np.sin(0.5 * time), -_EYE, 0.15 * np.sin(0.3 * time)])
        beside = centre + heading.T @ (BASELINE, 0.0, 0.0)
        return (
            SyntheticCamera(VISIBLE_SIZE, intrinsics(VISIBLE_SIZE, 62), heading, centre, K1),
            SyntheticCamera(THERMAL_SIZE, self._lens, self._mount @ heading, beside, K1),
        )

    def _surfaces(self, time: float) -> list[Surface]:
        """From far to near."""
        people = [person.group(time) for person in self._people]
        groups = sorted([*self._furniture, *people], key=lambda group: -group.z)
        return [*self._walls, *(surface for group in groups for surface in group.surfaces)]


@dataclass(frozen=True, eq=False)
class _Group:
    """Surfaces from far to near, all at about the same depth."""

    z: float
    surfaces: list[Surface]


@dataclass(frozen=True)
class _Person:
    """Someone who walks to and fro around (x, z)."""

    seed: int
    x: float
    z: float
    pace: float

    def group(self, time: float) -> _Group:
        texture = things.person(self.seed, (0.15 + self.pace * time) % 1, INDOORS, _PERSON_DENSITY)
        return _Group(self.z, [_upright(texture, self.x + 0.3 * np.sin(self.pace * time + self.x), self.z)])


def _walls(rng: np.random.Generator) -> Iterator[Surface]:
    width = 2 * HALF_WIDTH
    yield Surface(
        furniture.back_wall(rng, width, HEIGHT, INDOORS),
        (-HALF_WIDTH, -HEIGHT, LENGTH),
        (width, 0, 0),
        (0, HEIGHT, 0),
    )
    depth = LENGTH + 1.0
    left, right = (furniture.side_wall(rng, depth, HEIGHT, INDOORS) for _ in range(2))
    yield Surface(left, (-HALF_WIDTH, -HEIGHT, -1), (0, 0, depth), (0, HEIGHT, 0))
    yield Surface(right, (HALF_WIDTH, -HEIGHT, LENGTH), (0, 0, -depth), (0, HEIGHT, 0))
    yield Surface(
        furniture.floor(rng, width, depth, INDOORS), (-HALF_WIDTH, 0, LENGTH), (width, 0, 0), (0, 0, -depth)
    )
    yield Surface(
        furniture.ceiling(width, depth, INDOORS), (-HALF_WIDTH, -HEIGHT, -1), (width, 0, 0), (0, 0, depth)
    )


def _shelves(rng: np.random.Generator) -> _Group:
    """An open bookcase that stands before the back wall."""
    x, z, width, height, depth = rng.uniform(0.9, 1.2), rng.uniform(4.2, 4.7), 1.2, 1.9, 0.35
    across, run = (width, 0.0, 0.0), (0.0, 0.0, -depth)
    back = furniture.bookcase_back(width, height, INDOORS)
    surfaces = [Surface(back, (x, -height, z + depth), across, (0, height, 0))]
    for level in range(1, 5):
        foot = -level * height / 5
        row = furniture.books(rng, width - 0.1, 0.3, INDOORS)
        surfaces += [
            Surface(furniture.plank(width, depth, INDOORS), (x, foot, z + depth), across, run),
            _upright(row, x + width / 2, z + 0.12, foot),
        ]
    side = furniture.plank(depth, height, INDOORS)
    front = furniture.bookcase_front(width, height, INDOORS)
    surfaces.append(Surface(side, (x, -height, z + depth), run, (0, height, 0)))
    surfaces.append(Surface(front, (x, -height, z), across, (0, height, 0)))
    return _Group(z, surfaces)


def _table(rng: np.random.Generator) -> _Group:
    """A table near the cameras, with things on it and a chair behind it."""
    x, z, width, depth, height = rng.uniform(-1.0, -0.8), rng.uniform(1.25, 1.4), 1.3, 0.75, 0.78
    surfaces = [_upright(furniture.chair(rng, INDOORS), x + rng.uniform(0.3, 0.9), z + depth + 0.2)]
    leg = furniture.leg(height - 0.04, INDOORS)
    feet = [(x + aside, z + ahead) for ahead in (depth - 0.06, 0.06) for aside in (0.06, width - 0.06)]
    surfaces += [_upright(leg, *foot) for foot in feet]
    across = (width, 0.0, 0.0)
    top = furniture.table_top(rng, width, depth, INDOORS)
    edge = furniture.plank(width, 0.05, INDOORS)
    surfaces.append(Surface(top, (x, -height, z + depth), across, (0, 0, -depth)))
    surfaces.append(Surface(edge, (x, -height, z), across, (0, 0.05, 0)))
    things_on_it = (
        (furniture.plant(rng, INDOORS), rng.uniform(1.05, 1.1), 0.55),
        (furniture.monitor(INDOORS), rng.uniform(0.3, 0.4), 0.5),
        (furniture.bottle(INDOORS), rng.uniform(0.8, 0.9), rng.uniform(0.35, 0.45)),
        (furniture.mug(INDOORS), rng.uniform(0.6, 0.75), rng.uniform(0.05, 0.12)),
    )
    surfaces += [_upright(texture, x + aside, z + ahead, -height) for texture, aside, ahead in things_on_it]
    return _Group(z, surfaces)


def _upright(texture: Texture, x: float, z: float, foot: float = 0.0) -> Surface:
    """A surface that faces the cameras, standing at (x, foot, z)."""
    width, height = texture.size
    return Surface(texture, (x - width / 2, foot - height, z), (width, 0, 0), (0, height, 0))


def _radiance(canvas: Canvas, camera: SyntheticCamera) -> Float32:
    """Light of a lamp below the ceiling and of the walls; float32 (H, W, 3)."""
    depth = 1 / np.maximum(canvas.inverse_depth, np.float32(1e-3))
    points = camera.rays * depth[..., None] + camera.centre.astype(np.float32)
    square = ((points - np.array(_LAMP, np.float32)) ** 2).sum(axis=-1)
    light = (0.45 + 1.6 / (1 + square))[..., None] * colour("fff2de")
    paint = canvas.pixels[..., :3]
    own = np.maximum(paint - 1, 0)
    return np.asarray((paint - own) * light + own, np.float32)
