"""The synthetic drive is a bag like any other, and what it shows is where the truth says."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.bags.typestore import ros2_messages
from distillmatch_ros.demo.drive import (
    RGB,
    RGB_FRAME,
    RGB_INFO,
    THERMAL,
    THERMAL_FRAME,
    THERMAL_INFO,
    Moment,
    record_drive,
)
from distillmatch_ros.demo.truth import TruePoints
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import transform
from distillmatch_ros.scene import Scene, SyntheticPair

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Moment, ...], list[None]]:
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    shown: list[None] = []
    moments = record_drive(path, seed=3, frames=2, rate_hz=5, on_frame=lambda: shown.append(None))
    return path, moments, shown


def test_drive_is_what_the_scene_shows(drive: tuple[Path, tuple[Moment, ...], list[None]]) -> None:
    path, moments, shown = drive
    scene, messages = Scene(3), ros2_messages()
    with Bag(path) as bag:
        assert {topic.name: topic.count for topic in bag.topics.values()} == dict.fromkeys(
            (RGB, RGB_INFO, THERMAL, THERMAL_INFO), 2
        )
        frames = {
            topic: [messages.to_frame(each.message) for each in bag.messages((topic,))]
            for topic in (RGB, THERMAL)
        }
    assert len(moments) == len(shown) == 2
    for number, (moment, visible, thermal) in enumerate(
        zip(moments, frames[RGB], frames[THERMAL], strict=True)
    ):
        expected = scene.render(number / 5)
        np.testing.assert_array_equal(visible.image, expected.visible)
        np.testing.assert_array_equal(thermal.image, expected.thermal)
        assert (visible.encoding, thermal.encoding) == ("bgr8", "16UC1")
        assert (visible.frame_id, thermal.frame_id) == (RGB_FRAME, THERMAL_FRAME)
        assert (visible.stamp, thermal.stamp) == (moment.stamp, moment.stamp + moment.skew)
        assert moment.stamp == moments[0].stamp + number * 200_000_000
        assert moment.truth.best_rms_px() == pytest.approx(TruePoints.of(expected).best_rms_px(), abs=0.1)
    assert len({moment.skew for moment in moments}) == 2
    assert all(0 < abs(moment.skew) < 12e6 for moment in moments)


def test_camera_info_is_that_of_the_cameras(drive: tuple[Path, tuple[Moment, ...], list[None]]) -> None:
    scene = Scene(3).render(0)
    with Bag(drive[0]) as bag:
        for topic, camera in ((RGB_INFO, scene.visible_camera), (THERMAL_INFO, scene.thermal_camera)):
            info = next(bag.messages((topic,))).message
            found = Camera.from_camera_info(info)
            np.testing.assert_allclose(found.matrix, camera.matrix)
            assert found.size == camera.size[::-1]
            assert found.is_pinhole


def test_truth_is_measured_in_visible_pixels() -> None:
    rows, columns = np.mgrid[:20, :30].astype(np.float32)
    places = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64)
    visible = 2 * places + (3, 4)
    double = np.diag([2.0, 2, 1])
    assert TruePoints(places, visible).rms_px(double) == pytest.approx(5)
    assert TruePoints(places, visible).best_rms_px() == pytest.approx(0, abs=1e-4)
    visible[-60:] += 100
    assert TruePoints(places, visible).rms_px(double) == pytest.approx(
        np.sqrt(0.9 * 25 + 0.1 * (103**2 + 104**2))
    )


def test_truth_of_a_pair_leaves_out_what_is_hidden(day: SyntheticPair) -> None:
    truth = TruePoints.of(day, every=8)
    known = np.isfinite(day.truth[::8, ::8, 0])
    assert len(truth.thermal_points) == known.sum() < known.size
    for place, target in zip(truth.thermal_points[::97], truth.visible_points[::97], strict=True):
        x, y = place.astype(int)
        assert x % 8 == y % 8 == 0
        np.testing.assert_allclose(day.truth[y, x], target, rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=8, max_size=8))
def test_no_homography_is_nearer_to_the_truth_than_the_best(day: SyntheticPair, moved: list[float]) -> None:
    truth = TruePoints.of(day, every=16)
    corners = np.array([[0, 0], [639, 0], [639, 511], [0, 511]], np.float32)
    fitted = cv2.findHomography(truth.thermal_points, truth.visible_points, cv2.RANSAC, 3.0)[0]
    places = transform(fitted, corners) + np.reshape(moved, (4, 2))
    other = cv2.getPerspectiveTransform(corners, places.astype(np.float32))
    assert 0 < truth.best_rms_px() <= truth.rms_px(other) + 1e-4
