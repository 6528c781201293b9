"""What the cameras of the node's benchmark send."""

import pytest

pytest.importorskip("rclpy")


@pytest.mark.slow
def test_no_camera_sends_the_same_image_twice() -> None:
    """One that does is watched as one that hangs, which takes time that no other one takes."""
    from distillmatch_ros.tools.load import PICTURES, _with_depth

    messages = _with_depth()
    for sensor in ("rgb", "thermal", "depth"):
        assert len({bytes(each[sensor].data) for each in messages}) == PICTURES
