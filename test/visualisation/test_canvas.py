"""Letters and lines land where they should, and never outside the picture."""

import numpy as np
import pytest

from distillmatch_ros.visualisation import canvas


def dark(height: int = 60, width: int = 200) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize(("align", "low", "high"), [(0.0, 98, 160), (1.0, 40, 102), (0.5, 65, 135)])
def test_text_starts_ends_or_stands_at_its_place(align: float, low: int, high: int) -> None:
    rows, columns = np.nonzero(canvas.write(dark(), "HUT", (100, 30), 14, canvas.WHITE, align).any(axis=2))
    assert low <= columns.min() < columns.max() <= high
    assert abs((rows.min() + rows.max()) / 2 - 30) < 1.5
    assert 12 <= rows.max() - rows.min() <= 18


@pytest.mark.parametrize("place", [(-20, 30), (190, 30), (100, -3), (100, 62), (-500, -500), (900, 900)])
def test_text_is_cut_at_the_border(place: tuple[float, float]) -> None:
    inside = canvas.write(dark(160, 1000), "OVER THE EDGE", (400 + place[0], 50 + place[1]), 14, canvas.WHITE)
    window = inside[50:110, 400:600] if max(map(abs, place)) < 400 else dark()
    np.testing.assert_array_equal(canvas.write(dark(), "OVER THE EDGE", place, 14, canvas.WHITE), window)


def test_outline_bears_points_that_are_nowhere() -> None:
    wild = np.array([[np.nan, 5], [np.inf, 3], [-np.inf, 1e30], [20, 20]])
    assert canvas.outline(dark(), wild, canvas.WHITE).shape == (60, 200, 3)


def test_an_outline_is_open_where_nothing_corresponds() -> None:
    square = np.array([[50, 10], [100, 10], [150, 10], [150, 50], [np.nan, np.nan], [50, 50]], float)
    drawn = canvas.outline(dark(), square, canvas.WHITE)
    assert drawn[10, 60].min() > 200 and drawn[30, 150].min() > 200 and drawn[30, 50].min() > 200
    assert (drawn[50, 60:140] == dark()[50, 60:140]).all() and (drawn[:8, :45] == dark()[:8, :45]).all()
    nothing = np.full((4, 2), np.nan)
    assert (canvas.outline(dark(), nothing, canvas.WHITE) == dark()).all()


def test_displayable_is_a_picture_of_its_own() -> None:
    colour = np.full((4, 5, 4), 7, np.uint8)
    picture = canvas.displayable(colour)
    picture[:] = 0
    assert picture.shape == (4, 5, 3)
    assert colour.min() == 7
    ramp = np.arange(3000, 3020, dtype=np.uint16).reshape(4, 5)
    assert canvas.displayable(ramp).max() > 200
