import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE, drive

from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.quality import Agreement, distances_from


def test_every_pair_counts() -> None:
    """Two halves of a drive, 45 px of 960 apart: 30 px of 640."""
    points = np.random.default_rng(0).uniform(0, 500, (40, 2))
    still = HomographyMapping(np.eye(3), THERMAL, VISIBLE)
    halves = [FrameMatches(points, points + np.array([0 if index < 6 else 45, 0])) for index in range(12)]
    found = Agreement.of(distances_from(still, halves), rejected=3)
    assert (found.pairs, found.rejected, found.beyond) == (12, 3, 0.5)
    assert found.median_px == pytest.approx(15) and found.p95_px == pytest.approx(30)


def test_a_rig_takes_every_pair_at_its_own_depth() -> None:
    seen = drive(9, noise_px=1.0, wrong=0.0)
    by_rig = distances_from(LearnedRig(RIG, (0, 0.08), shifted=False), seen.matches)
    assert by_rig.max() < 1.2
    still = HomographyMapping(RIG.at(0.04).homography, THERMAL, VISIBLE)
    assert np.median(distances_from(still, seen.matches)) > 5
    behind = HomographyMapping(np.full((3, 3), np.nan), THERMAL, VISIBLE)
    assert np.isinf(distances_from(behind, seen.matches)).all()
    assert np.isfinite(transform(still.homography, seen.matches[0].thermal)).all()
