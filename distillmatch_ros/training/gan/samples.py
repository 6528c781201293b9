"""Sample images during training."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.base.files import write_bytes
from distillmatch_ros.training.gan.cycle import Generators
from distillmatch_ros.training.gan.semantics import Semantics
from distillmatch_ros.training.sources import load_pairs

SHOWN = 4
SIZE = (176, 224)


class Samples:
    """The first pairs of a folder, one row each: visible, translation, real thermal, and reconstruction."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Read an aligned pairs folder."""
        pairs = load_pairs(folder)
        self.visible = (pairs.colours[:SHOWN].float() / 255).to(device)
        self.thermal = (pairs.thermal[:SHOWN].float() / 255).to(device)

    @torch.inference_mode()
    def draw(self, generators: nn.Module, semantics: Semantics) -> NDArray[np.uint8]:
        """The grid as RGB, uint8 (rows, columns, 3)."""
        assert isinstance(generators, Generators)
        translated = generators.to_thermal(self.visible, semantics(self.visible))
        back = generators.to_visible(translated, semantics(translated))
        columns = [_small(images) for images in (self.visible, translated, self.thermal, back)]
        grid = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
        return np.ascontiguousarray((grid * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())

    @staticmethod
    def write(grid: NDArray[np.uint8], path: Path) -> None:
        """Write a grid as PNG."""
        write_bytes(path, cv2.imencode(".png", grid[..., ::-1])[1].tobytes())


def _small(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) -> (B, 3, *SIZE)."""
    return F.interpolate(images, SIZE, mode="area").clamp(0, 1).expand(-1, 3, -1, -1)
