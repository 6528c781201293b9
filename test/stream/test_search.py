"""Where nothing fits: roles are exchanged at growing intervals, orientations tried once, a setting named."""

from dataclasses import replace

import numpy as np
import pytest
from support.rig_frames import frames
from support.scripted_engine import (
    NETWORK,
    THERMAL,
    TRUTH,
    VISIBLE,
    ScriptedEngine,
    plain,
    points_of,
    scene_pair,
)
from support.sparse_scene import BENT, sparse_pair

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import resize_matrix
from distillmatch_ros.images.orientation import ORIENTATIONS, UPRIGHT, Orientation, Orientations
from distillmatch_ros.registration.crops import Wider
from distillmatch_ros.registration.passes import SCALES, TURNS
from distillmatch_ros.registration.probability import FEATURES, ProbabilityModel
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.status import Status
from distillmatch_ros.stream.search import SEARCH_AFTER, Search, advise
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream


def mounted(orientation: Orientation) -> Orientation:
    """How an image that has to be turned like this comes from the camera."""
    test = np.arange(6).reshape(2, 3)
    return next(
        back for back in ORIENTATIONS if np.array_equal(orientation.upright(back.upright(test)), test)
    )


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
@pytest.mark.parametrize("side", ["visible", "thermal"])
def test_turned_cameras_give_homographies_of_their_own_pixels(side: str, orientation: Orientation) -> None:
    visible, thermal = scene_pair()
    upright = Registrar(ScriptedEngine(points_of(plain(TRUTH)))).register(visible, thermal)
    assert upright.homography is not None
    back = mounted(orientation)
    turned = {"visible": visible, "thermal": thermal}
    turned[side] = back.upright(turned[side])
    upright_by = Orientations(**{side: orientation})
    registrar = Registrar(ScriptedEngine(points_of(plain(TRUTH))), orientations=upright_by)
    found = registrar.register(**turned)
    assert found.status is Status.OK
    to_upright = {name: orientation.to_upright(turned[name].shape) for name in turned}
    visible_map = to_upright["visible"] if side == "visible" else np.eye(3)
    thermal_map = to_upright["thermal"] if side == "thermal" else np.eye(3)
    expected = np.linalg.inv(visible_map) @ upright.homography @ thermal_map
    np.testing.assert_allclose(found.homography, expected / expected[2, 2], rtol=1e-6, atol=1e-6)
    for points, image in (
        (found.visible_points, turned["visible"]),
        (found.thermal_points, turned["thermal"]),
    ):
        assert (points > -0.6).all() and (points < np.array(image.shape[::-1]) - 0.4).all()


