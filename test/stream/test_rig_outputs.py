"""What a known rig tells ROS: where the thermal camera is, and its intrinsics; nothing that is assumed."""

from dataclasses import replace

import numpy as np
import pytest
from support.simulated_rig import RIG
from support.tracked_rig import truth

from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.status import Status
from distillmatch_ros.rig.model import RigModel
from distillmatch_ros.rig.parallax import with_depth
from distillmatch_ros.stream.calibration import ImageFormat, PairFormat
from distillmatch_ros.stream.metric import MetricRig
from distillmatch_ros.stream.outputs import THERMAL_CAMERA, TOPICS, Outgoing, withheld
from distillmatch_ros.stream.result import Result
from distillmatch_ros.stream.robot import TF_STATIC

STAMP = 10**18
MEASURED = {"pose": "measured", "thermal focal length": "measured", "visible focal length": "measured"}
UNSIZED = replace(RIG, origins={**MEASURED, "scale": "assumed"})


def result(
    rig: RigModel,
    metric: MetricRig | None = None,
    baseline_m: float = 0.08,
    status: Status = Status.TRACKED,
    frames: tuple[str, str] = ("rgb", "thermal"),
    undistorted: bool = False,
    parent: str | None = None,
) -> Result:
    """A pair that a rig maps."""
    metric = metric or MetricRig()
    found = Registration.without_matches(status, rig.at(0.02), {})
    mapping = metric.mapping(found, baseline_m)
    visible, thermal = (
        Frame(np.zeros(camera.size, np.uint8), "mono8", STAMP + late, frame)
        for camera, late, frame in zip((RIG.visible, RIG.thermal), (0, 7), frames, strict=True)
    )
    formats = PairFormat(ImageFormat(RIG.visible.size), ImageFormat(RIG.thermal.size, undistorted))
    shown = formats, found, {}, "blend", lambda: thermal.image, 0, lambda each: each, {}
    return Result(visible, thermal, *shown, geometry=metric.geometry(found, mapping, parent))


def transform(of: Result) -> object:
    return Outgoing(ros2_messages(), of).tf_static()


def camera(of: Result) -> object:
    return TOPICS[THERMAL_CAMERA][1](Outgoing(ros2_messages(), of))


def test_the_transform_says_where_the_thermal_camera_is() -> None:
    message = transform(result(UNSIZED))
    (stamped,) = message.transforms
    assert (stamped.header.frame_id, stamped.child_frame_id) == ("rgb", "thermal")
    move, turn = stamped.transform.translation, stamped.transform.rotation
    pose = Pose.from_quaternion(
        np.array([turn.x, turn.y, turn.z, turn.w]), np.array([move.x, move.y, move.z])
    )
    np.testing.assert_allclose(pose.rotation, RIG.T_visible_thermal.rotation, atol=1e-12)
    assert np.linalg.norm(pose.translation) == pytest.approx(0.08)
    across = np.cross(pose.translation, RIG.T_visible_thermal.translation)
    np.testing.assert_allclose(across, 0, atol=1e-12)


def test_it_is_said_once_for_each_geometry() -> None:
    metric = MetricRig()
    said = [transform(result(UNSIZED, metric)) is not None for _ in range(3)]
    said += [transform(result(replace(UNSIZED), metric)) is not None for _ in range(2)]  # learned anew
    said.append(transform(result(UNSIZED, metric, baseline_m=0.09)) is not None)
    assert said == [True, False, False, True, True, True]


def test_the_camera_is_the_rigs_with_the_header_of_the_thermal_image() -> None:
    message = camera(result(UNSIZED))
    assert Camera.from_camera_info(message).same_as(RIG.thermal)
    assert (message.header.frame_id, ros2_messages().stamp_of(message)) == ("thermal", STAMP + 7)


ASSUMED = {**MEASURED, "scale": "given", "thermal focal length": "assumed"}


@pytest.mark.parametrize(
    ("changes", "kept", "word"),
    [
        ({"baseline_m": 0.0}, {THERMAL_CAMERA}, "baseline_m"),
        ({"rig": replace(RIG, origins=ASSUMED)}, set(), "thermal focal length"),
        (
            {"rig": replace(RIG, origins={**MEASURED, "thermal distortion": "assumed"})},
            {TF_STATIC},
            "thermal",
        ),
        ({"frames": ("camera", "camera")}, {THERMAL_CAMERA}, "'camera'"),
        ({"frames": ("", "thermal")}, {THERMAL_CAMERA}, "''"),
        ({"undistorted": True}, {TF_STATIC}, "known"),
        ({"parent": "mast"}, {THERMAL_CAMERA}, "'mast'"),
        ({"parent": "rgb"}, {THERMAL_CAMERA, TF_STATIC}, ""),
    ],
    ids=[
        "no scale",
        "focal length",
        "distortion",
        "one frame",
        "no frame",
        "undistorted",
        "another parent",
        "its own",
    ],
)
def test_what_is_assumed_is_withheld_with_the_reason(
    changes: dict[str, object], kept: set[str], word: str
) -> None:
    found = result(**{"rig": UNSIZED, **changes})  # type: ignore[arg-type]
    made = {THERMAL_CAMERA: camera(found), TF_STATIC: transform(found)}
    assert {name for name, message in made.items() if message is not None} == kept
    reasons = withheld(found)
    assert reasons.keys() == made.keys() - kept
    assert all(word in reason for reason in reasons.values())


@pytest.mark.parametrize("status", [Status.RIG, Status.HELD, Status.FIXED])
def test_a_pair_whose_images_do_not_support_the_rig_tells_nothing_of_it(status: Status) -> None:
    found = result(UNSIZED, status=status)
    assert transform(found) is None and camera(found) is None and withheld(found) == {}


def test_depth_without_focal_lengths_gives_neither_a_pose_nor_points() -> None:
    mapped = replace(RIG, origins={**MEASURED, "scale": "assumed", "parallax": "measured"})
    found = result(mapped, baseline_m=0.0)
    assert withheld(found).keys() == {TF_STATIC, "points"} and transform(found) is None
    depth = np.full(RIG.visible.size, 0.1, np.float32)
    for rig, has_points in ((mapped, False), (RIG.with_baseline(0.08), True)):
        mapping = with_depth(rig.at(0.1), depth)
        registration = replace(found.registration, mapping=mapping)
        assert (replace(found, registration=registration).points() is not None) == has_points


def test_a_homography_of_its_own_tells_nothing_of_a_rig() -> None:
    own = HomographyMapping(truth(), RIG.thermal.size, RIG.visible.size)
    found = Registration.without_matches(Status.OK, own, {})
    assert MetricRig().mapping(found, 0.08) is None


def test_without_tf2_msgs_there_is_no_transform() -> None:
    from distillmatch_ros.bags.typestore import ros2_types
    from distillmatch_ros.stream.messages import MESSAGE_TYPES, Messages

    some = Messages({name: ros2_types().types[name] for name in MESSAGE_TYPES}, to_data=lambda data: data)
    assert Outgoing(some, result(UNSIZED)).tf_static() is None
