"""Temperatures in colours, with their scale beside them."""

import numpy as np

from distillmatch_ros.visualisation.canvas import NIGHT
from distillmatch_ros.visualisation.degrees import draw_degrees


def test_warmer_is_brighter_and_unknown_is_dark() -> None:
    celsius = np.tile(np.linspace(-10, 40, 200, dtype=np.float32), (120, 1))
    celsius[:20] = np.nan
    picture = draw_degrees(celsius)
    assert picture.shape[0] == 120 and picture.shape[1] > 200 and (picture[:20, :200] == NIGHT).all()
    brightness = picture[60, :200].astype(int).sum(axis=1)
    assert (np.diff(brightness[::20]) > 0).all()
    bar = picture[20:100, 214:232].astype(int).sum(axis=(1, 2))
    assert (np.diff(bar[::10]) < 0).all(), "warm is above"
    assert (picture[:, 240:] != NIGHT).any(), "the labels"


def test_uniform_unknown_and_tiny_images_are_drawn() -> None:
    for celsius in (np.full((40, 60), 21.5), np.full((40, 60), np.nan), np.full((3, 2), 5.0)):
        assert draw_degrees(celsius.astype(np.float32)).shape[0] == len(celsius)
