"""Texture backbone: a ResNet shared by both modalities (paper, texture features)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut connection.

    Instance instead of batch normalisation: it removes contrast, which differs between modalities and
    cameras, and training does not depend on the batch size.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.InstanceNorm2d(outputs, affine=True)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.InstanceNorm2d(outputs, affine=True)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.InstanceNorm2d(outputs, affine=True)
            )
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h/stride, w/stride)."""
        residual = F.relu(self.first_norm(self.first(features)))
        residual = self.second_norm(self.second(residual))
        return F.relu(self.shortcut(features) + residual)


class TextureBackbone(nn.Module):
    """Feature maps at 1/2, 1/4 and 1/8 resolution.

    All kernels are odd and all strides 2, so that cell (i, j) of the 1/s grid is centred on network pixel
    (s*i, s*j), as the matching stages require.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(2, widths[0], 7, stride=2, padding=3, bias=False),
            nn.InstanceNorm2d(widths[0], affine=True),
            nn.ReLU(),
            *(ResidualBlock(widths[0], widths[0]) for _ in range(blocks[0])),
        )
        self.quarter = self._stage(widths[0], widths[1], blocks[1])
        self.eighth = self._stage(widths[1], widths[2], blocks[2])

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
        rest = (ResidualBlock(outputs, outputs) for _ in range(blocks - 1))
        return nn.Sequential(ResidualBlock(inputs, outputs, stride=2), *rest)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 2, H, W) -> features (B, C, H/2, W/2), (B, C', H/4, W/4), (B, C'', H/8, W/8)."""
        half = self.stem(image)
        quarter = self.quarter(half)
        return half, quarter, self.eighth(quarter)
