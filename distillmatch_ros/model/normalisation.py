"""Normalisation of grey values: global and local contrast."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Local deviations below 1.5 % of full scale are treated as sensor noise and not amplified.
NOISE_FLOOR = 0.015
WINDOW = 8


class InputNormalisation(nn.Module):
    """Two channels from a grey image: standardised as a whole, and relative to the local contrast.

    In thermal images one hot person, at night one lamp, may take up most of the value range; the second
    channel keeps the rest of the scene visible to the network.
    """

    def forward(self, image: Tensor) -> Tensor:
        """float32 (B, 1, H, W) in [0, 1] -> float32 (B, 2, H, W)."""
        # Subtracting the mean first avoids cancellation in the variance.
        centred = image - image.mean(dim=(2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(2, 3), keepdim=True).add(NOISE_FLOOR**2).sqrt()
        moments = F.avg_pool2d(torch.cat([centred, centred.square()], dim=1), WINDOW)
        moments = F.avg_pool2d(moments, 3, stride=1, padding=1, count_include_pad=False)
        local_mean, local_square = F.interpolate(moments, scale_factor=WINDOW, mode="bilinear").chunk(
            2, dim=1
        )
        local_variance = (local_square - local_mean.square()).clamp(min=0)
        local = (centred - local_mean) / (local_variance + NOISE_FLOOR**2).sqrt()
        return torch.cat([centred / deviation, local], dim=1)
