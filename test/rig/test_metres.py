"""Focal lengths and the distance of the cameras from matches with measured depth."""

from dataclasses import replace

import numpy as np
import pytest
from support.simulated_rig import RIG, THERMAL, VISIBLE, camera

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.estimation import EDGE_SOFT_PX, Fit, FrameMatches, fit_rig
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.model import RigModel

METRES, FRAMES, MATCHES = 0.1, 8, 60
TRUE = RIG.with_baseline(METRES)
NEAR, FAR, WALL = (1.0, 8.0), (300.0, 900.0), (3.0, 3.0001)


def frames(seed: int, depths: tuple[float, float] = NEAR, wrong: float = 1.0) -> list[FrameMatches]:
    """Edges seen to 0.4 px, a tenth of them elsewhere, a third without depth; 2 % noise of depth."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(FRAMES):
        thermal = rng.uniform((30, 30), np.array(THERMAL[::-1]) - 30, (MATCHES, 2))
        depth = 1 / rng.uniform(1 / depths[1], 1 / depths[0], MATCHES)
        points = TRUE.T_visible_thermal.apply(TRUE.thermal.unproject(thermal) * depth[:, None])
        visible = TRUE.visible.project(points) + rng.normal(0, 0.4, (MATCHES, 2))
        visible[:6] += rng.uniform(-8, 8, (6, 2))
        measured = wrong / points[:, 2] * (1 + 0.02 * rng.standard_normal(MATCHES))
        measured[::3] = np.nan
        found.append(FrameMatches(thermal, visible, np.ones(MATCHES), measured))
    return found


def start(thermal: Camera | Size, visible: Camera | Size, way: float = 1.0) -> Fit:
    """What matches alone may give: unknown lenses are a tenth off, the depth of all frames is another one."""
    known = [
        each if isinstance(each, Camera) else camera(each, 1.1 * true.matrix[0, 0])
        for each, true in ((thermal, TRUE.thermal), (visible, TRUE.visible))
    ]
    pose = Pose(RIG.T_visible_thermal.rotation, np.array([way, 0, 0]))
    model = RigModel(known[1], known[0], pose, {"scale": "assumed"})
    return Fit(model, np.tile([0, 0, 0.03 * way, 0, 0], (FRAMES, 1)), np.inf)


def fit(
    seen: list[FrameMatches], thermal: Camera | Size, visible: Camera | Size, way: float = 1.0
) -> RigModel:
    return fit_rig(seen, thermal, visible, 1, EDGE_SOFT_PX, start(thermal, visible, way)).rig


def off(rig: RigModel) -> tuple[float, float]:
    """Errors of the distance and of the visible focal length, as fractions."""
    length = float(np.linalg.norm(rig.T_visible_thermal.translation))
    return length / METRES - 1, rig.visible.matrix[0, 0] / TRUE.visible.matrix[0, 0] - 1


def test_known_lenses_tell_the_distance_and_one_of_them_the_other() -> None:
    seen = frames(0)
    for thermal in (TRUE.thermal, THERMAL):
        rig = fit(seen, thermal, TRUE.visible)
        scale = Scale.of(rig, FRAMES)
        assert scale.is_known and scale.maps and rig.origins["scale"] == "measured" and rig.is_metric
        assert abs(off(rig)[0]) < 2 * scale.deviation
    assert rig.origins["thermal focal length"] == "measured" and rig.covariance is not None
    focal = rig.thermal.matrix[0, 0] / TRUE.thermal.matrix[0, 0] - 1
    assert abs(focal) < 2 * np.sqrt(rig.covariance[0, 0]) < 0.02


def test_without_lenses_depth_maps_pixels_and_the_distance_is_not_claimed() -> None:
    rig = fit(frames(0), THERMAL, VISIBLE)
    scale = Scale.of(rig, FRAMES)
    assert scale.maps and not scale.is_known and rig.is_metric and rig.assumed("scale")
    metres, focal = off(rig)
    assert abs(metres) < 2 * scale.deviation and abs((1 + metres) * (1 + focal) - 1) < 2 * scale.parallax
    assert "not known" in str(scale)


@pytest.mark.parametrize("depths", [FAR, WALL], ids=["far away", "one wall"])
def test_what_tells_no_parallax_tells_no_scale(depths: tuple[float, float]) -> None:
    rig = fit(frames(0, depths), THERMAL, VISIBLE)
    scale = Scale.of(rig, FRAMES)
    assert not scale.maps and not scale.is_known and not rig.is_metric


def test_depth_of_another_unit_gives_no_plausible_distance() -> None:
    rig = fit(frames(0, wrong=1e-3), TRUE.thermal, TRUE.visible)
    assert not rig.is_metric and not Scale.of(rig, FRAMES).is_plausible


def test_constant_depth_tells_no_scale() -> None:
    flat = [replace(each, inverse_depth=np.full(MATCHES, 0.4)) for each in frames(0)]
    assert not fit(flat, TRUE.thermal, TRUE.visible).is_metric


def test_cameras_that_point_the_wrong_way_are_turned_round() -> None:
    rig = fit(frames(3), TRUE.thermal, TRUE.visible, way=-1.0)
    assert abs(off(rig)[0]) < 0.05


def test_few_frames_with_depth_do_not_count() -> None:
    seen = [each.without_depth if number > 3 else each for number, each in enumerate(frames(0))]
    rig = fit(seen, TRUE.thermal, TRUE.visible)
    assert rig.assumed("scale") and "parallax" not in rig.origins
