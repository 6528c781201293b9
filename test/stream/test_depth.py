"""Depth through the stream: used where the rig is known in metres; whatever is wrong with it is named."""

from dataclasses import replace

import numpy as np
import pytest
from support.scripted_engine import TRUTH, ScriptedEngine, plain, points_of

from distillmatch_ros import Registrar
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.evaluation.parallax import DEPTHS, ParallaxFigures, true_rig
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigMapping
from distillmatch_ros.rig.parallax import ASSUMED, DepthMapping
from distillmatch_ros.rig.regions import Parallax
from distillmatch_ros.rig.watching import WatchedRig
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.stream.messages import CLOUD_FIELDS
from distillmatch_ros.stream.outputs import TOPICS, Outgoing
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.settings import StreamSettings
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.stream.temporal import Mode

STAMP = 10**18
GRID = np.mgrid[100:900:200, 100:700:150].reshape(2, -1).T.astype(np.float64)


def images(room: SyntheticPair) -> tuple[Frame, Frame]:
    return Frame(room.visible, "bgr8", STAMP, "rgb"), Frame(room.thermal, "16UC1", STAMP, "thermal")


def depth_of(room: SyntheticPair) -> Frame:
    """In millimetres, with a hole."""
    millimetres = (1000 * room.visible_depth).astype(np.uint16)
    millimetres[500:620, 100:500] = 0
    return Frame(millimetres, "16UC1", STAMP, "rgb")


def rig_of(room: SyntheticPair) -> LearnedRig:
    return LearnedRig(true_rig(room), DEPTHS, shifted=False)


def stream_of(rig: LearnedRig, baseline_m: float = 0.0) -> Stream:
    """A stream that knows the rig, and needs no network."""
    settings = StreamSettings(mode=Mode.FIXED, baseline_m=baseline_m)
    return Stream(Registrar(ScriptedEngine(points_of(plain(TRUTH))), passes=1), settings, rig)


@pytest.fixture(scope="module")
def result(room: SyntheticPair) -> Result:
    return stream_of(rig_of(room)).process(*images(room), depth_of(room))


@pytest.mark.slow
def test_a_pair_with_depth_is_mapped_by_it(room: SyntheticPair, result: Result) -> None:
    mapping = result.registration.mapping
    assert not result.unused
    assert isinstance(mapping, DepthMapping)
    known = replace(mapping, inverse_depth=1 / room.visible_depth)
    assert ParallaxFigures.of(known, room).median_px < 0.5
    registered, mask = result.registered_thermal(), result.mask()
    assert registered is not None and registered.encoding == "16UC1"
    assert mask is not None and set(np.unique(mask.image)) == {0, ASSUMED, 255}
    assert (mask.image[500:620, 100:500] != 255).all()
    assert not registered.image[mask.image == 0].any()
    assert result.registered_visible() is not None and result.overlay().image.shape == room.visible.shape


def test_points_lie_where_the_scene_is_and_carry_both_cameras_values(
    room: SyntheticPair, result: Result
) -> None:
    message = TOPICS["points"][1](Outgoing(ros2_messages(), result))
    assert tuple(field.name for field in message.fields) == CLOUD_FIELDS
    assert (message.header.frame_id, message.point_step) == ("rgb", 20)
    values = np.frombuffer(message.data, np.float32).reshape(-1, len(CLOUD_FIELDS))
    assert len(values) == message.width > 50_000
    rig = true_rig(room)
    columns, rows = np.rint(rig.visible.project(values[:, :3].astype(np.float64))).astype(int).T
    np.testing.assert_allclose(values[:, 2], room.visible_depth[rows, columns], atol=2e-3)
    packed = np.ascontiguousarray(values[:, 3]).view(np.uint32)
    bgr = np.column_stack([packed & 255, packed >> 8 & 255, packed >> 16])
    np.testing.assert_array_equal(bgr, room.visible[rows, columns])
    registered = result.registered_thermal()
    assert registered is not None
    np.testing.assert_array_equal(values[:, 4], registered.image[rows, columns])


