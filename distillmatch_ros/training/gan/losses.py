"""The generators' losses; all images are float32 (B, C, H, W) in [0, 1]."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from kornia.filters import sobel
from kornia.losses import ssim_loss
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

# Differences below this value are squared, larger ones linear (smooth L1).
SMOOTH = 0.1
# Supervision compares block means over so many pixels, since pairs are aligned to a pixel or two.
BLOCK = 4
# Structured gradient alignment: patches along each side of an image; fraction of a source edge's strength
# that its translation must reach; gradient, in full scales per pixel, below which there is no edge.
PATCHES, FRACTION, FLOOR = 8, 0.8, 0.02
SSIM_WINDOW = 11


@dataclass(frozen=True)
class GanLossConfig:
    """Weights of the generators' loss.

    Attributes:
        adversarial: weight of the relativistic least-squares loss.
        cycle: weight of the smooth L1 distance between an image and its reconstruction.
        ssim: weight of 1 - SSIM of the same two.
        gradient: weight of the structured gradient alignment.
        variation: weight of the total variation of a translation.
        supervised: weight of the smooth L1 distance from the aligned image, if there is one.
    """

    adversarial: NonNegativeFloat
    cycle: NonNegativeFloat
    ssim: NonNegativeFloat
    gradient: NonNegativeFloat
    variation: NonNegativeFloat
    supervised: NonNegativeFloat


def relativistic(winners: Sequence[Tensor], losers: Sequence[Tensor]) -> Tensor:
    """Relativistic least squares: targets are 1 above the mean loser, and 1 below the mean winner.

    Args:
        winners: score maps (B, N); of real images for a discriminator, of translations for a generator.
        losers: score maps of the other images.
    """
    losses = [
        (winner - loser.mean() - 1).square().mean() + (loser - winner.mean() + 1).square().mean()
        for winner, loser in zip(winners, losers, strict=True)
    ]
    return torch.stack(losses).mean()


def cycle(image: Tensor, back: Tensor) -> Tensor:
    """Smooth L1 distance between an image and its reconstruction."""
    return F.smooth_l1_loss(back, image, beta=SMOOTH)


def dissimilarity(image: Tensor, back: Tensor) -> Tensor:
    """1 - SSIM; 0 for equal images."""
    return 2 * ssim_loss(back, image, SSIM_WINDOW)  # kornia's is (1 - SSIM) / 2


def variation(image: Tensor) -> Tensor:
    """Total variation: mean absolute difference of neighbours."""
    return image.diff(dim=2).abs().mean() + image.diff(dim=3).abs().mean()


def gradient_alignment(source: Tensor, translation: Tensor) -> Tensor:
    """Structured gradient alignment: penalises missing edges in a translation.

    Edges are compared patch by patch, relative to the strongest edge of the patch, so that low contrast in
    the translation is not penalised. PearlGAN draws one patch with edges at random; using all of them costs
    the same here and has less noise.

    Returns:
        Mean over the patches with a source edge: 0 if the translation has all edges, at most ``FRACTION``.
    """
    edges, found = (_patches(sobel(image.mean(dim=1, keepdim=True))) for image in (source, translation))
    strongest = edges.amax(dim=1, keepdim=True)
    edges = edges / strongest.clamp(min=FLOOR)
    edges = edges * (edges > 0.25)  # without weak gradients near the edge
    found = found / found.amax(dim=1, keepdim=True).clamp(min=FLOOR)
    missing = F.relu(FRACTION * edges - found).sum(dim=1) / (edges.sum(dim=1) + 1)
    holds_edge = strongest[:, 0] > 2 * FLOOR
    return (missing * holds_edge).sum() / holds_edge.sum().clamp(min=1)


def _patches(image: Tensor) -> Tensor:
    """(B, 1, H, W), H and W multiples of 8 -> (B * 64, pixels of a patch)."""
    size = [side // PATCHES for side in image.shape[2:]]
    patches = image.unflatten(3, (PATCHES, size[1])).unflatten(2, (PATCHES, size[0]))
    flat: Tensor = patches.permute(0, 1, 2, 4, 3, 5).flatten(0, 3).flatten(1)
    return flat


def supervision(translation: Tensor, truth: Tensor, aligned: Tensor) -> Tensor:
    """Smooth L1 distance of block means from the aligned image; ``aligned`` is bool (B,)."""
    apart = F.smooth_l1_loss(
        F.avg_pool2d(translation, BLOCK), F.avg_pool2d(truth, BLOCK), reduction="none", beta=SMOOTH
    )
    return (apart.mean(dim=(1, 2, 3)) * aligned).sum() / aligned.sum().clamp(min=1)
