"""Photometric augmentation: pseudo-thermal images from photos, and simulated camera faults.

All functions take and return float32 images (B, C, H, W) in [0, 1] and draw parameters for each image.
"""

import math

import torch
from kornia.filters import box_blur, gaussian_blur2d
from torch import Tensor
from torch.nn import functional as F

from distillmatch_ros.training.draw import Draw


def to_range(image: Tensor) -> Tensor:
    """Stretch the values of every image to [0, 1]."""
    low, high = image.amin(dim=(1, 2, 3), keepdim=True), image.amax(dim=(1, 2, 3), keepdim=True)
    return (image - low) / (high - low).clamp(min=1e-3)


def smooth_field(draw: Draw, like: Tensor, cells: int) -> Tensor:
    """A smooth random field in [0, 1], (B, 1, H, W), with features of 1/``cells`` of the image."""
    field = F.interpolate(draw.normal(1, cells, cells), like.shape[2:], mode="bicubic", align_corners=True)
    return (0.5 + 0.7 * field).clamp(0, 1)


def random_grey(draw: Draw, rgb: Tensor) -> Tensor:
    """Random mixture of the colour channels, so that colours of equal brightness differ; (B, 1, H, W)."""
    weights = draw.uniform(0, 1, 3, 1, 1) ** 2 + 0.05
    return (rgb * weights).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True)


def cosine_curve(draw: Draw, grey: Tensor) -> Tensor:
    """XoFTR's pseudo-thermal transform (arXiv 2404.09692): brightness folded by a random cosine."""
    frequency = 2 * math.pi / 3 + draw.normal().abs() * (math.pi / 2)
    phase = math.pi / 2 + draw.normal() * (math.pi / 2)
    return to_range(torch.cos(frequency * (grey - 0.5) + phase))


def tone_curve(draw: Draw, grey: Tensor, knots: int = 7) -> Tensor:
    """Random piecewise linear tone curve, not necessarily monotone."""
    values = draw.uniform(0, 1, knots)
    position = grey.clamp(0, 1) * (knots - 1)
    left = position.floor().clamp(max=knots - 2)
    index = left.long().flatten(1)
    low, high = values.gather(1, index), values.gather(1, index + 1)
    return to_range((low + (high - low) * (position - left).flatten(1)).view_as(grey))


def linear_curve(draw: Draw, grey: Tensor) -> Tensor:
    """The grey image or its negative, with a random gamma."""
    sign = draw.chance(0.5)
    return torch.where(sign, 1 - grey, grey).clamp(min=1e-4) ** draw.uniform(-0.8, 0.8).exp()


def flatten_texture(draw: Draw, grey: Tensor, radius: int = 4) -> Tensor:
    """Self-guided filter: removes fine texture and keeps edges, as for a material of one temperature."""

    def mean(x: Tensor) -> Tensor:
        return box_blur(x, 2 * radius + 1, separable=True)

    centre = mean(grey)
    variance = (mean(grey.square()) - centre.square()).clamp(min=0)
    gain = variance / (variance + draw.uniform(0.01, 0.12).square())
    flat = mean(gain) * grey + mean(centre - gain * centre)
    return grey + (flat - grey) * draw.uniform(0, 1)


def pseudo_thermal(draw: Draw, rgb: Tensor) -> Tensor:
    """Pseudo-thermal image from a visible one; (B, 3, H, W) -> (B, 1, H, W).

    Two random tone curves of two random grey mixtures are blended over the image, since brightness and
    temperature are related differently in different places. Edges keep their positions.
    """

    def curve() -> Tensor:
        grey = random_grey(draw, rgb)
        choice = draw.uniform(0, 3).floor()
        remapped = torch.where(choice < 1, cosine_curve(draw, grey), tone_curve(draw, grey))
        return torch.where(choice < 2, remapped, linear_curve(draw, grey))

    turn = smooth_field(draw, rgb, 4) * draw.chance(0.5)
    return to_range(flatten_texture(draw, curve() * (1 - turn) + curve() * turn))


def blobs(draw: Draw, like: Tensor, count: int = 5) -> Tensor:
    """Up to ``count`` soft spots (people, engines, lamps), (B, 1, H, W) in [0, 1]."""
    rows = torch.linspace(0, 1, like.shape[2], device=like.device)[:, None]
    columns = torch.linspace(0, 1, like.shape[3], device=like.device)
    image = torch.zeros_like(like[:, :1])
    for _ in range(count):
        y = (rows - draw.uniform(0, 1)) / draw.uniform(0.01, 0.12)
        x = (columns - draw.uniform(0, 1)) / draw.uniform(0.005, 0.06)
        spot = torch.sigmoid(8 * (1 - (x.square() + y.square()))) * draw.uniform(0.3, 1)
        image = torch.maximum(image, spot * draw.chance(0.25))
    return image


def blur(draw: Draw, image: Tensor, largest: float, probability: float) -> Tensor:
    """Gaussian blur with a standard deviation of up to ``largest`` pixels, with a probability."""
    sigma = draw.uniform(0.3, largest, 1).expand(-1, 2)
    return torch.where(draw.chance(probability), gaussian_blur2d(image, 9, sigma), image)


