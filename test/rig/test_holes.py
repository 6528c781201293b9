"""Holes of a depth image are closed from their rims, and its noise is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.rig.holes import bridged, noise

WIDTH = 60  # so that rims count up to 3 pixels away


def by_hand(row: np.ndarray) -> np.ndarray:
    found = row.copy()
    for here in np.flatnonzero(np.isnan(row)):
        known = np.flatnonzero(np.isfinite(row))
        left, right = known[known < here][-1:], known[known > here][:1]
        rims = [(abs(int(i) - here), row[i]) for i in (*left, *right) if abs(int(i) - here) <= 3]
        if len(rims) == 2 and abs(rims[0][1] - rims[1][1]) <= 0.1 * max(rims[0][1], rims[1][1]):
            (near, one), (far, other) = rims
            found[here] = (one * far + other * near) / (near + far)
        elif rims:
            found[here] = min(value for _, value in rims)
    return found


@given(st.lists(st.sampled_from([np.nan, np.nan, 0.5, 0.51, 0.9]), min_size=2 * WIDTH, max_size=2 * WIDTH))
def test_holes_are_closed_from_rim_to_rim_or_with_the_farther_one(values: list[float]) -> None:
    depth = np.array(values, np.float32).reshape(2, WIDTH)
    expected = np.stack([by_hand(row) for row in depth])
    np.testing.assert_allclose(bridged(depth), expected, rtol=1e-5)


def test_a_depth_image_without_a_known_pixel_stays_unknown() -> None:
    assert np.isnan(bridged(np.full((4, WIDTH), np.nan, np.float32))).all()


def test_noise_of_a_slanted_plane_is_told() -> None:
    plane = np.linspace(0.2, 0.4, 400)[None] * np.ones((200, 1))
    rough = plane * (1 + 0.03 * np.random.default_rng(0).standard_normal(plane.shape))
    assert noise(plane.astype(np.float32)) < 1e-3
    assert noise(rough.astype(np.float32)) == pytest.approx(0.03, rel=0.15)
