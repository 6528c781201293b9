"""Each threshold at both ends of its range, applied to the homography that the registrar returns."""

import numpy as np
import pytest
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of, scene_pair

from distillmatch_ros import Gate, Registrar, Registration, Status
from distillmatch_ros.engines.protocol import Float32, RawMatches

LIMITS = [
    ("min_matches", 4, 10000, Status.FEW_MATCHES),
    ("min_inliers", 5, 10000, Status.FEW_INLIERS),
    ("min_inlier_ratio", 0.0, 1.0, Status.FEW_INLIERS),
    ("inlier_px", 50.0, 0.5, Status.FEW_INLIERS),
    ("min_spread", 0.0, 1.0, Status.DEGENERATE),
    ("max_corner_std_px", 100.0, 0.1, Status.DEGENERATE),
    ("min_scale", 0.01, 100.0, Status.DEGENERATE),
    ("max_scale", 100.0, 0.01, Status.DEGENERATE),
    ("max_anisotropy", 100.0, 1.0, Status.DEGENERATE),
    ("max_perspective", 100.0, 1.0, Status.DEGENERATE),
    ("min_peak_prominence", 0.0, 1.0, Status.DEGENERATE),
    ("max_second_peak_ratio", 1.0, 0.0, Status.DEGENERATE),
]


def rough(visible: Float32, thermal: Float32) -> RawMatches:
    """A fifth wrong, the others off by 1.3 network pixels."""
    exact = points_of(plain(TRUTH), wrong=40)(visible, thermal)
    shaken = exact.visible_points + np.random.default_rng(0).normal(0, 1.3, exact.visible_points.shape)
    return RawMatches(shaken.astype(np.float32), exact.thermal_points, exact.confidence)


def register(gate: Gate) -> Registration:
    return Registrar(ScriptedEngine(rough), gate=gate).register(*scene_pair())


@pytest.mark.parametrize(
    ("name", "permissive", "strict", "status"), LIMITS, ids=[name for name, *_ in LIMITS]
)
def test_threshold_holds_for_what_is_returned(
    name: str, permissive: float, strict: float, status: Status
) -> None:
    assert register(Gate(**{name: permissive})).status is Status.OK
    rejected = register(Gate(**{name: strict}))
    assert rejected.status is status
    assert rejected.homography is None


def test_ratio_is_the_one_that_can_be_counted() -> None:
    inliers = register(Gate()).inliers.mean()
    assert register(Gate(min_inlier_ratio=float(inliers) - 0.01)).status is Status.OK
    assert register(Gate(min_inlier_ratio=float(inliers) + 0.01)).status is Status.FEW_INLIERS
