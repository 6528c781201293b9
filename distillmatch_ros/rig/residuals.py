"""What a mapping leaves between edges, over the image: the mean shift that is left in each cell."""

from collections.abc import Callable, Sequence

import numpy as np

from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.rig.edges import edge_matches
from distillmatch_ros.rig.learning import Observation

GRID = (6, 8)
"""Rows and columns of the cells of the thermal image."""

_LEAST = 3  # blocks of edges in a cell


def residuals(pairs: Sequence[Observation], mapping_of: Callable[[Observation], ImageMapping]) -> Float64:
    """Shifts that are left between blocks of edges.

    Args:
        pairs: pairs with their images.
        mapping_of: the mapping of a pair.

    Returns:
        float64 (N, 4): x and y of a block in the thermal image, and its shift in the visible one, reference
        pixels.
    """
    rows = []
    for pair in pairs:
        mapping = mapping_of(pair)
        edges = edge_matches(pair.visible, pair.thermal, mapping)
        shifts = (
            (edges.visible - mapping.to_visible(edges.thermal)) * REFERENCE_WIDTH / mapping.visible_size[1]
        )
        rows.append(np.column_stack([edges.thermal, shifts])[np.isfinite(shifts).all(axis=1)])
    return np.concatenate([np.zeros((0, 4)), *rows])


def in_cells(shifts: Float64, size: Size) -> Float64:
    """Median of the shifts in each cell of the thermal image that has some, as `residuals` gives them."""
    columns, rows = ((shifts[:, :2] + 0.5) / size[::-1] * GRID[::-1]).astype(int).T
    found = []
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            inside = (rows == row) & (columns == column)
            if inside.sum() >= _LEAST:
                found.append(np.median(shifts[inside], axis=0))
    return np.array(found, np.float64).reshape(-1, 4)


def coverage(points: Sequence[Float64], size: Size) -> Float64:
    """Mean number of matches of a pair in each cell of `GRID`; of each pair thermal pixels, (N, 2)."""
    counts = np.zeros(GRID)
    for each in points:
        columns, rows = ((each + 0.5) / size[::-1] * GRID[::-1]).astype(int).T
        np.add.at(counts, (np.clip(rows, 0, GRID[0] - 1), np.clip(columns, 0, GRID[1] - 1)), 1)
    return counts / max(len(points), 1)
