"""The registered thermal image keeps its readings; pictures show what was found and say what was not."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.model import RigMapping, RigModel
from distillmatch_ros.visualisation.overlay import STYLES, draw_matches, draw_overlay

VISIBLE, THERMAL = (120, 160), (64, 80)
SHIFT = np.array([[1.25, 0.05, 20.3], [-0.03, 1.2, 15.6], [1e-4, -5e-5, 1.0]])


def registration(
    homography: np.ndarray | None = SHIFT, status: Status = Status.OK, count: int = 60, wrong: int = 10
) -> Registration:
    rng = np.random.default_rng(0)
    thermal = rng.uniform(0, (THERMAL[1] - 1, THERMAL[0] - 1), (count, 2)).astype(np.float32)
    inliers = (np.arange(count) >= wrong) & (homography is not None)
    visible = transform(SHIFT, thermal).astype(np.float32)
    visible[~inliers] = rng.uniform(0, (VISIBLE[1] - 1, VISIBLE[0] - 1), (int((~inliers).sum()), 2))
    mapping = None if homography is None else HomographyMapping(homography, THERMAL, VISIBLE)
    return Registration(
        visible, thermal, np.linspace(0.2, 1, count, dtype=np.float32), inliers, mapping, status, {}
    )


def images(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    visible = cv2.GaussianBlur(rng.integers(0, 255, (*VISIBLE, 3), np.uint8), (0, 0), 2)
    thermal = 29000 + 400 * cv2.GaussianBlur(rng.standard_normal(THERMAL), (0, 0), 4)
    return visible, thermal.astype(np.uint16)


@pytest.mark.parametrize("style", STYLES)
def test_styles_show_both_images_inside_the_thermal_frame_only(style: str) -> None:
    visible, thermal = images()
    before = visible.copy(), thermal.copy()
    picture = draw_overlay(visible, thermal, registration(), style)
    assert (picture.shape, picture.dtype) == ((*VISIBLE, 3), np.uint8)
    seen = HomographyMapping(SHIFT, THERMAL, VISIBLE).mask.astype(np.uint8)
    inside, outside = cv2.erode(seen, np.ones((9, 9))) > 0, cv2.dilate(seen, np.ones((9, 9))) == 0
    np.testing.assert_array_equal(picture[outside], visible[outside])
    other_visible, other_thermal = images(seed=1)
    for changed in (
        draw_overlay(other_visible, thermal, registration(), style),
        draw_overlay(visible, other_thermal, registration(), style),
    ):
        assert np.mean(np.any(changed != picture, axis=2)[inside]) > 0.3
    np.testing.assert_array_equal(visible, before[0])
    np.testing.assert_array_equal(thermal, before[1])


def bent(k1: float) -> RigMapping:
    """The thermal image in the middle of the visible one, its lens bent so."""
    matrix = np.array([[60.0, 0, 39.5], [0, 60, 31.5], [0, 0, 1]])
    wide = np.array([[70.0, 0, 79.5], [0, 70, 59.5], [0, 0, 1]])
    cameras = Camera(VISIBLE, wide), Camera(THERMAL, matrix, np.array([k1, 0, 0, 0, 0]))
    return RigModel(*cameras, Pose.from_vectors(np.zeros(3), np.array([1.0, 0, 0]))).at(0.0)


def test_outline_follows_the_edge_through_a_bent_lens() -> None:
    mapping = bent(0.9)
    found = replace(registration(), mapping=mapping)
    picture = draw_overlay(np.zeros((*VISIBLE, 3), np.uint8), np.zeros(THERMAL, np.uint8), found, "edges")
    x, y = mapping.to_visible(np.array([[39.5, -0.5]]))[0]
    chord = mapping.to_visible(np.array([[-0.5, -0.5], [79.5, -0.5]])).mean(axis=0)[1]
    assert abs(y - chord) > 4, "corners joined by a straight line"
    assert (
        picture[round(y) - 1 : round(y) + 2, round(x)].max() > 150
        and picture[round(chord), round(x)].max() < 50
    )


def test_edges_glow_where_the_thermal_edge_lies() -> None:
    step = np.full(THERMAL, 29000, np.uint16)
    step[:, 40:] = 30000
    black = np.zeros((*VISIBLE, 3), np.uint8)
    brightness = draw_overlay(black, step, registration(), "edges").sum(axis=2)
    x, y = transform(SHIFT, np.array([[39.5, 32.0]]))[0]
    row = brightness[round(y), 40:110]
    assert abs(np.argmax(row) + 40 - x) <= 1.5


def test_unknown_style_names_the_known_ones() -> None:
    with pytest.raises(DistillMatchError, match=r"'sepia'.*blend.*checkerboard"):
        draw_overlay(*images(), registration(), "sepia")  # type: ignore[arg-type]


REFUSALS = (Status.FEW_MATCHES, Status.FEW_INLIERS, Status.DEGENERATE, Status.STALE_THERMAL)


@pytest.mark.parametrize("draw", [draw_overlay, draw_matches])
def test_refusals_are_said_in_words(draw) -> None:
    """Same picture, other words: the status itself is written."""
    pictures = [draw(*images(), registration(None, status)) for status in REFUSALS]
    for one, other in itertools.combinations(pictures, 2):
        differing = np.flatnonzero(np.any(one != other, axis=(1, 2)))
        assert differing.size
        assert differing.min() > 0.8 * one.shape[0]


KINDS = {
    "grey": lambda image: image[..., 0],
    "alpha": lambda image: np.dstack([image, image[..., 0]]),
    "16 bit": lambda image: image[..., 0].astype(np.uint16) * 50 + 3000,
    "16 bit colour": lambda image: image.astype(np.uint16) * 200,
    "float with NaN": lambda image: np.where(image[..., 0] > 200, np.nan, image[..., 0]).astype(np.float32),
    "all black": lambda image: np.zeros_like(image),
    "one channel": lambda image: image[..., :1],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draw", [draw_overlay, draw_matches])
def test_any_camera_image_will_do(draw, kind: str) -> None:
    visible = KINDS[kind](images()[0])
    thermal = KINDS[kind](cv2.resize(images(1)[0], THERMAL[::-1]))
    for found in (registration(), registration(None, Status.FEW_INLIERS)):
        picture = draw(visible, thermal, found)
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert picture.std() > 5


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (16, 16), (2000, 40)])
def test_pictures_of_odd_sizes(size: tuple[int, int]) -> None:
    visible, thermal = np.full((*size, 3), 90, np.uint8), np.full(size[::-1], 30000, np.uint16)
    nothing = registration(None, Status.FEW_MATCHES, count=0, wrong=0)
    assert draw_overlay(visible, thermal, nothing).shape == (*size, 3)
    height, width = draw_matches(visible, thermal, nothing).shape[:2]
    assert 100 < height < 1100
    assert 700 < width < 4200


def test_wild_homography_does_not_crash() -> None:
    horizon = np.array([[1.0, 0, 0], [0, 1, 0], [-1 / 40, 0, 1.0]])  # runs through the thermal frame
    wild = registration(horizon)
    assert draw_overlay(*images(), wild).shape == (*VISIBLE, 3)
    assert draw_matches(*images(), wild).ndim == 3


def test_matches_are_drawn_from_one_image_to_the_other() -> None:
    visible, thermal = np.zeros((*VISIBLE, 3), np.uint8), np.zeros(THERMAL, np.uint16)
    empty = draw_matches(visible, thermal, registration(count=0, wrong=0))
    height, width = empty.shape[:2]
    drawn = draw_matches(visible, thermal, registration(count=8, wrong=0))
    changed = np.any(drawn != empty, axis=2)[60 : height - 60]
    left, gap, right = (
        changed[:, : width // 3],
        changed[:, width // 2 - 20 : width // 2 + 20],
        changed[:, -width // 3 :],
    )
    assert left.any()
    assert gap.any()
    assert right.any()


def test_of_many_matches_the_selection_covers_the_image() -> None:
    """The confident ones all lie in one quarter; the others must not lose their lines to them."""
    visible, thermal = np.zeros((*VISIBLE, 3), np.uint8), np.zeros(THERMAL, np.uint16)
    many = registration(count=4000, wrong=0)
    in_corner = (many.thermal_points < (THERMAL[1] / 2, THERMAL[0] / 2)).all(axis=1)
    many = replace(many, confidence=np.where(in_corner, 0.9, 0.1).astype(np.float32))
    empty = draw_matches(visible, thermal, registration(count=0, wrong=0))
    changed = np.any(draw_matches(visible, thermal, many) != empty, axis=2)
    right = changed[46:-54, changed.shape[1] // 2 + 20 : -24]
    for quarter in itertools.product(
        np.array_split(np.arange(right.shape[0]), 2), np.array_split(np.arange(right.shape[1]), 2)
    ):
        assert right[np.ix_(*quarter)].mean() > 0.02

    assert right.mean() < 0.6  # and one can still see the image


def test_confident_matches_are_lighter() -> None:
    visible, thermal = np.zeros((*VISIBLE, 3), np.uint8), np.zeros(THERMAL, np.uint16)
    one = registration(count=1, wrong=0)
    lightness = []
    for value in (0.1, 0.5, 1.0):
        drawn = draw_matches(visible, thermal, replace(one, confidence=np.array([value], np.float32)))
        lightness.append(int(drawn[60:-60].sum()))
    assert lightness[0] < lightness[1] < lightness[2]
