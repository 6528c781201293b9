import cv2
import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.undistortion import Undistorter
from distillmatch_ros.images.frames import Frame

SIZE = (240, 320)
MATRIX = np.array([[250.0, 0, 158], [0, 245, 122], [0, 0, 1]])
LENSES = {
    "plumb_bob": [-0.28, 0.09, 0.001, -0.0015, 0.0],
    "rational_polynomial": [0.3, -0.2, 0.001, -0.001, 0.01, 0.6, -0.1, 0.02],
    "equidistant": [0.05, -0.01, 0.003, -0.001],
}


def lens(model: str, distortion: list[float] | None = None, size: tuple[int, int] = SIZE) -> Camera:
    coefficients = LENSES[model] if distortion is None else distortion
    return Camera(size, MATRIX, np.array(coefficients, np.float64), model)


def frame(image: np.ndarray) -> Frame:
    return Frame(image, "16UC1", 5, "camera")


def seen_through(model: str, points: np.ndarray) -> np.ndarray:
    """Pixels at which the lens shows what an ideal camera shows at `points` (N, 2)."""
    rays = (points - MATRIX[:2, 2]) / MATRIX[[0, 1], [0, 1]]
    if model == "equidistant":
        return cv2.fisheye.distortPoints(rays[:, None], MATRIX, np.array(LENSES[model]))[:, 0]
    cube = np.column_stack([rays, np.ones(len(rays))])
    nothing = np.zeros(3)
    return cv2.projectPoints(cube, nothing, nothing, MATRIX, np.array(LENSES[model]))[0][:, 0]


@pytest.mark.parametrize("model", LENSES)
def test_dots_move_to_where_an_ideal_camera_sees_them(model: str) -> None:
    ideal = np.array([[60.0, 50], [250, 60], [160, 120], [80, 190], [240, 200]])
    bent = seen_through(model, ideal)
    assert np.abs(bent - ideal).max() > 3
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    dots = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18) for x, y in bent)
    straight = Undistorter(lens(model))(frame(np.uint8(np.clip(255 * dots, 0, 255)))).image.astype(float)
    for x, y in ideal:
        near = np.hypot(columns - x, rows - y) < 12
        weight = straight * near
        found = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
        np.testing.assert_allclose(found, (x, y), atol=0.4)


@pytest.mark.parametrize(
    "image",
    [
        np.random.default_rng(0).integers(0, 60000, SIZE, np.uint16),
        np.random.default_rng(0).normal(20, 5, SIZE).astype(np.float32),
        np.random.default_rng(0).normal(20, 5, SIZE),
        np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (*SIZE, 4), np.uint8),
    ],
    ids=lambda image: f"{image.dtype}-{image.shape}",
)
def test_kind_of_image_and_header_stay(image: np.ndarray) -> None:
    before = image.copy()
    straight = Undistorter(lens("plumb_bob"))(frame(image))
    assert (straight.image.dtype, straight.image.shape) == (image.dtype, image.shape)
    assert (straight.encoding, straight.stamp, straight.frame_id) == ("16UC1", 5, "camera")
    assert not np.array_equal(straight.image, image)
    np.testing.assert_array_equal(image, before)
    if image.dtype != np.uint8:  # readings, none of which is invented
        assert np.isin(straight.image, np.append(image, 0)).all()


@pytest.mark.parametrize(("dtype", "outside"), [(np.uint16, 0), (np.float32, np.nan), (np.float64, np.nan)])
def test_what_the_camera_did_not_see_is_no_reading(dtype: type, outside: float) -> None:
    straight = Undistorter(lens("plumb_bob", [0.4, 0, 0, 0]))(frame(np.full(SIZE, 7, dtype))).image
    np.testing.assert_array_equal(straight[[0, 0, -1, -1], [0, -1, 0, -1]], outside)
    assert set(straight[60:-60, 60:-60].flat) == {7}


def test_a_straight_lens_returns_the_frame_itself() -> None:
    image = frame(np.zeros(SIZE, np.uint8))
    assert Undistorter(lens("plumb_bob", [0] * 5))(image) is image
    assert Undistorter(Camera(SIZE, MATRIX, np.zeros(0), ""))(image) is image


def test_an_ideal_fisheye_still_bends() -> None:
    image = frame(np.random.default_rng(0).integers(0, 256, SIZE, np.uint8))
    straight = Undistorter(lens("equidistant", [0] * 4))(image)
    assert not np.array_equal(straight.image, image.image)


def test_images_of_another_size_are_rejected() -> None:
    with pytest.raises(DistillMatchError, match="640x512 pixels, but its camera_info describes 320x240"):
        Undistorter(lens("plumb_bob"))(frame(np.zeros((512, 640), np.uint8)))


@pytest.mark.parametrize(
    ("model", "distortion", "meant", "coefficients"),
    [
        ("fisheye", LENSES["equidistant"], "equidistant", LENSES["equidistant"]),
        ("Kannala_Brandt4", [*LENSES["equidistant"], 0], "equidistant", LENSES["equidistant"]),
        ("radtan", LENSES["plumb_bob"][:4], "plumb_bob", LENSES["plumb_bob"]),
        ("plumb_bob", [-0.2, 0.05], "plumb_bob", [-0.2, 0.05, 0, 0, 0]),
        ("plumb_bob", [-0.2, 0, 0, 0, 0, 0, 0, 0], "plumb_bob", [-0.2, 0, 0, 0]),
        ("", [-0.28, 0.09, 0.001, -0.0015, 0.02], "plumb_bob", [-0.28, 0.09, 0.001, -0.0015, 0.02]),
        ("", LENSES["rational_polynomial"], "rational_polynomial", LENSES["rational_polynomial"]),
        ("rational_polynomial", [-0.2, 0.05, 0, 0, 0.01], "plumb_bob", [-0.2, 0.05, 0, 0, 0.01]),
        ("thin_prism", [0.1] * 12, "rational_polynomial", [0.1] * 12),
        ("fisheye", [], "equidistant", [0, 0, 0, 0]),
    ],
)
def test_other_names_and_numbers_of_coefficients_mean_the_same(
    model: str, distortion: list[float], meant: str, coefficients: list[float]
) -> None:
    image = frame(np.random.default_rng(0).integers(0, 256, SIZE, np.uint8))
    straight = Undistorter(lens(model, distortion))(image).image
    np.testing.assert_array_equal(straight, Undistorter(lens(meant, coefficients))(image).image)
    assert not np.array_equal(straight, image.image)


@pytest.mark.parametrize("model", ["", "none", "plumb_bob", "rational_polynomial", "of_the_vendor"])
@pytest.mark.parametrize("count", [0, 5])
def test_without_distortion_any_model_is_a_pinhole(model: str, count: int) -> None:
    image = frame(np.zeros(SIZE, np.uint8))
    assert Undistorter(lens(model, [0.0] * count))(image) is image
