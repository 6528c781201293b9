"""Quality of translations: KID, histogram and edge distances, SSIM."""

from collections.abc import Callable
from pathlib import Path

import torch
from kornia.filters import gaussian_blur2d, spatial_gradient
from kornia.metrics import ssim
from torch import Tensor
from torch.nn import functional as F

from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.gan.figures import COLUMNS, LEGEND, Measured, TranslationFigures
from distillmatch_ros.training.gan.losses import SSIM_WINDOW
from distillmatch_ros.training.gan.semantics import Semantics
from distillmatch_ros.training.gan.translation import Translator
from distillmatch_ros.training.photometric import cosine_curve, pseudo_thermal
from distillmatch_ros.training.sources import load_pairs

__all__ = ["COLUMNS", "LEGEND", "Measured", "TranslationFigures", "measure"]

# Maps RGB float32 (1, 3, H, W) in [0, 1] to thermal float32 (1, 1, H, W) in [0, 1].
Method = Callable[[Draw, Tensor], Tensor]

REAL = "real thermal"
# Fraction of an image's pixels that count as edges: those with the steepest gradient.
EDGES = 0.1
# Gradient, in full scales per pixel, whose agreement counts half.
FAINT = 0.01
# Parts of an image along each side; each part is one sample of KID.
PARTS = 2
# Number of quantiles that represent the histogram of an image.
QUANTILES = 256


@torch.inference_mode()
def measure(weights: Path, folder: Path, seed: int = 0) -> Measured:
    """Evaluate a translation on an aligned pairs folder, compared with grey images and random tone curves.

    Raises:
        DistillMatchError: the weights or an image cannot be read.
    """
    translator, pairs = Translator.load(weights), load_pairs(folder)
    methods: dict[str, Method] = {
        "grey": lambda draw, visible: visible.mean(dim=1, keepdim=True),
        "cosine curve": lambda draw, visible: cosine_curve(draw, visible.mean(dim=1, keepdim=True)),
        "random curves": pseudo_thermal,
        "V2I-GAN": lambda draw, visible: translator(visible),
    }
    tallies = {name: _Tally() for name in (*methods, REAL)}
    for index, (colours, heat) in enumerate(zip(pairs.colours.split(1), pairs.thermal.split(1), strict=True)):
        visible, thermal = colours.float() / 255, heat.float() / 255
        draw = Draw(1, (seed, index), visible.device)
        for name, method in methods.items():
            tallies[name].add(method(draw, visible), visible, thermal, translator.semantics)
        tallies[REAL].add(thermal, visible, thermal, translator.semantics)
    real = tallies[REAL]
    figures = [tally.figures(name, None if tally is real else real) for name, tally in tallies.items()]
    return Measured(str(folder), len(pairs.colours), translator.steps, figures)


class _Tally:
    """Collects the measurements of one method."""

    def __init__(self) -> None:
        self.measured: list[tuple[float, float, float, float]] = []
        self.features: list[Tensor] = []

    def add(self, image: Tensor, visible: Tensor, thermal: Tensor, semantics: Semantics) -> None:
        """Measure an image (1, 1, H, W) against the visible and the thermal image of its pair."""
        self.measured.append(
            (
                edge_agreement(visible.mean(dim=1, keepdim=True), image),
                edge_agreement(thermal, image),
                histogram_distance(image, thermal),
                float(ssim(image, thermal, SSIM_WINDOW).mean()),
            )
        )
        parts = F.adaptive_avg_pool2d(semantics(image), PARTS)
        self.features.append(parts[0].flatten(1).transpose(0, 1))

    def figures(self, method: str, real: "_Tally | None") -> TranslationFigures:
        """The means, and KID between the features of this method and of the real thermal images."""
        visible_edges, thermal_edges, histogram, similarity = torch.tensor(self.measured).mean(dim=0).tolist()
        kid = None if real is None else kernel_distance(torch.cat(self.features), torch.cat(real.features))
        return TranslationFigures(method, visible_edges, thermal_edges, histogram, similarity, kid)


def edge_agreement(source: Tensor, image: Tensor) -> float:
    """Squared cosine between the gradients of two (1, 1, H, W) images on the source's strongest edges.

    Normalised gradient fields (Haber and Modersitzki 2006): invariant to sign and strength, except that
    gradients below the noise count as none.
    """
    there, here = (
        spatial_gradient(gaussian_blur2d(picture, 7, (1.0, 1.0)))[0, 0] for picture in (source, image)
    )
    power_there, power_here = there.square().sum(dim=0), here.square().sum(dim=0)
    edges = power_there >= power_there.flatten().quantile(1 - EDGES)
    product = (there * here).sum(dim=0).square()
    agreement = product / (power_there * (power_here + FAINT**2)).clamp(min=1e-12)
    return float(agreement[edges].mean())


def histogram_distance(image: Tensor, thermal: Tensor) -> float:
    """Earth mover's distance between the grey values of two images in [0, 1], grey levels of 255."""
    shares = torch.linspace(0, 1, QUANTILES)
    first, second = (picture.flatten().quantile(shares) for picture in (image, thermal))
    return float(255 * (first - second).abs().mean())


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """KID: squared maximum mean discrepancy of features (N, C) and (M, C), cubic kernel, unbiased."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.transpose(0, 1) / x.shape[1] + 1) ** 3

    def without_itself(x: Tensor) -> Tensor:
        values = kernel(x, x)
        return (values.sum() - values.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(without_itself(first) + without_itself(second) - 2 * kernel(first, second).mean())
