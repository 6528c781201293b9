"""The trunk of EfficientNet-Lite0: inverted residuals, pretrained on ImageNet.

Pretraining provides knowledge of objects that the few visible-thermal pairs cannot.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Kernel, first stride, expansion, outputs and blocks of each stage: first the stages to 1/8 of the trunk's
# input, then those to 1/16.
FINE = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2))
COARSE = ((3, 2, 6, 80, 3), (5, 1, 6, 112, 3))
STEM = 32


class InvertedResidual(nn.Module):
    """1x1 expansion, depth-wise convolution, 1x1 projection without activation.

    The batch normalisation of pretraining is folded into the convolutions: it costs nothing, and training and
    inference do not differ.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.expand = nn.Conv2d(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, kernel, stride, padding=kernel // 2, groups=inner)
        self.project = nn.Conv2d(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h/stride, w/stride)."""
        inner = features if self.expand is None else F.relu6(self.expand(features))
        projected: Tensor = self.project(F.relu6(self.depthwise(inner)))
        return features + projected if self.residual else projected


def _stages(inputs: int, stages: Sequence[tuple[int, int, int, int, int]]) -> nn.Sequential:
    blocks = []
    for kernel, stride, expansion, outputs, count in stages:
        for index in range(count):
            blocks.append(InvertedResidual(inputs, outputs, kernel, stride if index == 0 else 1, expansion))
            inputs = outputs
    return nn.Sequential(*blocks)


class PretrainedTrunk(nn.Module):
    """Features of a pretrained trunk on the student's 1/16 grid.

    Its input is the image at half size: its 1/8 grid is the student's 1/16 grid, at a quarter of the cost.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        fine, coarse = FINE[-1][3], COARSE[-1][3]
        self.stem = nn.Conv2d(2, STEM, 3, stride=2, padding=1)
        self.fine = _stages(STEM, FINE)
        self.coarse = _stages(fine, COARSE)
        self.fine_projection = nn.Conv2d(fine, outputs, 1)
        self.coarse_projection = nn.Conv2d(coarse, outputs, 1)
        # Projections start at zero: a network trained without the trunk is unchanged at first.
        for projection in (self.fine_projection, self.coarse_projection):
            for parameter in projection.parameters():
                nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 2, H, W) -> (B, outputs, H/16, W/16)."""
        if self.training:
            # On a CPU, gradients of depth-wise convolutions take twice as long in bfloat16.
            with torch.autocast(image.device.type, enabled=False):
                return self._features(image.float())
        return self._features(image)

    def _features(self, image: Tensor) -> Tensor:
        fine = self.fine(F.relu6(self.stem(F.avg_pool2d(image, 2))))
        context = self.coarse_projection(self.coarse(fine))
        context = F.interpolate(context, size=fine.shape[-2:], mode="bilinear")
        prior: Tensor = self.fine_projection(fine) + context
        return prior
