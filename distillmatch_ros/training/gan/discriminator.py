"""Small patch discriminators, on colour, grey values and gradients (PearlGAN), and what they are shown."""

from itertools import pairwise

import torch
from kornia.filters import gaussian_blur2d, sobel
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from distillmatch_ros.training.draw import Draw

# Standard deviation of the blur that removes texture from the colours, pixels.
BLUR = 2.0


class PatchDiscriminator(nn.Module):
    """PatchGAN with spectral normalisation: a score for every patch of 46 px, one per 8 px."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        widths = [inputs, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, 2, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 4, padding=1)))

    def forward(self, image: Tensor) -> Tensor:
        """(B, inputs, H, W) -> scores (B, N)."""
        scores: Tensor = self.layers(image).flatten(1)
        return scores


class Discriminator(nn.Module):
    """Discriminators of one modality: on blurred colours, grey values and gradients."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.colour = PatchDiscriminator(channels, width)
        self.grey = PatchDiscriminator(1, width)
        self.gradient = PatchDiscriminator(1, width)

    def forward(self, image: Tensor) -> list[Tensor]:
        """float32 (B, channels, H, W) in [0, 1] -> three score maps (B, N)."""
        grey = image.mean(dim=1, keepdim=True)
        blurred = gaussian_blur2d(image, 9, (BLUR, BLUR))
        return [
            self.colour(2 * blurred - 1),
            self.grey(2 * grey - 1),
            self.gradient(torch.log1p(20 * sobel(grey))),  # logarithm, since most edges are weak
        ]


class Discriminators(nn.Module):
    """One discriminator for each modality."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.visible = Discriminator(3, width)
        self.thermal = Discriminator(1, width)


class Pool:
    """Past translations of one modality for the discriminators, replaced at random.

    Attributes:
        images: float32 (N, C, H, W), N at most ``size``.
    """

    def __init__(self, size: int, channels: int, view: tuple[int, int], device: torch.device) -> None:
        self.size = size
        self.images = torch.empty(0, channels, *view, device=device)

    def exchange(self, draw: Draw, fresh: Tensor) -> Tensor:
        """Exchange translations (B, C, H, W) with the pool; returns as many.

        While the pool fills, they are returned unchanged; then each is exchanged for an earlier one with
        probability 1/2.
        """
        room = self.size - len(self.images)
        kept = fresh[: max(0, room)]
        self.images = torch.cat([self.images, kept])
        out = fresh.clone()
        swapped = draw.chance(0.5).flatten()
        places = draw.index(max(1, len(self.images)), len(fresh))
        for index in range(len(kept), len(fresh)):
            if self.size and swapped[index]:
                place = places[index]
                out[index], self.images[place] = self.images[place].clone(), fresh[index]
        return out
