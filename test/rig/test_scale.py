"""The distance of the cameras from depth: what pairs agree on is believed, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL

from distillmatch_ros.evaluation.parallax import true_rig
from distillmatch_ros.images.prepared import to_grey_8bit
from distillmatch_ros.rig.depth_image import registered
from distillmatch_ros.rig.scale import DepthMatches, ScaleEstimate, match_depth, pair_scale
from distillmatch_ros.scene import SyntheticPair

METRES = 0.08
LENGTH = float(np.linalg.norm(RIG.T_visible_thermal.translation))


def matches(
    seed: int, metres: float = METRES, nearest: float = 1.0, farthest: float = 8.0, plane_px: float = 3.0
) -> DepthMatches:
    """A pair whose edges are seen to half a pixel, a tenth of them elsewhere; the start is 40 % off."""
    rng = np.random.default_rng(seed)
    rays = RIG.thermal.unproject(rng.uniform((60, 60), np.array(THERMAL[::-1]) - 60, (80, 2)))
    depth = rng.uniform(nearest, farthest, 80)  # along the thermal camera's axis, m
    pose = RIG.with_baseline(metres).T_visible_thermal
    points = pose.apply(rays * depth[:, None])
    thermal = RIG.thermal.project(rays) + rng.normal(0, 0.5, (80, 2))
    thermal[:8] += rng.uniform(-8, 8, (8, 2))
    start = 1.4 * metres / LENGTH
    seen, inverse_depth = RIG.visible.project(points), 1 / points[:, 2]
    return DepthMatches(thermal, seen, inverse_depth, np.ones(80), (0.0, 0.0), start, plane_px)


def test_a_pair_tells_the_distance_and_how_certain_it_is() -> None:
    metres, deviations, left_px = np.array([pair_scale(RIG, matches(seed)) for seed in range(20)]).T
    errors = metres * LENGTH / METRES - 1
    assert 0.3 < np.median(left_px) < 0.8
    assert np.abs(errors).max() < 0.05
    assert 0.4 < np.median(deviations) / errors.std() < 2.5


def test_pairs_that_agree_make_the_rig_metric() -> None:
    estimate = ScaleEstimate(most=12)
    for seed in range(4):
        estimate.add(matches(seed))
    assert estimate.scale(RIG) is None
    for seed in range(4, 20):
        estimate.add(matches(seed))
    scale = estimate.scale(RIG)
    assert scale is not None and scale.is_known and scale.pairs == estimate.pairs == 12
    assert abs(scale.metres * LENGTH / METRES - 1) < 2 * scale.deviation < 0.06


@pytest.mark.parametrize(
    "wrong",
    [
        {"metres": [0.02, 0.3, 0.08, 0.15, 0.05, 0.4]},
        {"nearest": [200.0] * 6, "farthest": [900.0] * 6},
        {"plane_px": [0.6] * 6},
        {"metres": [80.0] * 6, "nearest": [1000.0] * 6, "farthest": [8000.0] * 6},
    ],
    ids=["pairs disagree", "far away", "planes do as well", "millimetres"],
)
def test_what_pairs_do_not_tell_is_not_known(wrong: dict[str, list[float]]) -> None:
    estimate = ScaleEstimate()
    for seed in range(6):
        estimate.add(matches(seed, **{name: values[seed] for name, values in wrong.items()}))
    scale = estimate.scale(RIG)
    assert scale is not None and not scale.is_known


def test_edges_of_a_room_tell_it(room: SyntheticPair) -> None:
    true = true_rig(room)
    unit = true.with_baseline(1.0)
    images = to_grey_8bit(room.visible, stretch=False), to_grey_8bit(room.thermal, stretch=True)
    mapping = unit.at(METRES / 3.0)
    depth = registered(room.visible_depth, unit.visible.size)
    found = match_depth(*images, mapping, depth)
    assert found is not None and 0.3 < found.start / METRES < 3
    again = match_depth(*images, mapping, depth, pair_scale(unit, found)[0])
    assert again is not None and len(again.weights) > len(found.weights), "near things are found too"
    assert abs(pair_scale(unit, again)[0] / METRES - 1) < 0.04
    assert match_depth(*images, mapping, np.full_like(depth, np.nan)) is None
    assert match_depth(*images, replace(unit, origins={}).at(METRES / 3.0), 0 * depth) is None
