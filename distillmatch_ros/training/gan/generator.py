"""Generator similar to PearlGAN's: encoder, aggregation of semantic features (STFA), decoder."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.backbone import ResidualBlock
from distillmatch_ros.model.stfa import FeatureAggregation
from distillmatch_ros.training.gan.config import GeneratorConfig


def _scaled(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ReLU(),
    )


class Generator(nn.Module):
    """Translates images of one modality into the other.

    A skip connection leads from the image to the last two layers (3x3): edges that bypass the 1/4 grid and
    the 7x7 kernels are sharp from the first steps on, which matters in short training. The decoder uses
    resizing and convolution instead of transposed convolutions, whose checkerboard artefacts a matcher would
    learn.
    """

    def __init__(self, inputs: int, outputs: int, semantic_width: int, config: GeneratorConfig) -> None:
        super().__init__()
        width = config.width
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, width, 7, padding=3, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
        )
        self.encoder = nn.Sequential(
            _scaled(width, 2 * width, 2),
            _scaled(2 * width, 4 * width, 2),
            *(ResidualBlock(4 * width, 4 * width) for _ in range(config.encoder_blocks)),
        )
        self.aggregation = FeatureAggregation(semantic_width, 4 * width, config.heads, config.stride)
        self.decoder = nn.Sequential(
            *(ResidualBlock(4 * width, 4 * width) for _ in range(config.decoder_blocks)),
            nn.Upsample(scale_factor=2),
            _scaled(4 * width, 2 * width, 1),
            nn.Upsample(scale_factor=2),
            _scaled(2 * width, width, 1),
        )
        self.output = nn.Sequential(
            nn.Conv2d(width + inputs, width, 3, padding=1, padding_mode="reflect"),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, outputs, 3, padding=1, padding_mode="reflect"),
        )

    def forward(self, image: Tensor, semantic: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            image: float32 (B, inputs, H, W) in [0, 1]; H and W multiples of 8, since the semantic grid of
                STFA is half of the 1/4 grid.
            semantic: float32 (B, S, h, w), semantic features of the image, on any grid.

        Returns:
            float32 (B, outputs, H, W) in [0, 1].
        """
        centred = 2 * image - 1
        features = self.encoder(self.stem(centred))
        grid = [side // 2 for side in features.shape[2:]]
        semantic = F.interpolate(semantic, size=grid, mode="bilinear")
        decoded = self.decoder(self.aggregation(semantic, features))
        return torch.sigmoid(self.output(torch.cat([centred, decoded], dim=1)).float())
