from dataclasses import replace

import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE, drive

from distillmatch_ros.evaluation.rig_uncertainty import simulate, within
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.estimation import fit_rig
from distillmatch_ros.rig.parallax import DepthMapping
from distillmatch_ros.rig.uncertainty import WITHIN_95, deviations_of, map_covariance, map_deviations, places


@pytest.mark.slow
def test_most_true_maps_lie_within_the_ellipses() -> None:
    held = np.array([within(simulate(12, seed)) for seed in range(16)]) < WITHIN_95
    assert 0.85 <= held.mean() <= 0.99  # 0.92 of many drives; 16 drives scatter by 0.03


def test_deviations_shrink_with_frames_and_grow_towards_the_corners() -> None:
    few, many = (fit_rig(drive(frames).matches, RIG.thermal, RIG.visible).rig for frames in (6, 24))
    for depth in (0.0, 0.08):
        before, after = map_deviations(few, depth), map_deviations(many, depth)
        assert before is not None and after is not None
        assert 0 < after.centre < before.centre < 2 and after.corner < before.corner < 4


def test_a_pairs_map_is_as_uncertain_as_the_rig_at_its_depth() -> None:
    rig = fit_rig(drive(6).matches, RIG.thermal, RIG.visible).rig
    mapping = rig.on_plane(np.array([0.01, 0.0, 0.05]))
    expected = map_deviations(rig, 0.05)
    assert expected is not None and deviations_of(mapping) == expected
    by_depth = DepthMapping(rig, np.full(VISIBLE, 0.05, np.float32), mapping.plane)
    assert deviations_of(by_depth) == expected
    metric = deviations_of(mapping.by(rig.with_baseline(0.08)))
    assert metric is not None
    np.testing.assert_allclose((metric.centre, metric.corner), (expected.centre, expected.corner), rtol=1e-6)
    assert deviations_of(None) is None and deviations_of(RIG.at(0.05)) is None
    assert deviations_of(HomographyMapping(np.eye(3), THERMAL, VISIBLE)) is None


def test_neither_the_unit_nor_an_inverse_depth_is_an_error() -> None:
    length = np.zeros((12, 12))
    length[5:8, 5:8] = np.outer(*[RIG.T_visible_thermal.translation] * 2)
    sized = replace(RIG, covariance=length)
    np.testing.assert_allclose(map_covariance(sized, 0.05, places(THERMAL)), 0, atol=1e-9)
    sideways = np.zeros((12, 12))
    sideways[3, 3] = 1e-4  # a turn about the vertical axis is nearly a change of depth along the baseline
    covariance = map_covariance(replace(RIG, covariance=sideways), 0.05, places(THERMAL))
    assert covariance is not None and covariance[0, 0, 0] < 0.05 * (0.01 * 800) ** 2
    assert map_covariance(RIG, 0.05, places(THERMAL)) is None and map_deviations(RIG, 0.05) is None
