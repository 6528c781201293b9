"""Training batches: pairs with known geometry, from aligned pairs and photos."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.photometric import (
    overprint,
    pseudo_thermal,
    random_grey,
    thermal_faults,
    visible_faults,
)
from distillmatch_ros.training.sources import STORED, ImageStore
from distillmatch_ros.training.views import (
    CameraPoses,
    TrueMapping,
    ViewRange,
    draw_poses,
    thermal_quads,
    view_to_image,
    visible_quads,
    warp,
)

# Fraction of thermal images with inverted (black-hot) values.
BLACK_HOT = 0.3


@dataclass(frozen=True)
class Batch:
    """Pairs with known geometry.

    Attributes:
        visible: float32 (B, 1, H, W) grey in [0, 1].
        thermal: float32 (B, 1, H, W) grey in [0, 1].
        thermal_to_visible: float32 (B, 3, 3), network pixels without distortion.
        lenses: float32 (B, 2), distortion coefficients of the visible and the thermal lens.
        visible_mask: float32 (B, 1, H, W), 0 where the view is outside the stored image.
        thermal_mask: float32 (B, 1, H, W), likewise.
    """

    visible: Tensor
    thermal: Tensor
    thermal_to_visible: Tensor
    lenses: Tensor
    visible_mask: Tensor
    thermal_mask: Tensor

    @property
    def mapping(self) -> TrueMapping:
        """The maps between pixels of both images."""
        return TrueMapping(
            self.thermal_to_visible, self.lenses, (self.visible.shape[2], self.visible.shape[3])
        )


def _fill(image: Tensor, mask: Tensor) -> Tensor:
    """Fill pixels outside the stored image with the mean, as in the second pass of a registration."""
    mean = (image * mask).mean(dim=(2, 3), keepdim=True) / mask.mean(dim=(2, 3), keepdim=True).clamp(min=1e-3)
    return image * mask + mean * (1 - mask)


class PairSampler:
    """Generates the batch of a step, its pairs in the order of their sources."""

    def __init__(
        self,
        stores: list[tuple[ImageStore, float]],
        fault_fraction: float,
        ranges: list[ViewRange],
        size: tuple[int, int],
        crop: tuple[float, float],
        overprint_fraction: float = 0.0,
    ) -> None:
        """Set up the sampling of views.

        Args:
            stores: images of each source with its relative sampling weight.
            fault_fraction: fraction of the images with simulated camera faults. The others are needed for
                the fine stage, which does not learn from edges hidden by noise and blur.
            ranges: ranges of the thermal camera's pose.
            size: rows and columns of the views.
            crop: least and greatest side of the larger view, as a fraction of the image.
            overprint_fraction: fraction of the thermal images with bars or printed marks.
        """
        self.stores = [store for store, _ in stores]
        self.weights = torch.tensor([float(weight) for _, weight in stores])
        self.fault_fraction = fault_fraction
        self.ranges = ranges
        self.size = size
        self.crop = crop
        self.overprint_fraction = overprint_fraction

    def sample(self, batch: int, seed: tuple[int, ...], device: torch.device) -> Batch:
        """The batch for a seed, on a device; equal seeds give equal batches."""
        draw = Draw(batch, seed, device)
        drawn = self._drawn(draw, draw.choice(self.weights))
        visible, thermal, aspects, lacking = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        mirrored = draw.chance(0.5)
        visible, thermal = (torch.where(mirrored, x.flip(3), x).float() / 255 for x in (visible, thermal))
        poses = draw_poses(draw, self.ranges)
        visible, thermal, thermal_to_visible = self._look(draw, poses, visible, thermal, aspects)
        visible_mask, thermal_mask = visible[:, 3:], thermal[:, 3:]
        visible, thermal = self._greys(draw, seed, visible[:, :3], thermal[:, :3], lacking)
        thermal = torch.where(draw.chance(BLACK_HOT), 1 - thermal, thermal)
        visible = torch.where(draw.chance(self.fault_fraction), visible_faults(draw, visible), visible)
        thermal = torch.where(draw.chance(self.fault_fraction), thermal_faults(draw, thermal), thermal)
        thermal, scene = overprint(draw, _fill(thermal, thermal_mask), self.overprint_fraction)
        return Batch(
            visible=_fill(visible, visible_mask),
            thermal=thermal,
            thermal_to_visible=thermal_to_visible,
            lenses=poses.lenses,
            visible_mask=visible_mask,
            thermal_mask=thermal_mask * scene,
        )

    def _drawn(self, draw: Draw, source: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """For each source: both sides of its images, their aspects, and which side is missing."""
        for number, store in enumerate(self.stores):
            count = int((source == number).sum())
            if count:
                index = draw.index(len(store.aspects), count)
                lacking = torch.tensor([len(store.colours) == 0, len(store.thermal) == 0])
                yield *store.sides(index), store.aspects[index], lacking.to(index.device).expand(count, 2)

    def _look(
        self, draw: Draw, poses: CameraPoses, visible: Tensor, thermal: Tensor, aspects: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Views (B, 4, H, W) of both sides, the last channel the mask, and the homography between them."""
        quads = visible_quads(draw, aspects, self.crop, poses.side.clamp(min=1))
        from_visible = view_to_image(quads, aspects, self.size, STORED)
        from_thermal = view_to_image(thermal_quads(draw, quads, poses), aspects, self.size, STORED)
        visible, thermal = (
            warp(torch.cat([image, torch.ones_like(image[:, :1])], dim=1), from_view, self.size, lens)
            for image, from_view, lens in (
                (visible, from_visible, poses.lenses[:, 0]),
                (thermal, from_thermal, poses.lenses[:, 1]),
            )
        )
        return visible, thermal, torch.linalg.solve(from_visible, from_thermal)

    def _greys(
        self, draw: Draw, seed: tuple[int, ...], visible: Tensor, thermal: Tensor, lacking: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Grey views (B, 1, H, W) of colours (B, 3, H, W); a missing side is made from the other one."""
        greys = torch.stack([random_grey(draw, visible), random_grey(draw, thermal)], dim=1)
        if count := int(lacking.sum()):
            pictures = torch.stack([visible, thermal], dim=1)[lacking]
            greys[lacking] = pseudo_thermal(Draw(count, (*seed, 1), draw.device), pictures)
        return greys[:, 0], greys[:, 1]
