"""A scene of which the thermal camera sees little, and matches that bend its homography beside that."""

import numpy as np
from support.scripted_engine import scene_pair

TRUTH = np.array([[2.0, 0.06, 150.0], [-0.06, 2.0, 20.0], [0, 0, 1.0]])
WARM = slice(60, 170)
"""Columns of the thermal image that show anything, as at night."""


def _bend(amount: float) -> np.ndarray:
    """A perspective of the visible image about its middle."""
    middle = np.array([[1, 0, -480], [0, 1, -270], [0, 0, 1.0]])
    return np.linalg.inv(middle) @ np.array([[1, 0, 0], [0, 1, 0], [amount, 0, 1.0]]) @ middle


BENT = _bend(2e-4) @ TRUTH
"""What matches may say that are wrong where the thermal image shows nothing."""


def sparse_pair() -> tuple[np.ndarray, np.ndarray]:
    """A pair whose thermal image shows things in a part of it alone."""
    visible, thermal = scene_pair(TRUTH)
    cold = np.full_like(thermal, thermal.mean())
    cold[:, WARM] = thermal[:, WARM]
    return visible, cold
