"""What makes pairs differ that are not those of one rig is named; what depth and tilt do is none of it."""

import numpy as np
import pytest

from distillmatch_ros.geometry.homography import Float64, from_corners, transform
from distillmatch_ros.geometry.homography import corners as corners_of
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.obstacles import Obstacle, differences, moved
from test.support.simulated_rig import RIG, THERMAL, VISIBLE

PAIRS = 24
MIDDLE = np.array([[1, 0, (VISIBLE[1] - 1) / 2], [0, 1, (VISIBLE[0] - 1) / 2], [0, 0, 1.0]])


def change(zoom: float = 1.0, degrees: float = 0.0, x: float = 0.0, y: float = 0.0) -> Float64:
    """What happens to the visible picture about its centre, visible pixels."""
    cosine, sine = zoom * np.cos(np.radians(degrees)), zoom * np.sin(np.radians(degrees))
    about = np.array([[cosine, -sine, x], [sine, cosine, y], [0, 0, 1.0]])
    return np.asarray(MIDDLE @ about @ np.linalg.inv(MIDDLE))


def found(homography: Float64, rng: np.random.Generator, noise_px: float = 4.0) -> HomographyMapping:
    """What a network finds: corners are off by a few pixels."""
    places = transform(homography, corners_of(THERMAL)) + rng.normal(0, noise_px, (4, 2))
    return HomographyMapping(from_corners(places, THERMAL, VISIBLE), THERMAL, VISIBLE)


def drive(kind: str, number: int, rng: np.random.Generator) -> Float64:
    match kind:
        case "zoom":
            return change(0.85 + 0.3 * number / PAIRS)
        case "zoom in steps":
            return change((1.0, 1.2, 0.85, 1.1)[number * 4 // PAIRS])
        case "zoom to and fro":
            return change(1 + 0.12 * np.sin(number))
        case "two rigs":
            return change(0.95, 1.0, 70, -40) if rng.random() < 0.5 else change()
        case "three rigs":
            return (change(), change(1.04, -4, -60, 10), change(0.95, 0, 70, -40))[rng.integers(3)]
        case "roll":
            return change(degrees=6 * np.sin(number / 4))
        case "gives":
            return change(x=50 * np.sin(number / 3), y=20 * np.cos(number / 4))
        case "late":
            return change(x=rng.normal(0, 40), y=rng.normal(0, 10))
    raise ValueError(kind)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("kind", "obstacle"),
    [
        ("zoom", Obstacle.ZOOM),
        ("zoom in steps", Obstacle.ZOOM),
        ("zoom to and fro", Obstacle.ZOOM),
        ("two rigs", Obstacle.SEVERAL),
        ("three rigs", Obstacle.SEVERAL),
        ("roll", Obstacle.MOUNT),
        ("gives", Obstacle.MOUNT),
        ("late", Obstacle.TIME),
    ],
)
def test_what_makes_pairs_differ_is_named(kind: str, obstacle: Obstacle, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [found(drive(kind, number, rng) @ RIG.at(0.03).homography, rng) for number in range(PAIRS)]
    told = differences(pairs)
    assert told.obstacle is obstacle
    assert told.no_rig_does or obstacle is not Obstacle.ZOOM
    assert obstacle.value in str(told)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nearest", [0.08, 0.2])
def test_depth_and_tilted_planes_are_no_zoom(nearest: float, seed: int) -> None:
    """Down to five distances of the cameras, and planes that are tilted by 45 degrees."""
    rng, pairs = np.random.default_rng(seed), []
    for _ in range(PAIRS):
        depth = rng.uniform(0, nearest)
        pairs.append(found(RIG.on_plane(np.array([*rng.uniform(-1, 1, 2) * depth, depth])).homography, rng))
    assert not differences(pairs).no_rig_does


def test_a_few_wrong_pairs_and_a_single_step_say_nothing() -> None:
    rng = np.random.default_rng(7)
    pairs = [found(RIG.at(0.03).homography, rng) for _ in range(PAIRS)]
    pairs[3] = pairs[11] = found(change(1.6, 40, 100, 0) @ RIG.at(0.03).homography, rng)
    assert differences(pairs).obstacle is None
    assert differences(pairs[:7]).obstacle is None and differences([]).obstacle is None


def test_a_zoom_is_told_from_a_knock() -> None:
    rng = np.random.default_rng(8)
    before = found(RIG.at(0.03).homography, rng)
    zoomed = moved(before, found(change(1.2) @ RIG.at(0.03).homography, rng))
    knocked = moved(before, found(change(1.0, -3, 40, 0) @ RIG.at(0.03).homography, rng))
    assert zoomed.is_zoom and zoomed.zoom == pytest.approx(1.2, abs=0.03)
    assert not knocked.is_zoom and knocked.degrees == pytest.approx(-3, abs=1)
    assert "zoom" in zoomed.sentence(30) and "zoom" not in knocked.sentence(30)
    assert knocked.shifted == pytest.approx(40 * 640 / VISIBLE[1], abs=6)
