"""Depth by regions: near things come to lie where they are, and without evidence the plane stays."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE, grid

from distillmatch_ros.evaluation.parallax import RegionFigures, true_rig
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.rig import regions
from distillmatch_ros.rig.regions import find_regions
from distillmatch_ros.scene import SyntheticPair

PLANE = np.array([0.0, 0.0, 0.02])


@pytest.mark.slow
def test_what_is_off_by_the_plane_comes_closer_and_the_rest_stays(room: SyntheticPair) -> None:
    found = RegionFigures.of(room)
    assert found.off_px <= 0.5 * found.off_by_plane_px
    assert found.stays >= 0.97


@pytest.mark.slow
def test_a_street_keeps_more_of_its_plane(near_street: SyntheticPair) -> None:
    found = RegionFigures.of(near_street)
    assert found.off_px <= 0.5 * found.off_by_plane_px
    assert found.stays >= 0.99


def textured(size: tuple[int, int], seed: int, blobs: int = 220) -> np.ndarray:
    """Overlapping rectangles of all shades."""
    rng = np.random.default_rng(seed)
    image = np.full(size, 128, np.uint8)
    for x, y, w, h in rng.integers((0, 0, 12, 12), (*size[::-1], 120, 120), (blobs, 4)):
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), int(rng.integers(0, 255)), -1)
    return cv2.GaussianBlur(image, (0, 0), 1)


def test_what_was_found_before_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an overwhelming weight the card stays where edges deny it, and around another plane too."""
    monkeypatch.setattr(regions, "_KEEPS", 10.0)
    visible, thermal = near_card()
    before = find_regions(RIG, visible, thermal, PLANE)
    wall = 255 - RIG.at(0.02).warp_visible(textured(VISIBLE, 3))
    after = find_regions(RIG, visible, wall, np.array([0.0, 0.0, 0.03]), before=before)
    gaps = np.abs(after.mapping.inverse_depth - before.mapping.inverse_depth)[220:320, 460:560]
    assert np.median(gaps) < 0.002


@pytest.mark.parametrize(("beside", "stays"), [(10, True), (250, False)])
def test_cells_at_the_border_of_the_view_stay_like_what_they_resemble_beyond(
    beside: int, stays: bool
) -> None:
    """Where the thermal camera sees nothing, cells vote for the plane."""
    step, votes = np.zeros((20, 40), np.float32), np.ones((20, 40), np.float32)
    step[:, 26:30], votes[:, 30:] = 6, regions._BEYOND
    shades = np.full((20, 40, 1), 10, np.float32)
    shades[:, :26], shades[:, 30:] = 250, beside
    np.testing.assert_array_equal(regions._voted(step, votes, shades)[:, 29], 0 if stays else 6)


@pytest.mark.parametrize("blank", ["both", "visible", "thermal"])
def test_without_edges_in_either_image_the_plane_stays(blank: str) -> None:
    visible, thermal = textured(VISIBLE, 0), textured(THERMAL, 1)
    if blank != "thermal":
        visible[:] = 90
    if blank != "visible":
        thermal[:] = 90
    found = find_regions(RIG, visible, thermal, PLANE)
    assert not found.advantage.any()
    flat = RIG.on_plane(PLANE)
    np.testing.assert_allclose(found.mapping.to_thermal(grid()), flat.to_thermal(grid()), atol=0.1)


def test_cameras_that_share_no_view_keep_the_plane() -> None:
    aside = Pose.from_vectors(np.array([0.0, 2.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    found = find_regions(replace(RIG, T_visible_thermal=aside), *near_card(), np.zeros(3))
    found = find_regions(found.mapping.rig, *near_card(), np.zeros(3), before=found)
    assert not found.advantage.any()
    assert not found.mapping.mask.any()


def test_a_flat_scene_stays_flat() -> None:
    """Lines of a wall on the plane stay straight: nothing moves by more than a pixel."""
    flat = RIG.on_plane(PLANE)
    visible = textured(VISIBLE, 2)
    thermal = 255 - flat.warp_visible(visible)  # what is bright is cold
    found = find_regions(RIG, visible, thermal, PLANE)
    inner = np.mgrid[30:510:24, 30:930:24].reshape(2, -1).T[:, ::-1].astype(float)
    gaps = np.hypot(*(found.mapping.to_thermal(inner) - flat.to_thermal(inner)).T)
    assert np.nanquantile(gaps, 0.99) < 1


def near_card() -> tuple[np.ndarray, np.ndarray]:
    """Visible and thermal image of a card before a wall on the plane."""
    near, far = RIG.at(0.06), RIG.at(0.02)
    wall, card = textured(VISIBLE, 3), textured(VISIBLE, 4)
    on_card = np.zeros(VISIBLE, np.uint8)
    on_card[170:370, 400:620] = 255
    visible = np.where(on_card > 0, card, wall)
    thermal = 255 - np.where(
        near.warp_visible(on_card) > 127, near.warp_visible(card), far.warp_visible(wall)
    )
    return visible, thermal.astype(np.uint8)


def test_a_near_card_is_found_on_its_epipolar_line() -> None:
    near, far = RIG.at(0.06), RIG.at(0.02)
    found = find_regions(RIG, *near_card(), PLANE)
    inner = np.mgrid[190:350:20, 420:600:20].reshape(2, -1).T[:, ::-1].astype(float)
    before = np.hypot(*(far.to_thermal(inner) - near.to_thermal(inner)).T)
    after = np.hypot(*(found.mapping.to_thermal(inner) - near.to_thermal(inner)).T)
    assert before.min() > 20 and np.median(after) < 1.5
    outer = np.mgrid[60:480:40, 120:330:40].reshape(2, -1).T[:, ::-1].astype(float)
    stayed = np.hypot(*(found.mapping.to_thermal(outer) - far.to_thermal(outer)).T)
    assert np.nanquantile(stayed, 0.9) < 1.5


def test_the_mapping_hides_nothing(near_street: SyntheticPair) -> None:
    rig = true_rig(near_street)
    grey, heat = to_grey(near_street.visible), to_8bit(near_street.thermal)
    mapping = find_regions(rig, grey, heat, np.array([0.0, 0.2, 0.05])).mapping
    assert not mapping.hidden.any()
    assert (mapping.mask != rig.on_plane(np.array([0.0, 0.2, 0.05])).mask).mean() < 0.06
