"""Training crops of both modalities, of the same scene for aligned pairs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.gan.config import GanConfig
from distillmatch_ros.training.sources import STORED, ImageStore, load_pairs, load_photos, load_thermals
from distillmatch_ros.training.views import view_to_image, visible_quads, warp


@dataclass(frozen=True)
class Crops:
    """A batch of both modalities.

    Attributes:
        visible: float32 (B, 3, H, W) RGB in [0, 1].
        thermal: float32 (B, 1, H, W) in [0, 1].
        aligned: bool (B,), whether both show the same view of the same scene.
    """

    visible: Tensor
    thermal: Tensor
    aligned: Tensor


def _joined(stores: list[ImageStore]) -> ImageStore:
    return ImageStore(
        torch.cat([store.colours for store in stores]),
        torch.cat([store.thermal for store in stores]),
        torch.cat([store.aspects for store in stores]),
    )


class CropSampler:
    """Generates the batch of a step: first aligned pairs, then images of different scenes."""

    def __init__(self, config: GanConfig, device: torch.device) -> None:
        """Load the images that a configuration names.

        Raises:
            DistillMatchError: a folder is missing or empty, or an image cannot be read.
        """
        self.config = config
        pairs = None if config.pairs is None else load_pairs(config.pairs).to(device)
        photos = None if config.photos is None else load_photos(config.photos).to(device)
        thermals = None if config.thermals is None else load_thermals(config.thermals).to(device)
        self.pairs = 0 if pairs is None else len(pairs.colours)  # the first images of both stores
        self.visible = _joined([store for store in (pairs, photos) if store is not None])
        self.thermal = _joined([store for store in (pairs, thermals) if store is not None])
        self.device = device

    def sample(self, seed: tuple[int, ...]) -> Crops:
        """The batch for a seed; equal seeds give equal batches."""
        batch = self.config.batch
        unpaired = round(batch * self.config.unpaired_fraction) if self.pairs else batch
        visible_draw, thermal_draw = (Draw(batch, (*seed, side), self.device) for side in range(2))
        visible_index = visible_draw.index(len(self.visible.colours), batch)
        thermal_index = thermal_draw.index(len(self.thermal.thermal), batch)
        aligned = torch.arange(batch, device=self.device) < batch - unpaired
        if self.pairs:
            same = visible_draw.index(self.pairs, batch)
            visible_index = torch.where(aligned, same, visible_index)
            thermal_index = torch.where(aligned, same, thermal_index)
        to_visible = self._views(visible_draw, self.visible.aspects[visible_index])
        to_thermal = self._views(thermal_draw, self.thermal.aspects[thermal_index])
        to_thermal = torch.where(aligned[:, None, None], to_visible, to_thermal)
        return Crops(
            visible=self._look(self.visible.colours[visible_index], to_visible),
            thermal=self._look(self.thermal.thermal[thermal_index], to_thermal),
            aligned=aligned,
        )

    def _views(self, draw: Draw, aspects: Tensor) -> Tensor:
        """Homographies (B, 3, 3) from pixels of random views, half of them mirrored, to stored pixels."""
        quads = visible_quads(draw, aspects, self.config.crop)
        mirrored = draw.chance(0.5, 1, 1)
        quads = torch.where(mirrored, quads[:, [1, 0, 3, 2]], quads)
        return view_to_image(quads, aspects, self.config.view, STORED)

    def _look(self, images: Tensor, to_image: Tensor) -> Tensor:
        return warp(images.float() / 255, to_image, self.config.view).clamp(0, 1)
