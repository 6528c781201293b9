"""Sub-pixel refinement: an offset in both images for the best pair of a fine window (paper, SRM)."""

import torch
from torch import Tensor, nn


class SubPixelRefinement(nn.Module):
    """Regresses the offsets of the true point from the two descriptors that matched best."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.perceptron = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, 4))

    def forward(self, visible: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors, two (..., C) -> float32 offsets (..., 2) in the visible and in the thermal image.

        The unit is a cell of the 1/2 grid (two network pixels); offsets are within half a cell.
        """
        offsets = 0.5 * self.perceptron(torch.cat([visible, thermal], dim=-1)).float().tanh()
        return offsets[..., :2], offsets[..., 2:]
