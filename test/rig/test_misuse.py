"""Wrong use of a rig and its mappings from Python: an error that says what is wrong, never another answer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.mapping import HomographyMapping, ImageMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.depth_image import from_camera, from_points, inverse_depth_of, registered
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigModel, closest_homography
from distillmatch_ros.rig.parallax import with_depth

METRIC = RIG.with_baseline(0.1)
FIVE_METRES = np.full(VISIBLE, 0.2, np.float32)
HERE = Pose(np.eye(3), np.zeros(3))


@pytest.fixture(scope="module", params=["homography", "rig", "depth"])
def mapping(request: pytest.FixtureRequest) -> ImageMapping:
    plane = METRIC.at(0.2)
    return {
        "homography": HomographyMapping(plane.homography, THERMAL, VISIBLE),
        "rig": plane,
        "depth": with_depth(plane, FIVE_METRES),
    }[request.param]


@pytest.mark.parametrize(
    "points",
    [
        None,
        "x",
        [],
        [1, 2],
        [[1, 2], [3]],
        np.zeros((2, 3)),
        np.zeros((2, 2, 2)),
        np.zeros((2, 2), complex),
        np.zeros((2, 2), object),
        np.array([["1", "2"]]),
        np.array([[True, False]]),
    ],
    ids=str,
)
def test_what_is_no_points_is_mapped_to_nothing(mapping: ImageMapping, points: Any) -> None:
    for there in (mapping.to_visible, mapping.to_thermal):
        with pytest.raises(DistillMatchError, match="points"):
            there(points)


def test_points_may_be_of_any_number_and_kind(mapping: ImageMapping) -> None:
    places = np.array([[100, 90], [200, 150]])
    expected = mapping.to_visible(places.astype(np.float64))
    for given in (places, places.tolist(), places.astype(np.int16), places[::-1].copy()[::-1]):
        np.testing.assert_array_equal(mapping.to_visible(given), expected)
    assert mapping.to_thermal(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: None,
        lambda image: image.tolist(),
        lambda image: image[:-1],
        lambda image: image.T,
        lambda image: image[::2, ::2],
        lambda image: image[:0],
        lambda image: image[None, ..., None],
        lambda image: image.astype(complex),
        lambda image: image.astype(object),
        lambda image: image.astype(">u2"),
        lambda image: np.ma.array(image),
    ],
)
def test_images_of_another_camera_are_not_warped(
    mapping: ImageMapping, changed: Callable[[np.ndarray], Any]
) -> None:
    """They were, as if they had the size of this camera's."""
    with pytest.raises(DistillMatchError, match="thermal image"):
        mapping.warp_thermal(changed(np.ones(THERMAL, np.uint16)))
    with pytest.raises(DistillMatchError, match="visible image"):
        mapping.warp_visible(changed(np.ones(VISIBLE, np.uint16)))


def test_views_of_an_image_are_warped_as_the_image(mapping: ImageMapping) -> None:
    image = np.random.default_rng(0).integers(0, 255, THERMAL).astype(np.uint8)
    expected = mapping.warp_thermal(image)
    turned = image[::-1, ::-1].copy()
    locked = image.copy()
    locked.flags.writeable = False
    for given in (turned[::-1, ::-1], np.asfortranarray(image), locked):
        np.testing.assert_array_equal(mapping.warp_thermal(given), expected)


@pytest.mark.parametrize("depth", [np.nan, np.inf, -np.inf, "1", None, [1], 1j, True, np.ones(1)], ids=str)
def test_a_depth_is_one_finite_number(depth: Any) -> None:
    with pytest.raises(DistillMatchError):
        METRIC.at(depth)


@pytest.mark.parametrize(
    "plane",
    [None, np.zeros(2), np.zeros(4), np.zeros((3, 1)), [0, 0, np.nan], ["0", "0", "1"], [0, 0, 1j]],
    ids=str,
)
def test_a_plane_is_three_finite_numbers(plane: Any) -> None:
    with pytest.raises(DistillMatchError):
        METRIC.on_plane(plane)


@pytest.mark.parametrize("shift", [None, (1,), (1, 2, 3), "ab", (np.nan, 0), np.zeros((2, 2))], ids=str)
def test_a_shift_is_two_finite_numbers(shift: Any) -> None:
    with pytest.raises(DistillMatchError):
        METRIC.on_plane(np.array([0, 0, 0.2]), shift)


@pytest.mark.parametrize("metres", [0, -1.0, np.nan, np.inf, "1", None, [1], True], ids=str)
def test_a_distance_of_cameras_is_a_positive_number(metres: Any) -> None:
    for rig in (RIG, LearnedRig(RIG, (0.0, 0.1))):
        with pytest.raises(DistillMatchError, match="distance of the cameras"):
            rig.with_baseline(metres)  # type: ignore[attr-defined]


def test_cameras_at_one_place_have_no_scale() -> None:
    with pytest.raises(DistillMatchError, match="at one place"):
        RigModel(RIG.visible, RIG.thermal, HERE).with_baseline(0.1)


def test_no_homography_goes_through_points_of_a_line() -> None:
    line = np.column_stack([np.zeros(9), np.arange(9.0)])
    with pytest.raises(DistillMatchError, match="on a line"):
        closest_homography(line, line, (9, 1), (9, 9))


@pytest.mark.parametrize(
    "depth",
    [
        None,
        FIVE_METRES.tolist(),
        FIVE_METRES.astype(np.float64),
        FIVE_METRES.astype(">f4"),
        FIVE_METRES.T,
        FIVE_METRES[::2, ::2],
        FIVE_METRES[..., None],
    ],
    ids=lambda depth: f"{type(depth).__name__}{getattr(depth, 'shape', '')}",
)
def test_inverse_depth_is_of_the_visible_pixels(depth: Any) -> None:
    with pytest.raises(DistillMatchError, match="inverse depth"):
        with_depth(METRIC.at(0.2), depth)


@pytest.mark.parametrize(
    "kind",
    [
        lambda depth: None,
        lambda depth: depth.tolist(),
        lambda depth: np.float64(3),
        lambda depth: depth[0],
        lambda depth: depth[:0, :0],
        lambda depth: depth[..., None],
        lambda depth: depth.astype(complex),
        lambda depth: np.ma.masked_less(depth, 1),
    ],
)
def test_what_is_no_depth_image_is_told(kind: Callable[[np.ndarray], Any]) -> None:
    depth = kind(np.linspace(0.5, 5, VISIBLE[0] * VISIBLE[1]).reshape(VISIBLE))
    for read in (
        inverse_depth_of,
        lambda image: registered(image, VISIBLE),
        lambda image: from_camera(image, METRIC.visible, HERE, METRIC.visible),
    ):
        with pytest.raises(DistillMatchError, match="depth"):
            read(depth)


@pytest.mark.parametrize(
    "points", [None, np.ones((5, 4)), np.ones(3), np.ones((1, 5, 3)), np.ones((5, 3), object)]
)
def test_what_is_no_points_of_a_lidar_is_told(points: Any) -> None:
    with pytest.raises(DistillMatchError, match="points"):
        from_points(points, HERE, METRIC.visible)
