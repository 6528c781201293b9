"""Two virtual cameras on one stored image: random quadrilaterals, lens distortion, maps between them."""

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from kornia.geometry.transform import get_perspective_transform
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from distillmatch_ros.base.configuration import Fraction, Weight
from distillmatch_ros.training.draw import Draw

ViewSide = Annotated[float, Field(ge=0.05, le=20)]


@dataclass(frozen=True)
class ViewRange:
    """Range of the thermal camera's pose relative to the visible one.

    Attributes:
        side: least and greatest side of the thermal view, as a fraction of the visible view.
        rotation: greatest rotation, degrees.
        shift: greatest shift, as a fraction of the visible view.
        jitter: greatest displacement of a corner, as a fraction of the visible view.
        weight: sampling weight relative to the other ranges.
        shear: greatest shear along the rows, as of a rolling shutter on a rotating robot.
        distortion: greatest distortion of either lens, as a fraction of the radius at the corners.
    """

    side: tuple[ViewSide, ViewSide]
    rotation: Annotated[float, Field(ge=0, le=180)]
    shift: Fraction
    jitter: Fraction
    weight: Weight
    shear: Fraction = 0.0
    distortion: Annotated[float, Field(ge=0, le=0.2)] = 0.0

    def __post_init__(self) -> None:
        if self.side[0] > self.side[1]:
            raise ValueError(f"side {list(self.side)} must be the least and the greatest")


class CameraPoses(NamedTuple):
    """Poses of the cameras of each pair.

    Attributes:
        side: (B, 1, 1) side of the thermal view, as a fraction of the visible view.
        rotation: (B, 1, 1) radians.
        shear: (B, 1, 1).
        shift: (B, 1, 2), fraction of the visible view.
        jitter: (B, 4, 2), fraction of the visible view.
        lenses: (B, 2) distortion of the visible and of the thermal lens.
    """

    side: Tensor
    rotation: Tensor
    shear: Tensor
    shift: Tensor
    jitter: Tensor
    lenses: Tensor


@dataclass(frozen=True)
class TrueMapping:
    """Maps between the pixels of two views: lens distortion, and a homography between undistorted views.

    Attributes:
        thermal_to_visible: (B, 3, 3) undistorted network pixels.
        lenses: (B, 2) distortion of the visible and of the thermal lens.
        size: rows and columns of the views.
    """

    thermal_to_visible: Tensor
    lenses: Tensor
    size: tuple[int, int]

    def to_visible(self, points: Tensor) -> Tensor:
        """Thermal pixels (B, N, 2) -> visible pixels (B, N, 2)."""
        straight = apply(self.thermal_to_visible, undistort(points, self.lenses[:, 1], self.size))
        return distort(straight, self.lenses[:, 0], self.size)

    def to_thermal(self, points: Tensor) -> Tensor:
        """Visible pixels (B, N, 2) -> thermal pixels (B, N, 2)."""
        straight = undistort(points, self.lenses[:, 0], self.size)
        return distort(
            apply(torch.linalg.inv(self.thermal_to_visible), straight), self.lenses[:, 1], self.size
        )


UNIT_CORNERS = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))


def apply(homography: Tensor, points: Tensor) -> Tensor:
    """Map points (B, N, 2) by homographies (B, 3, 3), in float32 under autocast too.

    A bfloat16 product would be off by up to 4 of 320 pixels.
    """
    with torch.autocast(points.device.type, enabled=False):
        mapped = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1) @ homography.transpose(1, 2)
    return mapped[..., :2] / mapped[..., 2:]