def test_bars_shift_the_homography_back() -> None:
    visible, thermal = scene_pair()
    plain_one = Registrar(ScriptedEngine(points_of(plain(TRUTH)))).register(visible, thermal)
    barred = np.pad(thermal, ((0, 0), (40, 40)))
    found = Registrar(ScriptedEngine(points_of(plain(TRUTH)))).register(visible, barred)
    assert found.borders == "thermal image: bars: left 40, right 40 px"
    assert found.homography is not None and plain_one.homography is not None
    expected = plain_one.homography @ np.array([[1, 0, -40], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(found.homography, expected / expected[2, 2], rtol=1e-9)


def test_thermal_camera_that_sees_more_is_matched_in_exchanged_roles() -> None:
    visible, thermal = scene_pair()
    engine = ScriptedEngine(points_of(np.eye(3), count=5), points_of(plain(TRUTH)))
    found = Registrar(engine).register(thermal, visible)
    assert found.status is Status.OK
    assert found.wider is Wider.THERMAL
    np.testing.assert_allclose(
        found.homography, (inverse := np.linalg.inv(TRUTH)) / inverse[2, 2], atol=0.05, rtol=0.02
    )


def test_thermal_camera_that_sees_more_is_aligned_in_exchanged_roles() -> None:
    """It is found as given too, but there the frame of the visible image is an edge of the warped one."""
    visible, thermal = scene_pair()
    inverse = np.linalg.inv(TRUTH)
    direct = resize_matrix(THERMAL, NETWORK) @ inverse @ resize_matrix(NETWORK, VISIBLE)
    engine = ScriptedEngine(points_of(direct, count=1000), points_of(np.eye(3)))
    found = Registrar(engine, passes=1).register(thermal, visible)
    assert found.status is Status.OK and found.wider is Wider.THERMAL and len(engine.shown) == 2
    np.testing.assert_allclose(found.homography, inverse / inverse[2, 2], atol=0.05, rtol=0.02)
    engine = ScriptedEngine(points_of(direct, count=1000), points_of(np.eye(3), count=5))
    alone = Registrar(engine, passes=1).register(thermal, visible)
    assert alone.status is Status.OK and alone.wider is Wider.VISIBLE  # better than none


def test_searching_costs_less_and_less_while_nothing_fits() -> None:
    engine = ScriptedEngine(points_of(np.eye(3), count=5))
    stream = Stream(Registrar(engine))
    costs = []
    for number in range(20):
        before = len(engine.shown)
        stream.process(*frames(number))
        costs.append(len(engine.shown) - before)
    assert costs[0] == costs[1] == 2
    starts = len(SCALES) * len(TURNS)
    assert costs[SEARCH_AFTER - 1] == 2 + starts + len(ORIENTATIONS) - 1  # once
    assert [number for number, cost in enumerate(costs) if cost > 1] == [0, 1, 2, 4, 8, 16]


def test_fitting_pairs_are_not_searched() -> None:
    engine = ScriptedEngine(points_of(plain(TRUTH)))
    stream = Stream(Registrar(engine, passes=1), StreamSettings(verify_every=1, pass_seconds=0.0))
    for number in range(5):
        stream.process(*frames(number))
    assert len(engine.shown) == 5
    assert stream.advice is None


def test_the_setting_that_helps_is_named() -> None:
    upside_down = Orientation(180)
    nothing, right = points_of(np.eye(3), count=5), points_of(plain(TRUTH))
    # Three failures of two passes each, nine starts; then orientations, of which 180 is the second after 90.
    engine = ScriptedEngine(*[nothing] * (3 * 2 + 9 + 1), right, nothing)
    stream = Stream(Registrar(engine))
    for number in range(SEARCH_AFTER):
        frame = frames(number)
        turned = replace(frame[1], image=upside_down.upright(frame[1].image))
        stream.process(frame[0], turned)
    assert stream.advice is not None
    assert "thermal_rotation 180; set that, or rgb_rotation 180" in stream.advice
    stream.configure(StreamSettings(thermal_rotation=180))
    assert stream.advice is None


def test_advice_names_what_turns_the_other_image_back() -> None:
    assert "thermal_rotation 90; set that, or rgb_rotation 270" in advise(Orientation(90))
    assert "thermal_rotation 90 and thermal_flip true; set that, or rgb_rotation 90" in advise(
        Orientation(90, True)
    )


def test_rotations_that_there_are_not_are_rejected() -> None:
    with pytest.raises(DistillMatchError, match="rgb_rotation is 45; choose 0, 90, 180, 270 degrees"):
        StreamSettings(rgb_rotation=45)
    assert StreamSettings().orientations == Orientations(UPRIGHT, UPRIGHT)


def test_doubtful_passes_are_aligned_once_more() -> None:
    model = ProbabilityModel("", 0.4, dict.fromkeys(FEATURES, 0.0), 9, 0.0)
    registrar = Registrar(ScriptedEngine(points_of(plain(BENT))), passes=1, probability=model)
    pair = registrar.prepare(*sparse_pair())
    plainly, again = (registrar.register_prepared(pair, restart=restart) for restart in (False, True))
    found = Search(registrar).register(pair, 0)
    np.testing.assert_array_equal(found.homography, again.homography)
    assert not np.allclose(found.homography, plainly.homography, atol=1e-3)
