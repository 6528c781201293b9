"""Registration by depth: accuracy, and what hides what."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated_rig import RIG, THERMAL, VISIBLE, camera, grid

from distillmatch_ros.evaluation.parallax import ParallaxFigures, true_rig
from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.depth_image import registered
from distillmatch_ros.rig.model import RigModel, within
from distillmatch_ros.rig.parallax import DepthMapping, plane_inverse_depth
from distillmatch_ros.scene import SyntheticPair

FAR = np.array([0.0, 0.0, 0.1])


@pytest.fixture(params=["room", "near_street"])
def pair(request: pytest.FixtureRequest) -> SyntheticPair:
    return request.getfixturevalue(request.param)


def mapped(pair: SyntheticPair, depth: np.ndarray) -> DepthMapping:
    rig = true_rig(pair)
    return DepthMapping(rig, registered(depth, rig.visible.size), FAR)


@pytest.mark.slow
def test_exact_depth_gives_exact_places_and_no_ghosts(pair: SyntheticPair) -> None:
    found = ParallaxFigures.of(mapped(pair, pair.visible_depth), pair)
    assert found.median_px <= 0.5 and found.p95_px <= 2
    assert found.ghosts <= 0.01 and found.missed <= 0.03
    plane = ParallaxFigures.of(true_rig(pair).at(0.1), pair)
    assert plane.median_px > 2 and plane.ghosts > 0.9  # so there is something to gain


@pytest.mark.parametrize("size_of_holes", [0, 6])
def test_poor_depth_gives_places_within_pixels(pair: SyntheticPair, size_of_holes: int) -> None:
    rng = np.random.default_rng(0)
    half = pair.visible_depth[::2, ::2]
    poor = half * (1 + 0.02 * rng.standard_normal(half.shape)).astype(np.float32)
    holes = rng.standard_normal(half.shape)
    if size_of_holes:
        holes = cv2.GaussianBlur(holes, (0, 0), size_of_holes)
    poor[holes > np.quantile(holes, 0.9)] = np.nan
    mapping = mapped(pair, poor)
    found = ParallaxFigures.of(mapping, pair)
    assert found.median_px <= 1 and found.p95_px <= 4
    assert mapping.filled.mean() == pytest.approx(0.1, abs=0.02)


def test_points_go_there_and_back_unless_hidden(room: SyntheticPair) -> None:
    mapping = mapped(room, room.visible_depth)
    rng = np.random.default_rng(1)
    seen = np.argwhere(mapping.mask)[:, ::-1]
    pixels = seen[rng.choice(len(seen), 500)].astype(float)
    back = mapping.to_visible(mapping.to_thermal(pixels))
    assert np.nanquantile(np.hypot(*(back - pixels).T), 0.95) < 2
    hidden = np.argwhere(mapping.hidden)[:, ::-1].astype(float)
    assert np.isnan(mapping.to_thermal(hidden)).all()
    assert np.isfinite(mapping.to_visible(np.array([[-20.0, 100.0]]))).all()  # a box that sticks out
    assert np.array_equal(mapping.to_visible([[320, 256]]), mapping.to_visible(np.array([[320.0, 256.0]])))


def test_a_hidden_pixel_shows_nothing_in_either_direction(room: SyntheticPair) -> None:
    mapping = mapped(room, room.visible_depth)
    heat = room.thermal.astype(np.float32)
    onto_visible, onto_thermal = mapping.warp_thermal(heat), mapping.warp_visible(room.visible)
    assert np.isnan(onto_visible[mapping.hidden]).all()
    assert np.isfinite(onto_visible[mapping.mask]).all()
    shadow = np.isfinite(mapping.thermal_inverse_depth) <= 0
    assert not onto_thermal[shadow].any() and 0.01 < shadow.mean() < 0.3
    true = cv2.remap(heat, room.visible_truth.places, None, cv2.INTER_NEAREST, borderValue=[np.nan] * 4)
    both = mapping.mask & np.isfinite(true)
    assert np.mean(np.abs(onto_visible - true)[both] < 20) > 0.98  # hundredths of a kelvin


def test_edges_stay_crisp(room: SyntheticPair) -> None:
    """No value is registered that the camera did not measure, and a hot thing ends where it ends."""
    mapping = mapped(room, room.visible_depth)
    near = (room.depth < 2.3).astype(np.uint16)
    registered_near = mapping.warp_thermal(near + 1)
    assert set(np.unique(registered_near)) == {0, 1, 2}
    disagree = (registered_near == 2) != (room.visible_depth < 2.3)
    assert disagree[mapping.mask].mean() < 0.01


@given(plane=st.tuples(*[st.floats(-0.02, 0.02)] * 2, st.floats(0.0, 0.08)), sideways=st.floats(-0.01, 0.01))
@settings(max_examples=10)
def test_the_depth_of_a_plane_is_the_mapping_of_the_plane(plane: tuple[float, ...], sideways: float) -> None:
    flat, shift = RIG.on_plane(np.array(plane), (sideways, 0.0)), (sideways, 0.0)
    depth = plane_inverse_depth(RIG, np.array(plane), shift)
    for mapping in (
        DepthMapping(RIG, depth, FAR, shift),
        DepthMapping(RIG, np.full_like(depth, np.nan), np.array(plane), shift),
    ):
        assert (mapping.mask != flat.mask).mean() < 0.02
        places = flat.to_thermal(grid())
        gaps = np.hypot(*(mapping.to_thermal(grid()) - places).T)
        assert np.nanmax(gaps) < 0.05
        ramp = np.add.outer(np.arange(THERMAL[0]), 2 * np.arange(THERMAL[1])).astype(np.float32)
        both = mapping.mask & flat.mask
        assert np.abs(mapping.warp_thermal(ramp) - flat.warp_thermal(ramp))[both].max() <= 3
        near = transform(mapping.homography, grid()) - transform(flat.homography, grid())
        assert np.median(np.abs(near)) < 3  # least squares over other points, and lenses bend lines


def test_a_near_plate_hides_the_wall_beside_it() -> None:
    """Baseline 1 to the right, focal length 100: a plate at depth 10 moves by 10 px, the wall at 50 by 2."""
    rig = RigModel(camera((80, 120), 100), camera((80, 120), 100), Pose(np.eye(3), np.array([1.0, 0, 0])))
    depth = np.full((80, 120), 1 / 50, np.float32)
    depth[20:60, 40:70] = 1 / 10
    mapping: ImageMapping = DepthMapping(rig, depth, np.zeros(3))
    row = mapping.mask[40]
    # The plate covers thermal columns 30 to 59; visible columns 32 to 39 of the wall would fall on 30 to 37.
    assert not row[33:39].any() and row[41:118].all() and row[4:30].all()
    heat = np.ones((80, 120), np.float32)
    heat[20:60, 30:60] = 9
    registered_heat = mapping.warp_thermal(heat)
    assert (registered_heat[20:60, 40:70] == 9).all()
    assert np.nanmax(np.where(depth == depth.max(), np.nan, registered_heat)) == 1


@given(
    depths=st.lists(st.floats(-0.02, 0.6), min_size=1, max_size=4),
    sideways=st.floats(-0.05, 0.05),
    turn=st.floats(-0.3, 0.3),
)
@settings(max_examples=15)
def test_no_pixel_that_the_thermal_camera_sees_is_left_out(
    depths: list[float], sideways: float, turn: float
) -> None:
    """Only a part of a wider visible image is carried; each pixel by itself finds no other mask."""
    pose = Pose(cv2.Rodrigues(np.array([0.0, turn, 0.05]))[0], np.array([0.3, -0.1, 0.05]))
    rig = RigModel(camera((120, 160), 90.0, -0.1), camera((96, 128), 140.0, -0.2), pose)
    rows, columns = np.indices(rig.visible.size)
    depth = np.array(depths, np.float32)[(rows // 9 + columns // 7) % len(depths)]
    mapping = DepthMapping(rig, depth, np.zeros(3), (sideways, 0.0))
    places = mapping.to_thermal(np.column_stack([columns.ravel(), rows.ravel()]))
    alone = within(places.T.astype(np.float32), rig.thermal.size).reshape(rig.visible.size)
    assert (mapping.mask != alone).mean() < 0.003  # lenses of tables are off by some hundredths of a pixel


@pytest.mark.parametrize("turn", [(0.0, 1.2, 0.0), (0.0, -1.2, 0.0), (1.2, 0.0, 0.0), (-1.2, 0.0, 0.0)])
def test_a_thermal_camera_that_looks_elsewhere_warps_nothing(turn: tuple[float, ...]) -> None:
    pose = Pose(cv2.Rodrigues(np.array(turn))[0], np.array([0.1, 0.0, 0.0]))
    rig = RigModel(camera((120, 160), 160.0), camera((96, 128), 200.0), pose)
    mapping = DepthMapping(rig, np.full((120, 160), 0.3, np.float32), FAR)
    assert not mapping.mask.any() and not mapping.thermal_mask.any()
    assert np.isnan(mapping.warp_thermal(np.ones((96, 128), np.float32))).all()
    assert not mapping.warp_visible(np.ones((120, 160, 3), np.uint8)).any()


def test_cameras_in_one_place_hide_nothing() -> None:
    rig = RigModel(camera(VISIBLE, 800), camera(THERMAL, 700), Pose(np.eye(3), np.zeros(3)))
    depth = np.random.default_rng(0).uniform(0.1, 1, VISIBLE).astype(np.float32)
    mapping = DepthMapping(rig, depth, FAR)
    assert not mapping.hidden.any()
    np.testing.assert_array_equal(mapping.mask, rig.at(0.0).mask)
