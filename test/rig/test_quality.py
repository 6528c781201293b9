import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE, drive

from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.quality import Agreement, distances_from, excess_px


def test_every_pair_counts() -> None:
    """Two halves of a drive, 45 px of 960 apart: 30 px of 640."""
    points = np.random.default_rng(0).uniform(0, 500, (40, 2))
    still = HomographyMapping(np.eye(3), THERMAL, VISIBLE)
    halves = [FrameMatches(points, points + np.array([0 if index < 6 else 45, 0])) for index in range(12)]
    found = Agreement.of(distances_from(still, halves), rejected=3)
    assert (found.pairs, found.rejected, found.beyond) == (12, 3, 0.5)
    assert found.median_px == pytest.approx(15) and found.p95_px == pytest.approx(30)


def test_what_a_mapping_adds_is_told_in_quadrature() -> None:
    """Matches 4 px (of 640) from one mapping and 5 px from the other: 3 px are added."""
    points = np.random.default_rng(0).uniform(0, 500, (40, 2))
    own, other = (
        HomographyMapping(np.array([[1, 0, px * 1.5], [0, 1, 0], [0, 0, 1]]), THERMAL, VISIBLE)
        for px in (4.0, 5.0)
    )
    seen = FrameMatches(points, points)
    assert excess_px(other, own, seen) == pytest.approx(3)
    assert excess_px(own, other, seen) == 0
    nowhere = HomographyMapping(np.full((3, 3), np.nan), THERMAL, VISIBLE)
    assert np.isnan(excess_px(own, nowhere, seen)) and np.isinf(excess_px(nowhere, own, seen))


def test_a_rig_takes_every_pair_at_its_own_depth() -> None:
    seen = drive(9, noise_px=1.0, wrong=0.0)
    by_rig = distances_from(LearnedRig(RIG, (0, 0.08), shifted=False), seen.matches)
    assert by_rig.max() < 1.2
    still = HomographyMapping(RIG.at(0.04).homography, THERMAL, VISIBLE)
    assert np.median(distances_from(still, seen.matches)) > 5
    behind = HomographyMapping(np.full((3, 3), np.nan), THERMAL, VISIBLE)
    assert np.isinf(distances_from(behind, seen.matches)).all()
    assert np.isfinite(transform(still.homography, seen.matches[0].thermal)).all()