def test_without_depth_there_are_no_points(room: SyntheticPair) -> None:
    flat = stream_of(rig_of(room)).process(*images(room))
    assert isinstance(flat.registration.mapping, RigMapping)
    assert TOPICS["points"][1](Outgoing(ros2_messages(), flat)) is None


def noisy(depth: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 10, depth.shape).astype(np.float32)


WRONG = {
    "another frame": (lambda depth: replace(depth, frame_id="depth_optical"), "depth_optical"),
    "another shape": (lambda depth: replace(depth, image=depth.image[:300]), "aspect|cover"),
    "metres as millimetres": (lambda depth: replace(depth, image=depth.image // 1000), "median"),
    "millimetres as metres": (lambda depth: replace(depth, image=depth.image.astype(np.float32)), "median"),
    "nothing but zeros": (lambda depth: replace(depth, image=depth.image * 0), "no pixel"),
    "nothing but infinity": (
        lambda depth: replace(depth, image=depth.image * np.float32(np.inf)),
        "no pixel",
    ),
    "bytes in the wrong order": (
        lambda depth: replace(depth, image=(depth.image / np.float32(1000)).byteswap()),
        "in the order",
    ),
    "noise": (lambda depth: replace(depth, image=noisy(depth.image)), "differ"),
    "twelve pixels": (lambda depth: replace(depth, image=depth.image[::240, ::240]), "coarse"),
    "ten times as far": (lambda depth: replace(depth, image=depth.image / np.float32(100)), "edges"),
    "a tenth as far": (lambda depth: replace(depth, image=depth.image / np.float32(10000)), "edges"),
    "upside down": (lambda depth: replace(depth, image=depth.image[::-1, ::-1]), "edges"),
    "all the same": (lambda depth: replace(depth, image=np.full_like(depth.image, 2000)), "each pixel"),
    "NaN": (lambda depth: replace(depth, image=depth.image * np.float32(np.nan)), "no pixel"),
    "colours": (lambda depth: replace(depth, image=np.zeros((*depth.image.shape, 3), np.uint8)), "uint8"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_depth_is_named_and_the_pair_goes_on_without(what: str, room: SyntheticPair) -> None:
    spoil, word = WRONG[what]
    without = stream_of(rig_of(room)).process(*images(room))
    found = stream_of(rig_of(room)).process(*images(room), spoil(depth_of(room)))
    assert set(found.unused) == {Sensor.DEPTH}
    assert any(each in found.unused[Sensor.DEPTH] for each in word.split("|"))
    assert found.registration.status is without.registration.status
    np.testing.assert_array_equal(found.registration.homography, without.registration.homography)


def unsized(room: SyntheticPair) -> LearnedRig:
    sized = rig_of(room).with_baseline(1.0)
    return replace(sized, model=replace(sized.model, origins={"scale": "assumed"}))


@pytest.mark.slow
def test_depth_waits_until_pairs_have_told_the_distance_of_the_cameras(
    room: SyntheticPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[LearnedRig, int]] = []
    registrar, settings = Registrar(ScriptedEngine(points_of(plain(TRUTH)))), StreamSettings(mode=Mode.FIXED)
    stream = Stream(registrar, settings, unsized(room), on_learned=lambda *learned: kept.append(learned))
    monkeypatch.setattr(Stream, "known_rig", WatchedRig(unsized(room), None, passes=12))
    results = []
    for second in range(7):
        visible, thermal = (replace(each, stamp=STAMP + second * SECOND) for each in images(room))
        noise = np.full_like(thermal.image, second)  # no camera sends the same image twice
        thermal = replace(thermal, image=thermal.image + noise)
        visible = replace(visible, image=visible.image ^ np.uint8(second % 2))
        results.append(stream.process(visible, thermal, replace(depth_of(room), stamp=visible.stamp)))
    kinds = [type(result.registration.mapping) for result in results]
    assert kinds == [RigMapping] * 5 + [DepthMapping] * 2
    assert not any(result.unused for result in results)
    geometry = results[-1].geometry
    assert geometry is not None and geometry.model.origins["scale"] == "measured"
    metres = float(np.linalg.norm(true_rig(room).T_visible_thermal.translation))
    assert float(np.linalg.norm(geometry.model.T_visible_thermal.translation)) == pytest.approx(
        metres, rel=0.04
    )
    told = [Outgoing(ros2_messages(), result).tf_static() is not None for result in results]
    assert told == [False] * 5 + [True, False]
    ((rig, passes),) = kept
    assert (
        passes == 12 and rig.model.is_metric and rig.inverse_depths[1] == pytest.approx(DEPTHS[1], rel=0.04)
    )
    (event,) = stream.rig_events
    assert event.finding is Finding.SCALE and "by the depth of 5 pairs" in event.sentence


def test_a_given_baseline_is_the_scale(room: SyntheticPair) -> None:
    drive = unsized(room)
    metres = float(np.linalg.norm(true_rig(room).T_visible_thermal.translation))
    used = stream_of(drive, metres).process(*images(room), depth_of(room))
    assert not used.unused
    mapping = used.registration.mapping
    assert isinstance(mapping, DepthMapping)
    exact = DepthMapping(true_rig(room), mapping.inverse_depth, mapping.plane, mapping.shift)
    points = np.array([[100.0, 100], [320, 200], [500, 300]])
    np.testing.assert_allclose(mapping.to_thermal(points), exact.to_thermal(points), atol=1e-3)


def test_depth_waits_for_a_rig(room: SyntheticPair) -> None:
    """A homography of its own is no rig: neither is depth used, nor is anything wrong with it."""
    engine = ScriptedEngine(points_of(plain(TRUTH)))
    stream = Stream(Registrar(engine, passes=1), StreamSettings(mode=Mode.LIVE))
    found = stream.process(*images(room), depth_of(room))
    assert not found.unused and not isinstance(found.registration.mapping, DepthMapping)


@pytest.mark.slow  # maps a whole room three times
def test_regions_stand_in_for_depth_where_the_parameter_asks_for_them(room: SyntheticPair) -> None:
    rig = rig_of(room)
    stream = stream_of(rig)
    plane = stream.process(*images(room)).registration.mapping
    stream.configure(StreamSettings(mode=Mode.FIXED, parallax=Parallax.REGIONS), rig)
    found = stream.process(*images(room))
    regions = found.registration.mapping
    assert isinstance(plane, RigMapping)
    assert isinstance(regions, DepthMapping)
    assert ParallaxFigures.of(regions, room).median_px < ParallaxFigures.of(plane, room).median_px / 2
    assert found.points() is None, "regions are no measured depth"
    by_depth = stream.process(*images(room), depth_of(room)).registration.mapping
    assert isinstance(by_depth, DepthMapping)
    assert by_depth.hides, "what is measured comes first"


def test_depth_of_half_the_size_is_undistorted_with_the_image_it_is_registered_to(
    room: SyntheticPair,
) -> None:
    camera, straight = true_rig(room).visible, {}
    for step in (1, 2):
        stream = stream_of(rig_of(room))
        stream.undistort(Sensor.VISIBLE, camera)
        depth = depth_of(room)
        found = stream.process(*images(room), replace(depth, image=depth.image[::step, ::step]))
        assert not found.unused
        straight[step] = found.inverse_depth()
    whole, half = straight[1], straight[2]
    assert whole is not None and half is not None
    both = np.isfinite(whole) & np.isfinite(half)
    assert both.mean() > 0.8 and np.mean(np.abs(half / whole - 1)[both] < 0.02) > 0.95
    as_seen = stream_of(rig_of(room)).process(*images(room), depth_of(room)).inverse_depth()
    assert as_seen is not None
    assert np.mean(np.abs(whole / as_seen - 1)[both] < 1e-6) < 0.9, "it is moved"


@pytest.mark.parametrize("step", [1, 2])
def test_camera_info_of_registered_depth_is_that_of_the_visible_lens_if_it_has_none(
    step: int, room: SyntheticPair
) -> None:
    stream, camera, depth = stream_of(rig_of(room)), true_rig(room).visible, depth_of(room)
    size = camera.size[0] // step, camera.size[1] // step
    stream.robot.set_camera(Sensor.DEPTH, camera.resized(size))
    assert stream.robot.lens(Sensor.VISIBLE, camera.size) == camera.size, (
        "nothing tells that it is registered"
    )
    stream.process(*images(room), replace(depth, image=depth.image[::step, ::step]))
    found = stream.robot.lens(Sensor.VISIBLE, camera.size)
    assert isinstance(found, Camera)
    np.testing.assert_allclose(found.project(camera.unproject(GRID)), GRID, atol=1e-6)
    assert stream.robot.lens(Sensor.VISIBLE, (500, 500)) == (500, 500), "of no such images"
    assert stream.robot.lens(Sensor.THERMAL, camera.size) == camera.size
    own = Camera(camera.size, camera.matrix)
    stream.robot.set_camera(Sensor.VISIBLE, own)
    assert stream.robot.lens(Sensor.VISIBLE, camera.size) is own


def test_camera_info_of_depth_with_a_frame_of_its_own_is_no_visible_lens(room: SyntheticPair) -> None:
    stream, camera = stream_of(rig_of(room)), true_rig(room).visible
    stream.robot.set_camera(Sensor.DEPTH, camera)
    stream.process(*images(room), replace(depth_of(room), frame_id="depth_optical"))
    assert stream.robot.lens(Sensor.VISIBLE, camera.size) == camera.size


def test_depth_maps_pairs_again_once_edges_lie_where_it_has_them(room: SyntheticPair) -> None:
    stream, depth, used = stream_of(rig_of(room)), depth_of(room), []
    tenfold = replace(depth, image=depth.image * np.float32(0.01))
    for second in range(4):
        visible, thermal = (replace(each, stamp=STAMP + second * SECOND) for each in images(room))
        visible = replace(visible, image=visible.image ^ np.uint8(second % 2))
        thermal = replace(thermal, image=thermal.image + np.uint16(second))
        found = stream.process(visible, thermal, tenfold if second == 0 else depth)
        used.append(isinstance(found.registration.mapping, DepthMapping))
    assert used == [False, False, True, True], "by the median of the pairs"


def test_a_slash_before_a_frame_changes_nothing(room: SyntheticPair) -> None:
    found = stream_of(rig_of(room)).process(*images(room), replace(depth_of(room), frame_id="/rgb"))
    assert not found.unused and isinstance(found.registration.mapping, DepthMapping)


def test_depth_that_hangs_while_the_cameras_move_maps_nothing(room: SyntheticPair) -> None:
    """The views move to the side by 3 % a second, twice, while depth stays; then it follows."""
    stream, depth, said = stream_of(rig_of(room)), depth_of(room), []
    for second, (steps, goes_on) in enumerate([(0, 0), (0, 0), (1, 0), (2, 0), (2, 1)]):
        moved = [
            replace(each, stamp=STAMP + second * SECOND, image=np.roll(each.image, steps * by, 1))
            for each, by in zip((*images(room), depth), (30, 20, 30 * goes_on), strict=True)
        ]
        found = stream.process(*moved)
        said.append((isinstance(found.registration.mapping, DepthMapping), Sensor.DEPTH in found.unused))
    still, hung = (True, False), (False, True)
    assert said == [still, still, hung, hung, still]
