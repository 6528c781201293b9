"""A pool of past translations for the discriminators."""

import torch
from torch import Tensor

from distillmatch_ros.training.draw import Draw


class Pool:
    """Past translations of one modality, replaced at random.

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
