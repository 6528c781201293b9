"""A cloud from beside: near points cover far ones, and move against them."""

import numpy as np

from distillmatch_ros.visualisation.cloud import draw_cloud

FIELDS = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("thermal", "<f4")]


def cards() -> np.ndarray:
    """A warm card at 2 m before a cold one at 4 m."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-1, 1, 200)))
    cloud = np.zeros(2 * x.size, FIELDS)
    for part, (size, depth, heat) in enumerate(((0.3, 2.0, 30.0), (1.5, 4.0, 10.0))):
        side = slice(part * x.size, (part + 1) * x.size)
        cloud["x"][side], cloud["y"][side], cloud["z"][side] = size * x, size * y, depth
        cloud["thermal"][side] = heat
    return cloud


def middle_of_the_warm(right: float, down: float) -> np.ndarray:
    picture = draw_cloud(cards(), (240, 320), right, down)
    rows, columns = np.nonzero(picture.sum(axis=-1) > 500)
    return np.array([columns.mean(), rows.mean()])


def test_near_points_cover_far_ones() -> None:
    np.testing.assert_allclose(middle_of_the_warm(0, 0), (160, 120), atol=3)


def test_from_the_right_near_things_move_to_the_left() -> None:
    assert middle_of_the_warm(20, 0)[0] < 150 and middle_of_the_warm(-20, 0)[0] > 170


def test_from_above_near_things_move_down() -> None:
    assert middle_of_the_warm(0, -20)[1] > 130
