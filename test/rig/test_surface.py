"""The surface that most edges lie on: found among things, and none where there are only things."""

import numpy as np
import pytest

from distillmatch_ros.rig.surface import lowest, smooth_surface
from distillmatch_ros.rig.sweep import FARTHER, NEARER

SIZE = 40, 60
STEPS = np.arange(-FARTHER, NEARER + 1)
EVERYWHERE = np.ones(SIZE, np.bool_)


def agreement_at(steps: np.ndarray) -> np.ndarray:
    """Edges that agree at one depth of each cell, and less around it."""
    return np.exp(-((STEPS - steps[..., None]) ** 2) / 2).astype(np.float32)


def road() -> np.ndarray:
    y, x = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]), indexing="ij")
    return 2.0 * y * y + 1.5 * x * x - 0.5 * y


def test_things_before_a_bent_surface_do_not_move_it() -> None:
    seen = road()
    seen[10:30, 5:20], seen[20:35, 40:55] = 12, 8
    found = smooth_surface(agreement_at(seen), EVERYWHERE)
    np.testing.assert_allclose(found, road(), atol=0.15)


def test_where_most_are_things_the_plane_stays() -> None:
    seen = np.random.default_rng(0).integers(-4, 15, (8, 12)).repeat(5, axis=0).repeat(5, axis=1)
    assert not smooth_surface(agreement_at(seen.astype(float)), EVERYWHERE).any()


@pytest.mark.parametrize("inside", [EVERYWHERE, ~EVERYWHERE])
def test_without_evidence_the_plane_stays(inside: np.ndarray) -> None:
    agreement = np.zeros((*SIZE, len(STEPS)), np.float32) if inside.all() else agreement_at(road())
    assert not smooth_surface(agreement, inside).any()


def test_cells_beyond_the_view_say_nothing() -> None:
    seen, inside = road(), EVERYWHERE.copy()
    seen[:, 45:], inside[:, 45:] = -3, False
    found = smooth_surface(agreement_at(seen), inside)
    np.testing.assert_allclose(found[:, :45], road()[:, :45], atol=0.15)


def test_least_cost_is_found_between_depths() -> None:
    true = np.linspace(0.0, 26.0, 50)
    cost = ((np.arange(len(STEPS)) - true[:, None]) ** 2).astype(np.float32)
    np.testing.assert_allclose(lowest(cost), true, atol=1e-3)
