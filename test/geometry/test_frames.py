"""Frames of a robot: poses along the tree, whichever way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.geometry.frames import FrameTree
from distillmatch_ros.geometry.pose import Pose

POINTS = np.array([[0.0, 0, 1], [3, -2, 7], [-1, 0.5, 40]])


@given(st.integers(0, 2**32), st.lists(st.integers(0, 100), min_size=2, max_size=9))
def test_poses_lead_along_the_tree_in_any_order_of_arrival(seed: int, draws: list[int]) -> None:
    rng = np.random.default_rng(seed)
    parents = [draw % (index + 1) for index, draw in enumerate(draws)]  # frame index + 1 hangs on it
    poses = [Pose.from_vectors(rng.normal(0, 1, 3), rng.normal(0, 1, 3)) for _ in parents]
    in_root = [Pose.identity()]
    for parent, pose in zip(parents, poses, strict=True):
        in_root.append(in_root[parent] @ pose)
    tree = FrameTree()
    for index in rng.permutation(len(parents)):
        tree.add(str(parents[index]), f"/{index + 1}", poses[index])
    one, other = rng.integers(0, len(in_root), 2)
    found = tree.pose(str(one), str(other))
    assert found is not None
    np.testing.assert_allclose(
        in_root[one].apply(found.apply(POINTS)), in_root[other].apply(POINTS), atol=1e-9
    )


def test_what_is_not_connected_has_no_pose_and_a_ring_ends() -> None:
    tree = FrameTree()
    tree.add("a", "b", Pose.identity())
    tree.add("b", "a", Pose.identity())
    assert tree.pose("a", "c") is None and tree.pose("c", "d") is None
    assert tree.pose("a", "b") is not None
    assert (tree.parent("/b"), tree.parent("c")) == ("a", None)
    same = tree.pose("c", "c")
    assert same is not None and not same.translation.any()