def _from_centre(points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Centre of a view, offset of each point from it, and squared offset in half diagonals."""
    centre = torch.tensor([size[1] - 1, size[0] - 1], device=points.device) / 2
    away = points - centre
    return centre, away, away.square().sum(dim=2, keepdim=True) / (size[0] ** 2 + size[1] ** 2) * 4


def undistort(points: Tensor, lens: Tensor, size: tuple[int, int]) -> Tensor:
    """Map pixels (B, N, 2) of a distorted view to those of a pinhole camera.

    Division model (Fitzgibbon, CVPR 2001), whose inverse has a closed form: r / (1 + lens * r^2), r = 1 at
    the corners of the view.

    Args:
        points: (B, N, 2).
        lens: (B,) coefficient, below 0 for barrel distortion.
        size: rows and columns of the view.
    """
    centre, away, square = _from_centre(points, size)
    return centre + away / (1 + lens[:, None, None] * square)


def distort(points: Tensor, lens: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of :func:`undistort`."""
    centre, away, square = _from_centre(points, size)
    return centre + away * 2 / (1 + (1 - 4 * lens[:, None, None] * square).clamp(min=0).sqrt())


def draw_poses(draw: Draw, ranges: list[ViewRange]) -> CameraPoses:
    """Draw the camera poses of each pair, each from one of the ranges."""
    weights = torch.tensor([r.weight for r in ranges], device=draw.device)
    chosen = torch.multinomial(weights, draw.batch, replacement=True, generator=draw.generator)

    def limits(values: list[float]) -> Tensor:
        return torch.tensor(values, device=draw.device)[chosen][:, None, None]

    low, high = (limits([math.log(r.side[end]) for r in ranges]) for end in (0, 1))
    return CameraPoses(
        side=(low + (high - low) * draw.uniform(0, 1, 1, 1)).exp(),
        rotation=limits([math.radians(r.rotation) for r in ranges]) * draw.uniform(-1, 1, 1, 1),
        shear=limits([r.shear for r in ranges]) * draw.uniform(-1, 1, 1, 1),
        shift=limits([r.shift for r in ranges]) * draw.uniform(-1, 1, 1, 2),
        jitter=limits([r.jitter for r in ranges]) * draw.uniform(-1, 1, 4, 2),
        # Mostly barrel distortion, and strong distortion is rarer than weak.
        lenses=limits([r.distortion for r in ranges])[:, 0]
        * draw.uniform(-1, 0.3, 2)
        * draw.uniform(0, 1, 2),
    )


def visible_quads(
    draw: Draw, aspect: Tensor, crop: tuple[float, float], wider: Tensor | None = None
) -> Tensor:
    """Visible view of an image that spans [-aspect/2, aspect/2] x [-1/2, 1/2].

    Args:
        draw: random numbers.
        aspect: (B,) width divided by height of the stored images.
        crop: least and greatest side of the larger of both views, as a fraction of the image.
        wider: (B, 1, 1), at least 1: side of the other camera's view relative to this one's; None for 1.

    Returns:
        (B, 4, 2) corners, clockwise from the upper left.
    """
    seen = draw.uniform(*crop, 1, 1) * draw.uniform(0.9, 1.0, 1, 2)
    side = seen if wider is None else seen / wider
    corners = torch.tensor(UNIT_CORNERS, device=draw.device) * side
    corners = corners + draw.uniform(-0.5, 0.5, 1, 2) * (1 - seen)
    extent = torch.stack([aspect, torch.ones_like(aspect)], dim=-1)[:, None]
    return corners * extent


def thermal_quads(draw: Draw, visible: Tensor, poses: CameraPoses) -> Tensor:
    """Thermal view, relative to the visible one; corners (B, 4, 2) -> (B, 4, 2)."""
    centre = visible.mean(dim=1, keepdim=True)
    extent = visible[:, 2:3] - visible[:, 0:1]
    # Aspect of the thermal camera: mostly near 5:4 relative to the visible one, as on real rigs.
    stretch = draw.uniform(-0.12, 0.12, 1, 1).exp()
    corners = torch.tensor(UNIT_CORNERS, device=draw.device) * extent * poses.side
    corners = corners * torch.cat([stretch, 1 / stretch], dim=2)
    x, y = (corners[..., :1] + poses.shear * corners[..., 1:]), corners[..., 1:]
    cos, sin = poses.rotation.cos(), poses.rotation.sin()
    corners = torch.cat([x * cos - y * sin, x * sin + y * cos], dim=2)
    # Jitter is relative to the thermal view: relative to the visible one it could fold a small view.
    moved = poses.shift + poses.jitter * poses.side
    return centre + corners + moved * extent


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


def warp(images: Tensor, to_image: Tensor, view: tuple[int, int], lens: Tensor | None = None) -> Tensor:
    """Resample images (B, C, h, w) by lens distortion and a homography from the view's pixels to theirs.

    Each pixel is the mean of four bilinear samples, similar to the area of a sensor's pixel, since wide views
    are scaled down strongly.

    Args:
        images: float32 (B, C, h, w).
        to_image: (B, 3, 3) undistorted pixels of the view to those of the image.
        view: rows and columns of the view.
        lens: (B,) distortion of the view, or None.

    Returns:
        float32 (B, C, *view), 0 outside of the image.
    """
    y, x = (torch.arange(2 * count, device=images.device).float() / 2 - 0.25 for count in view)
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).flatten(0, 1)
    points = points.expand(len(images), -1, -1)
    points = apply(to_image, points if lens is None else undistort(points, lens, view))
    size = torch.tensor([images.shape[3], images.shape[2]], device=images.device)
    grid = ((points + 0.5) / size * 2 - 1).unflatten(1, (2 * view[0], 2 * view[1]))
    return F.avg_pool2d(F.grid_sample(images, grid, mode="bilinear", align_corners=False), 2)
