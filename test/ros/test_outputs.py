"""What the node publishes, as somebody at the other end of DDS gets it."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from support.bench import OUTPUTS, SHAPE, Bench, picture, stamp_of

from distillmatch_ros.stream.messages import POINT_FIELDS

FRAME = "rgb_optical"


@pytest.fixture(scope="module")
def driven(active: Bench) -> tuple[Bench, list[int]]:
    """All outputs of a drive at 5 Hz, which a busy machine keeps up with."""
    active.set(pass_seconds=0.0)  # the correspondences of a pass
    infos = [
        active.node.create_publisher(CameraInfo, f"/{name}/camera_info", 5) for name in ("rgb", "thermal")
    ]
    active.listen(*OUTPUTS)
    active.until(lambda: all(each.get_subscription_count() for each in infos))
    active.spin(0.3)
    for each, focal_length in zip(infos, (50.0, 60.0), strict=True):
        k = [focal_length, 0, 40, 0, focal_length, 32, 0, 0, 1]
        each.publish(CameraInfo(height=SHAPE[0], width=SHAPE[1], k=k))
    active.spin(0.1)
    sent = active.drive(4.0, rate=5)
    active.until(lambda: all(len(active.outputs[name]) >= 2 for name in OUTPUTS))
    return active, sent


@pytest.mark.slow
@pytest.mark.parametrize("name", list(OUTPUTS))
def test_every_output_has_the_stamp_of_the_visible_image_and_a_frame_of_its_own(
    driven: tuple[Bench, list[int]], name: str
) -> None:
    bench, sent = driven
    messages = bench.outputs[name]
    stamps = [stamp_of(message) for message in messages]
    assert set(stamps) <= set(sent)
    assert stamps == sorted(set(stamps)), "each pair once, in order"
    in_frame = "thermal_optical" if name.startswith("rgb_registered") else FRAME
    assert {message.header.frame_id for message in messages} == {in_frame}


def test_registered_thermal_keeps_encoding_and_values(driven: tuple[Bench, list[int]]) -> None:
    bench, sent = driven
    message = bench.outputs["thermal_registered/image"][-1]
    assert (message.encoding, message.height, message.width) == ("16UC1", *SHAPE)
    image = np.frombuffer(message.data, np.uint16).reshape(SHAPE)
    thermal, _ = picture("thermal", sent.index(stamp_of(message)))
    # The same place but for a fraction of a pixel; and nothing but values that the camera sent.
    assert np.mean(image[2:-2, 2:-2] == thermal[2:-2, 2:-2]) > 0.9
    assert set(image.flat) <= {0, *thermal.flat}


def test_homography_correspondences_and_camera_info(driven: tuple[Bench, list[int]]) -> None:
    bench, _ = driven
    message = bench.outputs["homography"][-1]
    assert (message.encoding, message.height, message.width) == ("64FC1", 3, 3)
    np.testing.assert_allclose(np.frombuffer(message.data).reshape(3, 3), np.eye(3), atol=0.2)
    cloud = bench.outputs["correspondences"][-1]
    assert tuple(field.name for field in cloud.fields) == POINT_FIELDS
    points = np.frombuffer(cloud.data, np.float32).reshape(-1, len(POINT_FIELDS))
    assert len(points) == cloud.width >= 98
    np.testing.assert_allclose(points[:, :2], points[:, 2:4], atol=0.2)
    info = bench.outputs["thermal_registered/camera_info"][-1]
    assert (info.width, info.k[0]) == (SHAPE[1], 50.0)


def test_rgb_arrives_in_the_thermal_frame_and_the_mask_says_what_both_see(
    driven: tuple[Bench, list[int]],
) -> None:
    bench, _ = driven
    back, mask = bench.outputs["rgb_registered/image"][-1], bench.outputs["thermal_registered/mask"][-1]
    assert (back.encoding, back.height, back.width) == ("rgb8", *SHAPE)
    seen = np.frombuffer(mask.data, np.uint8).reshape(SHAPE)
    info = bench.outputs["rgb_registered/camera_info"][-1]
    assert (info.width, info.k[0]) == (SHAPE[1], 60.0)
    assert mask.encoding == "mono8" and set(seen.flat) <= {0, 255} and (seen[2:-2, 2:-2] == 255).all()


def test_overlay_and_its_jpeg_are_one_picture(driven: tuple[Bench, list[int]]) -> None:
    bench, _ = driven
    overlays = {stamp_of(message): message for message in bench.outputs["overlay"]}
    jpegs = {stamp_of(message): message for message in bench.outputs["overlay/compressed"]}
    stamp = max(overlays.keys() & jpegs.keys())
    assert overlays[stamp].encoding == "bgr8"
    overlay = np.frombuffer(overlays[stamp].data, np.uint8).reshape(*SHAPE, 3)
    decoded = cv2.imdecode(np.frombuffer(jpegs[stamp].data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded.astype(int) - overlay).mean() < 8


@pytest.mark.slow
def test_diagnostics_tell_the_figures(driven: tuple[Bench, list[int]]) -> None:
    bench, _ = driven
    bench.drive(3.2, rate=5)
    figures = next(
        values
        for status in reversed(bench.diagnostics)
        if (values := {value.key: value.value for value in status.values}) and "inliers median" in values
    )
    for name in ("rgb in [Hz]", "thermal in [Hz]", "pairs [Hz]", "registered [Hz]", "overlay out [Hz]"):
        assert 0.5 < float(figures[name]) < 10, (name, figures)
    for stage in ("engine", "decode", "publish", "age"):
        assert 0 < float(figures[f"{stage} [ms] median"]) <= float(figures[f"{stage} [ms] p95"]) < 5000
    assert float(figures["skew [ms] p95"]) == 0
    assert float(figures["inliers median"]) >= 98
    assert float(figures["status OK"]) >= 1
    assert figures["engine"] in ("tiny fp32", "tiny bf16")  # by what the CPU computes in
    assert "CPU" in figures["device"]