def noise(draw: Draw, image: Tensor, largest: float) -> Tensor:
    """White noise with a standard deviation of up to ``largest``."""
    return image + draw.normal(*image.shape[1:]) * draw.uniform(0, 1).square() * largest


def coarse_sensor(draw: Draw, image: Tensor, probability: float) -> Tensor:
    """Image of a sensor with fewer pixels, such as 160x120 or 80x60, enlarged; with a probability."""
    size = image.shape[2:]
    strength = draw.uniform(0, 1)
    coarser = image
    for factor, rest in ((2, 1.0), (3, 0.5), (4, 0.2)):  # rest: fraction that is at least as coarse
        smaller = F.interpolate(image, scale_factor=1 / factor, mode="area")
        coarser = torch.where(strength < rest, F.interpolate(smaller, size, mode="bilinear"), coarser)
    return torch.where(draw.chance(probability), coarser, image)


def overprint(draw: Draw, image: Tensor, probability: float) -> tuple[Tensor, Tensor]:
    """Add bars and printed marks, which belong to the camera and not to the scene.

    Returns:
        The image, and a mask of the same shape that is 0 under them.
    """
    rows = torch.linspace(0, 1, image.shape[2], device=image.device)[:, None]
    columns = torch.linspace(0, 1, image.shape[3], device=image.device)
    bars = torch.zeros_like(image, dtype=torch.bool)
    for near in (rows, 1 - rows, columns, 1 - columns):
        bars |= (near < draw.uniform(0.02, 0.14)) & draw.chance(0.3)
    marks = torch.zeros_like(bars)
    for _ in range(3):
        inside = (rows - draw.uniform(0, 1)).abs() < draw.uniform(0.005, 0.05)
        inside = inside & ((columns - draw.uniform(0, 1)).abs() < draw.uniform(0.005, 0.12))
        # Alternating strokes, similar to letters.
        strokes = (columns * draw.uniform(20, 80)).floor() % 2 == 0
        marks |= inside & strokes & draw.chance(0.5)
    covered = draw.chance(probability)
    kind = draw.chance(0.5)
    bars, marks = bars & covered & kind, marks & covered & ~kind
    image = torch.where(bars, draw.chance(0.3) * draw.uniform(0, 1), image)
    image = torch.where(marks, draw.chance(0.7).float(), image)
    return image, (~(bars | marks)).float()


def thermal_faults(draw: Draw, thermal: Tensor) -> Tensor:
    """Faults of thermal cameras and their gain control; (B, 1, H, W) -> (B, 1, H, W)."""
    # A colour palette converted to grey.
    thermal = torch.where(draw.chance(0.3), tone_curve(draw, thermal), thermal)
    thermal = torch.maximum(thermal, blobs(draw, thermal) * draw.chance(0.3))
    drift = smooth_field(draw, thermal, 3) - 0.5
    thermal = thermal + drift * draw.uniform(0, 0.5) * draw.chance(0.5)
    rows = torch.linspace(-1, 1, thermal.shape[2], device=thermal.device)[:, None]
    columns = torch.linspace(-1, 1, thermal.shape[3], device=thermal.device)
    # Vignetting of the lens, and the gradient from a warm shutter.
    vignette = draw.uniform(0, 0.35) * draw.chance(0.4) * (rows.square() + columns.square()) / 2
    ramp = (draw.uniform(-0.3, 0.3) * rows + draw.uniform(-0.3, 0.3) * columns) * draw.chance(0.2)
    thermal = thermal * (1 - vignette) + ramp
    thermal = coarse_sensor(draw, blur(draw, thermal, 2.2, 0.5), 0.3)
    # Low contrast: the scene uses part of the range, so that noise and pattern noise are stronger.
    thermal = draw.uniform(0.2, 1) * to_range(thermal)
    thermal = noise(draw, thermal, 0.06)
    for stripes in ((1, 1, thermal.shape[3]), (1, thermal.shape[2], 1)):
        thermal = thermal + draw.normal(*stripes) * draw.uniform(0, 0.025) * draw.chance(0.25)
    dead = draw.chance(0.0005, *thermal.shape[1:])
    thermal = torch.where(dead, draw.chance(0.5, *thermal.shape[1:]).float(), thermal)
    # Percentile gain control clips both ends.
    clip = draw.uniform(0, 0.12)
    return ((to_range(thermal) - clip) / (1 - 2 * clip)).clamp(0, 1)


def visible_faults(draw: Draw, visible: Tensor) -> Tensor:
    """Faults of visible cameras: exposure, darkness, lamps and noise; (B, 1, H, W) -> (B, 1, H, W)."""
    night = draw.chance(0.25)
    gamma = torch.where(night, draw.uniform(1.2, 2.5), draw.uniform(-0.5, 0.5).exp())
    visible = visible.clamp(min=1e-4) ** gamma
    lit = draw.uniform(0.25, 1) + smooth_field(draw, visible, 3)
    visible = torch.where(night, visible * lit + blobs(draw, visible), visible)
    visible = (visible - 0.5) * draw.uniform(0.6, 1.5) + 0.5 + draw.uniform(-0.15, 0.15)
    visible = blur(draw, visible, 1.5, 0.4)
    return noise(draw, visible, 0.08).clamp(0, 1)
