"""Ground-truth matches of a pair with a known homography."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from distillmatch_ros.model.fine import HALF_WINDOW
from distillmatch_ros.model.network import COARSE_CELL, FINE_CELL, grid_points
from distillmatch_ros.training.views import TrueMapping


class Cells(NamedTuple):
    """Matching cells of the 1/8 grids, P of them in the whole batch.

    Attributes:
        pair: int64 (P,) index of the pair in the batch.
        visible: int64 (P,) index into the flattened grid.
        thermal: int64 (P,) index into the flattened grid.
    """

    pair: Tensor
    visible: Tensor
    thermal: Tensor


def _nearest_cells(
    mapping: Callable[[Tensor], Tensor], batch: int, grid: tuple[int, int], device: torch.device
) -> Tensor:
    """For each cell of one image the nearest cell of the other, int64 (B, N), -1 if it is outside."""
    rows, columns = grid
    cells = grid_points(torch.arange(rows * columns, device=device), columns)
    mapped = mapping((cells * COARSE_CELL).expand(batch, -1, -1)) / COARSE_CELL
    nearest = mapped.nan_to_num(-1).clamp(-1, max(grid)).round().long()
    inside = (nearest >= 0).all(dim=2) & (nearest[..., 0] < columns) & (nearest[..., 1] < rows)
    return torch.where(inside, nearest[..., 1] * columns + nearest[..., 0], -1)


def coarse_cells(mapping: TrueMapping, visible_mask: Tensor, thermal_mask: Tensor) -> Cells:
    """Cells that are mutual nearest neighbours and show the scene.

    Args:
        mapping: maps of B pairs.
        visible_mask: (B, 1, H, W), 0 where the image is outside the stored one.
        thermal_mask: (B, 1, H, W), likewise.
    """
    visible_shown, thermal_shown = (
        mask[..., ::COARSE_CELL, ::COARSE_CELL].flatten(1) > 0.5 for mask in (visible_mask, thermal_mask)
    )
    grid = (visible_mask.shape[2] // COARSE_CELL, visible_mask.shape[3] // COARSE_CELL)
    batch, device = len(visible_mask), visible_mask.device
    to_visible = _nearest_cells(mapping.to_visible, batch, grid, device)
    to_thermal = _nearest_cells(mapping.to_thermal, batch, grid, device)
    back = to_thermal.gather(1, to_visible.clamp(min=0))
    own = torch.arange(back.shape[1], device=back.device)
    positive = (to_visible >= 0) & (back == own) & thermal_shown
    positive &= visible_shown.gather(1, to_visible.clamp(min=0))
    pair, thermal = positive.nonzero(as_tuple=True)
    return Cells(pair, to_visible[pair, thermal], thermal)


def fine_pixels(mapping: TrueMapping, visible_cells: Tensor, thermal_cells: Tensor, columns: int) -> Tensor:
    """Pixels of the fine windows that are mutual nearest neighbours.

    Args:
        mapping: maps of B pairs.
        visible_cells: int64 (B, K).
        thermal_cells: int64 (B, K).
        columns: columns of the 1/8 grid.

    Returns:
        bool (B, K, 25, 25), visible by thermal.
    """
    window = grid_points(torch.arange(HALF_WINDOW**2, device=visible_cells.device), HALF_WINDOW)
    window = (window - HALF_WINDOW // 2) * FINE_CELL

    def points(cells: Tensor) -> Tensor:
        return (grid_points(cells, columns) * COARSE_CELL)[:, :, None] + window

    visible, thermal = points(visible_cells), points(thermal_cells)
    mapped = mapping.to_visible(thermal.flatten(1, 2)).view_as(thermal)
    distance = torch.cdist(visible, mapped)
    nearest_thermal = distance == distance.amin(dim=3, keepdim=True)
    nearest_visible = distance == distance.amin(dim=2, keepdim=True)
    return nearest_thermal & nearest_visible & (distance < FINE_CELL)
