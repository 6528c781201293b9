"""The smooth surface that most of a scene lies on, by how edges agree at each depth of a sweep.

A road with its houses, a hall, a valley: what is shown bends away from any one plane by some pixels, over
large parts without an edge. A surface of second degree follows it. It stands in for the plane where most of
the evidence lies on it, which it does not among things on a table.
"""

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.sweep import FARTHER

_REACH = 5  # steps from the plane, beyond which there are things, not the surface
_CLEARLY = 2.5  # steps from the best depth, from which on others may say as much
_SOFT, _NEARBY = 1.0, 0.75  # steps from the surface: at which evidence counts a quarter; that are explained
_MOST = 0.5  # of the evidence, which the surface has to explain
_FLAT = 0.0005  # what the plane counts for each number of the surface, of all evidence
_ROUNDS = 8
_EVERY = 2  # cells between those that are asked: there are six numbers to find


def smooth_surface(agreement: Float32, inside: NDArray[np.bool_]) -> Float32:
    """The surface that most edges lie on, as steps of a `Sweep`; 0, the plane, if there is none.

    Args:
        agreement: float32 (rows, columns, depths): how edges around each cell agree at each depth.
        inside: (rows, columns), the cells that the thermal camera sees.

    Returns:
        float32 (rows, columns).
    """
    y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in inside.shape), indexing="ij")
    all_terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    some = slice(None, None, _EVERY), slice(None, None, _EVERY)
    terms, agreement = all_terms[some].reshape(-1, 6), agreement[some].reshape(-1, agreement.shape[-1])
    steps, best = np.arange(agreement.shape[-1]) - FARTHER, lowest(-agreement) - FARTHER
    others = np.where(np.abs(steps - best[:, None]) > _CLEARLY, agreement, -1).max(axis=-1)
    evidence = np.where(inside[some].ravel(), np.maximum(agreement.max(axis=-1) - others, 0), 0)
    flat = (_FLAT * evidence.sum() + 1e-9) * np.eye(6)
    usable, numbers = np.where(np.abs(best) <= _REACH, evidence, 0), np.zeros(6)
    for _ in range(_ROUNDS):  # iteratively reweighted least squares, of Geman and McClure's cost
        weighted = terms.T * (usable / (1 + ((best - terms @ numbers) / _SOFT) ** 2) ** 2)
        numbers = np.linalg.solve(weighted @ terms + flat, weighted @ best)
    explained = evidence[np.abs(best - terms @ numbers) <= _NEARBY].sum()
    if explained <= _MOST * evidence.sum():
        numbers[:] = 0
    return np.asarray(all_terms @ numbers, np.float32)


def lowest(cost: Float32) -> Float32:
    """Indices of least cost along the last axis, with a fraction, by a parabola through the neighbours."""
    best = cost.argmin(axis=-1)
    inner = np.clip(best, 1, cost.shape[-1] - 2)
    before, here, after = (np.take_along_axis(cost, (inner + o)[..., None], -1)[..., 0] for o in (-1, 0, 1))
    fraction = 0.5 * (before - after) / (before - 2 * here + after + 1e-9)
    return np.asarray(np.where(best == inner, inner + np.clip(fraction, -0.5, 0.5), best), np.float32)
