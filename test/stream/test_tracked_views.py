"""What is left out of the images, turned or exchanged for a pass is so for the pairs tracked after it."""

from dataclasses import replace

import numpy as np
import pytest
from support.edge_scenes import THERMAL, VISIBLE
from support.tracked_rig import FRAME, START, TrackedRig, pair, statuses, truth

from distillmatch_ros import Status
from distillmatch_ros.geometry.homography import corner_error
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.orientation import Orientation


@pytest.mark.slow
@pytest.mark.parametrize(
    "orientation", [Orientation(0, True), Orientation(90), Orientation(270, True)], ids=str
)
@pytest.mark.parametrize("side", ["rgb", "thermal"])
def test_mirrored_and_turned_cameras_are_tracked_and_calibrated(side: str, orientation: Orientation) -> None:
    """The engine sees upright images; the homography is in the pixels of the images as they came."""
    settings = {f"{side}_rotation": orientation.rotation, f"{side}_flip": orientation.flip}
    rig = TrackedRig(pass_seconds=0.1, **settings)
    upright = VISIBLE if side == "rgb" else THERMAL
    size = orientation.upright_size(upright)  # of the camera's image
    turn = orientation.to_upright(size)
    right = np.linalg.inv(turn) @ truth() if side == "rgb" else truth() @ turn
    sizes = (THERMAL, size) if side == "rgb" else (size, VISIBLE)
    results = []
    for number in range(40):
        frames = dict(zip(("rgb", "thermal"), pair(number), strict=True))
        image = np.rot90(frames[side].image, orientation.rotation // 90)
        image = image[:, ::-1] if orientation.flip else image
        frames[side] = replace(frames[side], image=np.ascontiguousarray(image))
        results.append(rig.stream.process(frames["rgb"], frames["thermal"]).registration)
    assert [each.status for each in results].count(Status.TRACKED) > 20
    for each in results:
        assert each.homography is not None
        assert corner_error(each.homography, right, *sizes) < 3
    assert corner_error(rig.stream.calibration().homography, right, *sizes) < 3


def with_faults(frames: tuple[Frame, Frame], fault: str) -> tuple[Frame, Frame]:
    """A pair whose thermal image is framed, has dead lines, or status bits above its 14-bit readings."""
    visible, thermal = frames
    if fault == "bars":
        image = np.pad(thermal.image, ((10, 10), (40, 40)))
    elif fault == "dead lines":
        image = thermal.image.copy()
        image[100:102], image[:, 200] = 0, 65535
    else:
        image = thermal.image | np.random.default_rng(thermal.stamp).integers(0, 4, THERMAL, np.uint16) << 14
    return visible, replace(thermal, image=image)


@pytest.mark.parametrize("fault", ["bars", "dead lines", "status bits"])
def test_pairs_are_tracked_without_what_the_pass_left_out(fault: str) -> None:
    rig = TrackedRig(pass_seconds=0.25)
    results = [rig.stream.process(*with_faults(pair(number), fault)) for number in range(20)]
    assert statuses(results).count(Status.TRACKED) == 17
    bars = np.array([[1.0, 0, -40], [0, 1, -10], [0, 0, 1]]) if fault == "bars" else np.eye(3)
    for result in results:
        found, size = result.matched(), result.thermal.image.shape
        assert found.homography is not None
        assert corner_error(found.homography, truth() @ bars, size, VISIBLE) < 1
        assert len(found.confidence) > 100
        assert found.inliers.mean() > 0.9


def test_a_thermal_camera_that_sees_more_is_tracked_in_exchanged_roles() -> None:
    rig = TrackedRig(pass_seconds=0.25)
    visible, thermal = (frame.image for frame in pair(0))
    right = np.linalg.inv(truth())
    results = []
    for number in range(20):
        noise = np.random.default_rng(number).integers(0, 3, VISIBLE, np.uint8)
        stamp = START + number * FRAME
        narrow = Frame((thermal // 128).astype(np.uint8), "mono8", stamp, "rgb")
        results.append(rig.stream.process(narrow, Frame(visible // 2 + noise, "mono8", stamp, "thermal")))
    assert statuses(results).count(Status.TRACKED) == 17
    for result in results:
        found = result.matched()
        assert found.homography is not None
        assert corner_error(found.homography, right, VISIBLE, THERMAL) < 2
        assert len(found.confidence) > 50
