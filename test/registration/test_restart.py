"""A doubtful homography that matches bend where there are no edges, and the start from their similarity."""

import numpy as np
import pytest
from support.scripted_engine import THERMAL, ScriptedEngine, plain, points_of, scene_pair
from support.sparse_scene import BENT, TRUTH, sparse_pair

from distillmatch_ros import Registrar, Registration, Status
from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.registration.crops import Wider
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.passes import CERTAIN
from distillmatch_ros.registration.probability import FEATURES, ProbabilityModel


def _register(
    restart: bool, known: float | None = 0.6, gate: Gate | None = None, exchanged: bool = False
) -> Registration:
    """Register matches of the bent homography, each pass of which has one probability."""
    intercept = None if known is None else float(np.log(known / (1 - known)))
    model = None if intercept is None else ProbabilityModel("", intercept, dict.fromkeys(FEATURES, 0.0), 9, 0)
    engine = ScriptedEngine(points_of(plain(BENT)))
    registrar = Registrar(engine, passes=1, gate=gate, probability=model)
    if not exchanged:
        return registrar.register(*sparse_pair(), restart=restart)
    pair = registrar.prepare(*sparse_pair()[::-1])
    return registrar.register_prepared(pair, wider=(Wider.THERMAL,), restart=restart)


def _off_px(found: Registration, exchanged: bool = False) -> float:
    """Greatest distance of a corner of the narrow image from its place, pixels of the wide one."""
    assert found.homography is not None, found.status
    onto = np.linalg.inv(found.homography) if exchanged else found.homography
    return float(np.hypot(*(transform(onto, corners(THERMAL)) - transform(TRUTH, corners(THERMAL))).T).max())


@pytest.mark.parametrize("exchanged", [False, True])
def test_what_edges_support_better_from_the_similarity_of_the_matches_is_taken(exchanged: bool) -> None:
    plainly, again = (_register(restart, exchanged=exchanged) for restart in (False, True))
    assert plainly.status is again.status is Status.OK
    assert plainly.wider is again.wider is (Wider.THERMAL if exchanged else Wider.VISIBLE)
    assert _off_px(plainly, exchanged) > 20
    assert _off_px(again, exchanged) < 8
    assert again.quality.peak_prominence > plainly.quality.peak_prominence
    np.testing.assert_array_equal(again.visible_points, plainly.visible_points)
    assert again.inliers.sum() == again.quality.inliers < plainly.quality.inliers


@pytest.mark.parametrize("known", [None, CERTAIN + 0.01])
def test_a_homography_that_is_not_doubtful_stays(known: float | None) -> None:
    plainly, again = (_register(restart, known=known) for restart in (False, True))
    np.testing.assert_array_equal(again.homography, plainly.homography)


def test_a_doubtful_homography_that_edges_support_better_than_the_similarity_stays() -> None:
    truth = np.array([[2.0, 0.06, 150.0], [-0.06, 2.0, 20.0], [1e-3, 0, 1.0]])
    model = ProbabilityModel("", float(np.log(0.6 / 0.4)), dict.fromkeys(FEATURES, 0.0), 9, 0)
    registrar = Registrar(ScriptedEngine(points_of(plain(truth))), passes=1, probability=model)
    plainly, again = (registrar.register(*scene_pair(truth), restart=restart) for restart in (False, True))
    assert plainly.status is again.status is Status.OK
    np.testing.assert_array_equal(again.homography, plainly.homography)


def test_what_edges_support_better_has_to_pass_the_gate_itself() -> None:
    """One of the two is wrong: the homography that more matches support is no answer either."""
    gate = Gate(min_inliers=150)
    plainly, again = (_register(restart, gate=gate) for restart in (False, True))
    assert plainly.status is Status.OK and plainly.quality.inliers > 150
    assert again.homography is None and again.rejected_by.threshold == "min_inliers"
