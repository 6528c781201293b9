import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.geometry.pose import Pose

VECTORS = st.tuples(*[st.floats(-1.5, 1.5)] * 3).map(np.array)
POINTS = np.array([[0.0, 0, 1], [3, -2, 7], [-1, 0.5, 40]])


@given(VECTORS, VECTORS, VECTORS, VECTORS)
def test_poses_compose_and_lead_back(r1: np.ndarray, t1: np.ndarray, r2: np.ndarray, t2: np.ndarray) -> None:
    visible_thermal, thermal_body = Pose.from_vectors(r1, t1), Pose.from_vectors(r2, t2)
    both = visible_thermal @ thermal_body
    np.testing.assert_allclose(
        both.apply(POINTS), visible_thermal.apply(thermal_body.apply(POINTS)), atol=1e-12
    )
    np.testing.assert_allclose(both.inverse().apply(both.apply(POINTS)), POINTS, atol=1e-12)
    np.testing.assert_allclose(cv2.Rodrigues(visible_thermal.rotation)[0][:, 0], r1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(both.rotation), 1)


def test_a_quarter_turn_about_the_optical_axis_takes_right_to_down() -> None:
    pose = Pose.from_vectors(np.array([0, 0, np.pi / 2]), np.array([0.1, 0, 0]))
    np.testing.assert_allclose(pose.apply(np.array([[1.0, 0, 5]])), [[0.1, 1, 5]], atol=1e-15)


def test_a_pose_does_not_change() -> None:
    rotation = np.eye(3)
    pose = Pose(rotation, np.zeros(3))
    rotation[0, 0] = 2
    assert pose.rotation[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        pose.translation[0] = 1


@given(VECTORS, VECTORS)
def test_a_quaternion_is_the_rotation(rotation: np.ndarray, translation: np.ndarray) -> None:
    pose = Pose.from_vectors(rotation, translation)
    angle = np.linalg.norm(rotation)
    np.testing.assert_allclose(pose.quaternion[3], np.cos(angle / 2), atol=1e-9)
    again = Pose.from_quaternion(2 * pose.quaternion, translation)
    np.testing.assert_allclose(again.rotation, pose.rotation, atol=1e-12)
