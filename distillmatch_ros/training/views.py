"""Two virtual cameras before one stored image: random quadrilaterals, warps and their homographies."""

import math
from dataclasses import dataclass

import torch
from kornia.geometry.transform import get_perspective_transform
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from distillmatch_ros.training.draw import Draw


@dataclass(frozen=True)
class ViewRange:
    """How far the thermal camera may stand from the visible one.

    Attributes:
        side: smallest and largest side of what it sees, as a fraction of what the visible camera sees.
        rotation: largest rotation, degrees.
        shift: largest shift, as a fraction of the visible view.
        jitter: largest displacement of a corner, as a fraction of the visible view.
        weight: how often this range is drawn, relative to the others.
    """

    side: tuple[PositiveFloat, PositiveFloat]
    rotation: NonNegativeFloat
    shift: NonNegativeFloat
    jitter: NonNegativeFloat
    weight: PositiveFloat


UNIT_CORNERS = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))


def apply(homography: Tensor, points: Tensor) -> Tensor:
    """Map points (B, N, 2) by homographies (B, 3, 3)."""
    mapped = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1) @ homography.transpose(1, 2)
    return mapped[..., :2] / mapped[..., 2:]


def visible_quads(draw: Draw, aspect: Tensor, crop: tuple[float, float]) -> Tensor:
    """What the visible camera sees of an image that spans [-aspect/2, aspect/2] x [-1/2, 1/2].

    Args:
        aspect: (B,) width over height of the stored images.
        crop: smallest and largest side of what it sees, as a fraction of the image.

    Returns:
        (B, 4, 2) corners, clockwise from the upper left.
    """
    side = draw.uniform(*crop, 1, 1) * draw.uniform(0.9, 1.0, 1, 2)
    corners = torch.tensor(UNIT_CORNERS, device=draw.device) * side
    corners = corners + draw.uniform(-0.5, 0.5, 1, 2) * (1 - side)
    extent = torch.stack([aspect, torch.ones_like(aspect)], dim=-1)[:, None]
    return corners * extent


def thermal_quads(draw: Draw, visible: Tensor, ranges: list[ViewRange]) -> Tensor:
    """What the thermal camera sees, relative to the visible view; (B, 4, 2) -> (B, 4, 2)."""
    weights = torch.tensor([r.weight for r in ranges], device=draw.device)
    chosen = torch.multinomial(weights, draw.batch, replacement=True, generator=draw.generator)

    def limits(values: list[float]) -> Tensor:
        return torch.tensor(values, device=draw.device)[chosen][:, None, None]

    low, high = limits([r.side[0] for r in ranges]), limits([r.side[1] for r in ranges])
    centre = visible.mean(dim=1, keepdim=True)
    extent = visible[:, 2:3] - visible[:, 0:1]
    # The thermal camera's own aspect: 5:4 to the visible one's, as on real rigs, but not always.
    stretch = draw.uniform(-0.12, 0.12, 1, 1).exp()
    side = low + (high - low) * draw.uniform(0, 1, 1, 1)
    corners = torch.tensor(UNIT_CORNERS, device=draw.device) * extent * side
    corners = corners * torch.cat([stretch, 1 / stretch], dim=2)
    angle = limits([math.radians(r.rotation) for r in ranges]) * draw.uniform(-1, 1, 1, 1)
    cos, sin = angle.cos(), angle.sin()
    corners = torch.cat(
        [corners[..., :1] * cos - corners[..., 1:] * sin, corners[..., :1] * sin + corners[..., 1:] * cos],
        dim=2,
    )
    shift = limits([r.shift for r in ranges]) * draw.uniform(-1, 1, 1, 2)
    jitter = limits([r.jitter for r in ranges]) * draw.uniform(-1, 1, 4, 2)
    return centre + corners + (shift + jitter) * extent


def view_to_image(quads: Tensor, aspect: Tensor, view: tuple[int, int], image: tuple[int, int]) -> Tensor:
    """Homographies (B, 3, 3) from the pixels of a view to those of the stored image.

    Args:
        quads: (B, 4, 2) corners as above; they become the outer corners of the view's corner pixels.
        aspect: (B,) width over height before the image was stored.
        view: rows and columns of the view.
        image: rows and columns of the stored image.
    """
    rows, columns = view
    corners = torch.tensor(UNIT_CORNERS, device=quads.device) + 0.5
    source = corners * torch.tensor([columns, rows], device=quads.device) - 0.5
    extent = torch.stack([aspect, torch.ones_like(aspect)], dim=-1)[:, None]
    size = torch.tensor([image[1], image[0]], device=quads.device)
    target = (quads / extent + 0.5) * size - 0.5
    return get_perspective_transform(source.expand_as(target), target)


def warp(images: Tensor, to_image: Tensor, view: tuple[int, int]) -> Tensor:
    """Warp images (B, C, h, w) through homographies from the view's pixels to theirs; (B, C, *view).

    Bilinear; 0 outside of the image.
    """
    rows, columns = view
    y, x = torch.meshgrid(
        torch.arange(rows, device=images.device), torch.arange(columns, device=images.device), indexing="ij"
    )
    points = torch.stack([x, y], dim=-1).float().flatten(0, 1).expand(len(images), -1, -1)
    size = torch.tensor([images.shape[3], images.shape[2]], device=images.device)
    grid = ((apply(to_image, points) + 0.5) / size * 2 - 1).unflatten(1, view)
    return F.grid_sample(images, grid, mode="bilinear", align_corners=False)
