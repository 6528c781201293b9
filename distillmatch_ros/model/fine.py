"""Fine matching and sub-pixel refinement (paper, FMM and SRM).

The windows around each coarse match are 1x1 at 1/8, 3x3 at 1/4 and 5x5 at 1/2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from distillmatch_ros.model.attention import TransformerLayer, partner

HALF_WINDOW, QUARTER_WINDOW = 5, 3
# One head: on a CPU splitting the few channels of these small windows costs more than it gains.
HEADS = 1


def window_index(cells: Tensor, columns: int, ratio: int, window: int, size: tuple[int, int]) -> Tensor:
    """Indices of the pixels of windows around coarse cells in a finer feature map.

    Args:
        cells: int64 (B, K) index into the flattened 1/8 grid with ``columns`` columns.
        columns: columns of the 1/8 grid.
        ratio: resolution of the feature map relative to the 1/8 grid.
        window: side of the window, odd.
        size: rows and columns of the feature map; windows are clamped to it.

    Returns:
        int64 (B, K, window^2) index into the flattened feature map.
    """
    offsets = torch.arange(window, device=cells.device) - window // 2
    rows = (torch.div(cells, columns, rounding_mode="floor")[..., None] * ratio + offsets).clamp(
        0, size[0] - 1
    )
    cols = ((cells % columns)[..., None] * ratio + offsets).clamp(0, size[1] - 1)
    return (rows[..., :, None] * size[1] + cols[..., None, :]).flatten(2)


def gather_windows(features: Tensor, index: Tensor) -> Tensor:
    """Gather features (B, C, h, w) at indices int64 (B, K, P); returns (B, K, P, C)."""
    batch, channels, rows, columns = features.shape
    flat = features.permute(0, 2, 3, 1).reshape(-1, channels)
    first = torch.arange(batch, device=index.device)[:, None, None] * (rows * columns)
    return flat[index + first]


def quarter_to_half() -> Tensor:
    """Bilinear weights (25, 9) from the 3x3 window at 1/4 to the 5x5 window at 1/2; both span 8 pixels."""
    line = torch.tensor([[2, 0, 0], [1, 1, 0], [0, 2, 0], [0, 1, 1], [0, 0, 2]]) / 2
    return torch.kron(line, line)


class FineMatching(nn.Module):
    """Descriptors of every pixel of the 5x5 windows of both images, by attention between the windows."""

    upsampling: Tensor

    def __init__(self, texture_widths: Sequence[int], fine_widths: Sequence[int]) -> None:
        super().__init__()
        context_width, width = fine_widths
        self.coarse_projection = nn.Linear(texture_widths[2], context_width)
        self.quarter_projection = nn.Linear(texture_widths[1], context_width)
        # Position encoding within the window: without it attention would ignore the order of the tokens.
        self.token_position = nn.Parameter(0.2 * torch.randn(QUARTER_WINDOW**2 + 1, context_width))
        self.pixel_position = nn.Parameter(0.2 * torch.randn(HALF_WINDOW**2, width))
        self.self_layer = TransformerLayer(context_width, HEADS)
        self.cross_layer = TransformerLayer(context_width, HEADS)
        self.half_projection = nn.Linear(texture_widths[0], width)
        self.context_projection = nn.Linear(context_width, width)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.norm = nn.LayerNorm(width)
        self.register_buffer("upsampling", quarter_to_half(), persistent=False)

    def forward(self, half: Tensor, quarter: Tensor, coarse: Tensor, cells: Tensor) -> Tensor:
        """Descriptors of the windows around matched cells.

        Args:
            half: features (2B, C, H/2, W/2), visible images first.
            quarter: features (2B, C, H/4, W/4).
            coarse: features (2B, C, H/8, W/8).
            cells: int64 (2B, K) index into the flattened 1/8 grid; row b matches row b + B.

        Returns:
            (2B, K, 25, C), the windows row by row.
        """
        windows, context = self._windows(half, quarter, coarse, cells)
        context = self.self_layer(context + self.token_position)
        context = self.cross_layer(context, partner(context))
        around = self.upsampling.to(context.dtype) @ context[:, : QUARTER_WINDOW**2]
        context = self.context_projection(around + context[:, QUARTER_WINDOW**2 :])
        tokens = self.half_projection(windows) + context + self.pixel_position
        described: Tensor = self.norm(tokens + self.perceptron(tokens)).unflatten(0, cells.shape)
        return described

    def _windows(self, half: Tensor, quarter: Tensor, coarse: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Features (2B*K, 25, C) at 1/2 and tokens (2B*K, 10, C') of 1/4 and 1/8 around cells (2B, K)."""
        columns = coarse.shape[3]
        half_index = window_index(cells, columns, 4, HALF_WINDOW, (half.shape[2], half.shape[3]))
        quarter_index = window_index(cells, columns, 2, QUARTER_WINDOW, (quarter.shape[2], quarter.shape[3]))
        tokens = torch.cat(
            [
                self.quarter_projection(gather_windows(quarter, quarter_index)),
                self.coarse_projection(gather_windows(coarse, cells[..., None])),
            ],
            dim=2,
        )
        return gather_windows(half, half_index).flatten(0, 1), tokens.flatten(0, 1)


class SubPixelRefinement(nn.Module):
    """Offsets in both images for the best pair of a fine window, regressed from its two descriptors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.perceptron = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, 4))

    def forward(self, visible: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors, two (..., C) -> float32 offsets (..., 2) in the visible and in the thermal image.

        The unit is a cell of the 1/2 grid (two network pixels); offsets are within half a cell.
        """
        offsets = 0.5 * self.perceptron(torch.cat([visible, thermal], dim=-1)).float().tanh()
        return offsets[..., :2], offsets[..., 2:]
