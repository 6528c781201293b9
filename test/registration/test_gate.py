import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import corners, transform
from distillmatch_ros.registration.gate import Estimate, Gate, estimate, implausible
from distillmatch_ros.registration.status import Status

SIZE = (512, 640)
FRAME = np.array([640.0, 512.0])
GATE = Gate(min_inlier_ratio=0.3, min_spread=0.2, max_corner_std_px=6.0)
"""Strict enough for matches without an alignment."""


def camera(generator: np.random.Generator) -> np.ndarray:
    """A random view of the hard kind: thermal sees 50-80 % of the visible image, turned and tilted."""
    angle = np.deg2rad(generator.uniform(-25, 25))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quadrilateral = (corners(SIZE) - FRAME / 2) * generator.uniform(0.5, 0.8) @ turn.T + FRAME / 2
    quadrilateral += (generator.uniform(-0.15, 0.15, 2) + generator.uniform(-0.06, 0.06, (4, 2))) * FRAME
    return cv2.getPerspectiveTransform(corners(SIZE).astype(np.float32), quadrilateral.astype(np.float32))


def correspondences(
    generator: np.random.Generator,
    homography: np.ndarray,
    count: int = 300,
    noise: float = 1.0,
    outliers: float = 0.3,
    region: tuple[float, float] = (1.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Thermal and visible points; the thermal ones lie in a random part of the frame of the size `region`."""
    thermal = (
        generator.random(2) * (1 - np.array(region)) + generator.random((count, 2)) * region
    ) * FRAME - 0.5
    visible = transform(homography, thermal) + generator.normal(size=(count, 2)) * noise
    wrong = generator.random(count) < outliers
    visible[wrong] = generator.random((wrong.sum(), 2)) * FRAME
    return thermal, visible


def corner_error(found: Estimate, truth: np.ndarray) -> float:
    assert found.homography is not None
    gaps = transform(found.homography, corners(SIZE)) - transform(truth, corners(SIZE))
    return float(np.hypot(*gaps.T).mean())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0, 2), st.floats(0, 0.6))
def test_any_view_is_recovered_from_noisy_correspondences(seed: int, noise: float, outliers: float) -> None:
    generator = np.random.default_rng(seed)
    truth = camera(generator)
    thermal, visible = correspondences(generator, truth, noise=noise, outliers=outliers)
    found = estimate(thermal, visible, SIZE, SIZE, GATE)
    assert found.status is Status.OK
    assert corner_error(found, truth) < 0.2 + 3 * noise
    assert found.quality is not None
    assert found.quality.inliers == found.inliers.sum()
    distances = np.hypot(*(transform(found.homography, thermal) - visible).T)
    np.testing.assert_array_equal(found.inliers, distances <= GATE.inlier_px)


def test_exact_correspondences_give_the_exact_homography() -> None:
    generator = np.random.default_rng(5)
    truth = camera(generator)
    found = estimate(*correspondences(generator, truth, noise=0, outliers=0.5), SIZE, SIZE, GATE)
    assert corner_error(found, truth) < 1e-6
    np.testing.assert_allclose(found.homography, truth / truth[2, 2], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("count", [8, 15, 40, 120, 500])
def test_random_correspondences_never_pass(count: int) -> None:
    for seed in range(100):
        generator = np.random.default_rng(seed)
        thermal, visible = generator.random((2, count, 2)) * FRAME
        for gate in (GATE, GATE.proposal()):
            found = estimate(thermal, visible, SIZE, SIZE, gate)
            assert found.status is Status.FEW_INLIERS
            assert found.homography is None


def test_blurred_identity_does_not_pass() -> None:
    """What a network answers that knows no better than that cameras see the same."""
    for seed in range(60):
        generator = np.random.default_rng(seed)
        thermal = generator.random((300, 2)) * FRAME
        visible = thermal + generator.normal(size=(300, 2)) * generator.uniform(15, 60)
        assert estimate(thermal, visible, SIZE, SIZE, GATE).homography is None


def test_what_passes_near_degeneracy_is_right() -> None:
    """Strips, corners, handfuls of inliers: most are rejected, and of what leaves at most 1 % is wrong."""
    left, wrong = 0, 0
    for seed in range(600):
        generator = np.random.default_rng(seed)
        truth = camera(generator)
        thermal, visible = correspondences(
            generator,
            truth,
            count=int(generator.integers(20, 200)),
            noise=generator.uniform(0.5, 4),
            outliers=generator.uniform(0.2, 0.8),
            region=tuple(generator.uniform(0.05, 1, 2)),
        )
        found = estimate(thermal, visible, SIZE, SIZE, GATE)
        if found.homography is not None:
            left += 1
            wrong += corner_error(found, truth) > 20
    assert 60 < left < 500
    assert wrong <= 0.01 * left


@pytest.mark.parametrize("region", [(0.1, 0.1), (0.25, 0.25), (1, 0.02), (0.02, 1), (1, 0.1)])
def test_clustered_and_collinear_inliers_are_degenerate(region: tuple[float, float]) -> None:
    for seed in range(20):
        generator = np.random.default_rng(seed)
        points = correspondences(generator, camera(generator), region=region)
        found = estimate(*points, SIZE, SIZE, GATE)
        assert found.status is Status.DEGENERATE
        assert found.homography is None
        assert found.inliers.sum() > 50


def test_exact_line_and_single_place_leave_nothing() -> None:
    line = np.linspace(10, 500, 200)[:, None] * [1.0, 0.5]
    place = np.full((200, 2), 100.0)
    for points in (line, place):
        found = estimate(points, points, SIZE, SIZE, GATE)
        assert found.homography is None
        assert found.status in (Status.DEGENERATE, Status.FEW_INLIERS)


MIRROR = np.array([[-1.0, 0, 639], [0, 1, 0], [0, 0, 1]])
HORIZON = np.array([[1.0, 0, 0], [0, 1, 0], [1 / 300, 0, 1]])
STEEP = np.array([[1.0, 0, 0], [0, 1, 0], [1 / 250, 0, 1]])
SQUEEZED = np.diag([1.0, 0.3, 1.0])
TINY = np.array([[0.05, 0, 300], [0, 0.05, 250], [0, 0, 1]])


def test_mirrored_correspondences_agree_on_no_view() -> None:
    thermal = np.random.default_rng(2).random((200, 2)) * FRAME
    assert estimate(thermal, transform(MIRROR, thermal), SIZE, SIZE, GATE).homography is None
    assert implausible(MIRROR, SIZE, SIZE, GATE) is not None


@pytest.mark.parametrize("homography", [STEEP, SQUEEZED, TINY])
def test_views_no_camera_has_are_degenerate(homography: np.ndarray) -> None:
    thermal = np.random.default_rng(2).random((200, 2)) * FRAME
    found = estimate(thermal, transform(homography, thermal), SIZE, SIZE, GATE)
    assert found.status is Status.DEGENERATE
    assert found.homography is None
    assert implausible(homography, SIZE, SIZE, GATE) is not None


def test_horizon_and_singular_priors_are_implausible() -> None:
    through_frame = HORIZON @ np.array([[1.0, 0, -400], [0, 1, 0], [0, 0, 1]])
    for homography in (through_frame, np.zeros((3, 3)), np.diag([1.0, 0, 1])):
        assert implausible(homography, SIZE, SIZE, GATE) is not None
    assert implausible(-2 * np.eye(3), SIZE, SIZE, GATE) is None


def test_every_hard_view_is_plausible() -> None:
    generator = np.random.default_rng(11)
    assert all(implausible(camera(generator), SIZE, SIZE, GATE) is None for _ in range(500))


@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_few_matches(count: int) -> None:
    points = np.random.default_rng(0).random((count, 2)) * FRAME
    found = estimate(points, points, SIZE, SIZE, GATE)
    assert found.status is Status.FEW_MATCHES
    assert found.homography is None
    assert found.inliers.shape == (count,)


def test_verdict_and_figures_do_not_depend_on_resolution() -> None:
    generator = np.random.default_rng(4)
    truth = camera(generator)
    thermal, visible = correspondences(generator, truth, noise=1.5, outliers=0.4)
    small = estimate(thermal, visible, SIZE, SIZE, GATE)
    large = estimate((thermal + 0.5) / 4 - 0.5, (visible + 0.5) * 3 - 0.5, (128, 160), (1536, 1920), GATE)
    assert small.quality is not None
    assert large.quality is not None
    np.testing.assert_array_equal(small.inliers, large.inliers)
    np.testing.assert_allclose(
        [value for value in vars(small.quality).values() if value is not None],
        [value for value in vars(large.quality).values() if value is not None],
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        transform(large.homography, corners((128, 160))),
        (transform(small.homography, corners(SIZE)) + 0.5) * 3 - 0.5,
        atol=1e-3,
    )


def test_corner_uncertainty_predicts_the_corner_error() -> None:
    for noise in (1.0, 1.5):
        squares, predictions = [], []
        for seed in range(150):
            generator = np.random.default_rng(seed)
            truth = camera(generator)
            points = correspondences(generator, truth, count=120, noise=noise, outliers=0)
            found = estimate(*points, SIZE, SIZE, GATE.replace(noise_floor_px=0.0))
            assert found.homography is not None
            assert found.quality is not None
            gaps = transform(found.homography, corners(SIZE)) - transform(truth, corners(SIZE))
            squares.append((gaps**2).sum(axis=1).mean())
            predictions.append(found.quality.corner_std_px)
        # The prediction is that of the least certain corner, the error that of the average one.
        assert 0.8 < np.mean(predictions) / np.sqrt(np.mean(squares)) < 1.4


def test_each_threshold_rejects_for_its_own_reason() -> None:
    generator = np.random.default_rng(9)
    points = correspondences(generator, camera(generator), noise=1.5)
    assert estimate(*points, SIZE, SIZE, GATE).status is Status.OK
    for change, status in (
        ({"min_matches": 301}, Status.FEW_MATCHES),
        ({"min_inliers": 290}, Status.FEW_INLIERS),
        ({"min_inlier_ratio": 0.95}, Status.FEW_INLIERS),
        ({"max_false_alarms": 1e-300, "inlier_px": 50.0}, Status.FEW_INLIERS),
        ({"min_spread": 1.0}, Status.DEGENERATE),
        ({"max_corner_std_px": 0.1}, Status.DEGENERATE),
        ({"min_scale": 0.9}, Status.DEGENERATE),
        ({"max_anisotropy": 1.0}, Status.DEGENERATE),
        ({"max_perspective": 1.0}, Status.DEGENERATE),
    ):
        assert estimate(*points, SIZE, SIZE, GATE.replace(**change)).status is status, change


def test_status_prints_as_its_name() -> None:
    assert f"{Status.OK} {Status.FEW_INLIERS!s}" == "OK FEW_INLIERS"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("min_inlier_ratio", 1.5, "min_inlier_ratio is 1.5; choose 0 to 1"),
        ("min_inliers", "many", "min_inliers is 'many'; choose 5 to 10000"),
        ("inlier_px", float("nan"), "inlier_px is nan; choose 0.5 to 50 px"),
        ("spread", 0.5, "unknown spread"),
    ],
)
def test_gate_takes_no_values_that_are_not_allowed(name: str, value: object, reason: str) -> None:
    with pytest.raises(DistillMatchError, match=reason):
        Gate(**{name: value})
    with pytest.raises(DistillMatchError, match=reason):
        GATE.replace(**{name: value})
