import cv2
import numpy as np
import pytest

from distillmatch_ros.geometry.homography import (
    corner_error,
    corners,
    errors,
    fit,
    jacobian,
    linearise,
    resize_matrix,
    to_reference,
    to_unit,
    transform,
)

TILTED = np.array([[0.9, 0.1, 12.0], [-0.05, 0.8, 7.0], [1e-4, -2e-4, 1.0]])
UNIT = to_reference((512, 640)) @ TILTED @ np.linalg.inv(to_unit((480, 600)))
UNIT /= UNIT[2, 2]


def test_transform_is_opencvs_perspective_transform() -> None:
    points = np.random.default_rng(0).uniform(0, 600, (50, 2)).astype(np.float32)
    expected = cv2.perspectiveTransform(points[None].astype(np.float64), TILTED)[0]
    np.testing.assert_allclose(transform(TILTED, points), expected, rtol=1e-12)


def test_transform_takes_no_points_and_the_horizon() -> None:
    assert transform(TILTED, np.zeros((0, 2), np.float32)).shape == (0, 2)
    horizon = np.array([[1.0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert np.isinf(transform(horizon, np.array([[0.0, 5.0]]))).all()


@pytest.mark.parametrize("target", [(32, 40), (128, 160), (50, 240)])
def test_resizing_follows_opencvs_half_pixel_rule(target: tuple[int, int]) -> None:
    rows, columns = np.mgrid[0:64, 0:80].astype(np.float32)
    moved = np.dstack(
        [cv2.resize(grid, target[::-1], interpolation=cv2.INTER_LINEAR) for grid in (columns, rows)]
    )
    y, x = target[0] // 2, target[1] // 2
    back = transform(resize_matrix(target, (64, 80)), np.array([[x, y]]))[0]
    np.testing.assert_allclose(moved[y, x], back, atol=1e-4)


def test_frames_are_centred_and_scaled_by_the_width() -> None:
    np.testing.assert_allclose(
        transform(to_unit((50, 100)), corners((50, 100)))[[0, 2]], [[-1, -0.5], [1, 0.5]]
    )
    np.testing.assert_allclose(transform(to_reference((540, 1920)), np.array([[1919.5, 269.5]])), [[320, 0]])


def test_derivatives_are_those_of_finite_differences() -> None:
    point, step = np.array([[0.3, -0.4]]), 1e-6
    moved = [
        (transform(UNIT, point + d) - transform(UNIT, point - d))[0] / (2 * step) for d in np.eye(2) * step
    ]
    np.testing.assert_allclose(jacobian(UNIT, (0.3, -0.4)), np.transpose(moved), rtol=1e-6)
    mapped, derivative = linearise(UNIT, point)
    np.testing.assert_allclose(mapped, transform(UNIT, point))
    for element in range(8):
        change = np.zeros(9)
        change[element] = step
        change = change.reshape(3, 3)
        slope = (transform(UNIT + change, point) - transform(UNIT - change, point))[0] / (2 * step)
        np.testing.assert_allclose(derivative[0, :, element], slope, rtol=1e-5, atol=1e-6)


def test_corner_error_is_measured_in_reference_pixels() -> None:
    shift = np.array([[1.0, 0, 30], [0, 1, 40], [0, 0, 1]])
    assert corner_error(np.eye(3), shift, (480, 640), (960, 1280)) == pytest.approx(25)


def heavy_tailed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    source = generator.uniform((-1, -0.8), (1, 0.8), (300, 2))
    noise = generator.normal(size=(300, 2)) * np.exp(0.7 * generator.normal(size=(300, 1)))
    target = transform(UNIT, source) + noise
    target[:150] = generator.uniform((-320, -256), (320, 256), (150, 2))
    return source, target


def test_refinement_beats_magsac_alone() -> None:
    square = np.array([[-1, -0.8], [1, -0.8], [1, 0.8], [-1, 0.8]])
    ours, theirs = [], []
    for seed in range(40):
        source, target = heavy_tailed(seed)
        found = fit(source, target, 4.0)
        assert found is not None
        magsac, _ = cv2.findHomography(source, target, cv2.USAC_MAGSAC, 4.0, maxIters=5000, confidence=0.9999)
        for estimates, homography in ((ours, found), (theirs, magsac)):
            estimates.append(errors(homography, square, transform(UNIT, square)).mean())
    assert np.median(ours) < 0.8 * np.median(theirs)
    assert max(ours) < 1.5


def test_fit_is_repeatable() -> None:
    first, second = (fit(*heavy_tailed(7), 4.0) for _ in range(2))
    assert first is not None
    np.testing.assert_array_equal(first, second)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("places", [1, 2, 3])
def test_fewer_than_four_places_fit_nothing_or_anything_but_never_raise(places: int) -> None:
    source = np.random.default_rng(0).uniform(-1, 1, (places, 2)).repeat(20, axis=0)
    found = fit(source, transform(UNIT, source), 4.0)
    assert found is None or found.shape == (3, 3)
