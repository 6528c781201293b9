"""Topics by ROS's conventions."""

import pytest

from distillmatch_ros.stream.sensors import is_rectified


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/image_rect", True),
        ("/camera/image_rect_color/compressed", True),
        ("/zed/left/image_rect_gray", True),
        ("/left/rectified/image", True),
        ("/camera/image_raw", False),
        ("/direct/image", False),
        ("/rectangle/image_color", False),
    ],
)
def test_rectified_images_are_known_by_their_topic(topic: str, rectified: bool) -> None:
    assert is_rectified(topic) is rectified
