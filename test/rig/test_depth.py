import cv2
import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE, shapes

from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.rig.depth import DepthSearch
from distillmatch_ros.rig.edges import edge_matches


def pair(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A visible image of random shapes, and the thermal one of the same plane, brightness reversed."""
    rng = np.random.default_rng(3)
    image = np.zeros(VISIBLE, np.uint8)
    for _ in range(120):
        corner = rng.integers((0, 0), VISIBLE[::-1])
        cv2.rectangle(image, corner, corner + rng.integers(20, 150, 2), int(rng.integers(0, 255)), -1)
    return image, 255 - RIG.on_plane(plane).warp_visible(image)


@pytest.mark.parametrize("inverse_depth", [0.004, 0.03, 0.057])
def test_the_depth_is_found_from_scratch_and_from_the_last_one(inverse_depth: float) -> None:
    search = DepthSearch(RIG, *pair(np.array([0, 0, inverse_depth])), 0.03)
    found, correlation = search.find(0.0, 0.06)
    assert found == pytest.approx(inverse_depth, abs=5e-4) and correlation > 0.8  # half a pixel
    near, _ = search.find(found - 2e-3, found + 2e-3)
    assert near == pytest.approx(inverse_depth, abs=5e-4)


def test_edges_say_where_blocks_are() -> None:
    plane = np.array([0.004, -0.006, 0.03])
    visible, thermal = pair(plane)
    found = edge_matches(visible, thermal, RIG.at(0.032))
    true = RIG.on_plane(plane).to_visible(found.thermal)
    errors = np.hypot(*(found.visible - true).T)
    assert len(errors) > 60 and np.median(errors) < 0.35 and (errors < 1).mean() > 0.9


def test_blocks_at_the_border_are_not_pulled_inwards() -> None:
    visible = shapes(0)
    grown = np.array([[1.03, 0, -0.015 * VISIBLE[1]], [0, 1.03, -0.015 * VISIBLE[0]], [0, 0, 1]])
    true, expected = (HomographyMapping(each, VISIBLE, VISIBLE) for each in (grown, np.eye(3)))
    found = edge_matches(visible, 255 - true.warp_visible(visible), expected)
    errors = np.hypot(*(found.visible - true.to_visible(found.thermal)).T)
    assert len(errors) > 60 and (errors < 2).all()


def test_edges_that_run_one_way_do_not_place_a_block() -> None:
    stripes = np.kron(np.random.default_rng(0).integers(0, 255, (1, 48)), np.ones((540, 20))).astype(np.uint8)
    noisy = np.random.default_rng(1).normal(0, 2, (2, *VISIBLE))
    visible, thermal = (np.clip(stripes + each, 0, 255).astype(np.uint8) for each in noisy)
    found = edge_matches(visible, thermal, HomographyMapping(np.eye(3), VISIBLE, VISIBLE))
    assert len(found.thermal) == 0


def test_images_without_edges_have_none() -> None:
    blank = np.zeros(VISIBLE, np.uint8), np.full(THERMAL, 9, np.uint8)
    assert len(edge_matches(*blank, RIG.at(0.0)).thermal) == 0
    assert DepthSearch(RIG, *blank, 0.03).find(0.0, 0.06)[1] == pytest.approx(0, abs=1e-6)
