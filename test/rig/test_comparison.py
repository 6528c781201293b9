"""Geometries of two drives are compared at the same depth: a knock is found, another depth is none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.comparison import Geometry, reference_corners
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.rig.model import RigModel
from test.support.simulated_rig import RIG, THERMAL, VISIBLE

NEAR, FAR = LearnedRig(RIG, (0.05, 0.08), False), LearnedRig(RIG, (0.0, 0.02), False)


def turned(x: float, y: float, z: float) -> RigModel:
    """The rig after a knock: so many degrees about each axis."""
    pose = RIG.T_visible_thermal
    knock = Pose.from_vectors(np.radians([x, y, z]), np.zeros(3))
    return replace(
        RIG, T_visible_thermal=Pose(knock.rotation @ pose.rotation, knock.rotation @ pose.translation)
    )


def place(depth: float, right: float = 0.0, down: float = 0.0) -> Geometry:
    """A drive without a rig, whose pairs all see one depth."""
    corners = reference_corners(RIG.at(depth).homography, THERMAL, VISIBLE)
    return Geometry.of_place(corners + np.array([right, down]), 0.5)


@settings(max_examples=10, deadline=None)
@given(st.floats(-0.02, 0.1))
def test_another_depth_of_one_rig_is_no_displacement(depth: float) -> None:
    near = Geometry.of_rig(NEAR)
    assert near.displacement(Geometry.of_rig(FAR)).px < 0.2
    there = place(float(np.clip(depth, 0.02, 0.1)))
    assert near.displacement(there).px < 0.2 and there.displacement(near).px < 0.2


def test_a_knock_is_a_displacement_of_its_size_and_direction() -> None:
    down = np.degrees(20 / 800 * VISIBLE[1] / 640)  # 20 reference px at the visible focal length
    moved = Geometry.of_rig(LearnedRig(turned(-down, 0, 0), (0.0, 0.02), False))
    found = Geometry.of_rig(NEAR).displacement(moved)
    assert found.px == pytest.approx(20, abs=3) and found.offset[1] == pytest.approx(20, abs=3)
    back = moved.displacement(Geometry.of_rig(NEAR))
    assert back.px == pytest.approx(found.px, abs=1.5) and back.offset[1] == pytest.approx(-20, abs=3)
    by_place = Geometry.of_rig(NEAR).displacement(place(0.05, down=20))
    assert by_place.px == pytest.approx(20, abs=1) and by_place.offset[1] == pytest.approx(20, abs=1)
    assert place(0.05, down=20).displacement(Geometry.of_rig(NEAR)).offset[1] == pytest.approx(-20, abs=1)


def test_along_the_line_between_the_lenses_a_knock_looks_like_another_depth_within_limits() -> None:
    near = Geometry.of_rig(NEAR)
    line = np.array([0.98, 0.2]) / np.hypot(0.98, 0.2)
    seen = near.places[slice(*near.seen)]
    span = np.hypot(*(seen[-1] - seen[0]).T).mean()
    assert near.displacement(place(0.08, *(0.9 * span * line))).px < 2
    assert near.displacement(place(0.08, *(3 * span * line))).px > span


def test_the_uncertainty_of_both_counts() -> None:
    sure, unsure = place(0.0), replace(place(0.0, right=3), deviations=np.array([4.0]))
    found = sure.displacement(unsure)
    assert found.px == pytest.approx(3) and found.deviation_px == pytest.approx(np.hypot(0.5, 4.0))
    known = replace(RIG, covariance=np.diag([1e-4] * 12))
    assert Geometry.of_rig(LearnedRig(known, (0.0, 0.05), False)).displacement(place(0.02)).deviation_px > 0.6


def test_offsets_are_from_the_nearest_depth() -> None:
    curve = Geometry.of_rig(NEAR)
    places = np.array([place(0.06).places[0], place(0.08, right=2).places[0]])
    offsets, at = curve.offsets(places)
    assert np.abs(offsets[0]).max() < 0.1 and at[1] > at[0]
    assert np.hypot(*offsets[1].T).mean() <= 2.01
