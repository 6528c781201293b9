"""Semantic features from a frozen network, for the generators."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights
from distillmatch_ros.training.teachers import FoundationModel

# The student's grid is 1/16, and InputNormalisation requires multiples of 8.
MULTIPLE = 16
# Rows and columns of the foundation model's input, multiples of 16.
FOUNDATION_VIEW = (256, 320)


class Semantics(nn.Module):
    """A frozen network in evaluation mode that computes semantic features.

    Gradients are not propagated through it: a generator could exploit them with unrealistic patterns.

    Attributes:
        width: channels of the features.
    """

    width: int

    def train(self, mode: bool = True) -> "Semantics":
        """Stay in evaluation mode, whatever ``mode`` is."""
        return super().train(False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values and tensors for :meth:`from_dict`, to be saved in a file."""
        raise NotImplementedError

    @staticmethod
    def open(name: str) -> "Semantics":
        """Open the semantic branch of a .pt file of this project, or a foundation model by hub id or folder.

        Raises:
            DistillMatchError: it cannot be loaded.
        """
        return StudentBranch.of(Weights.load(Path(name))) if name.endswith(".pt") else Foundation(name)

    @staticmethod
    def from_dict(values: dict[str, Any], source: str) -> "Semantics":
        """Restore from :meth:`to_dict`, read from the file ``source``; must be called inside `fitting`."""
        if "foundation" in values:
            return Foundation(values["foundation"])
        branch = StudentBranch(ModelConfig.from_dict(values["model"], source))
        branch.load_state_dict(values["weights"])
        return branch

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Features (B, width, h, w) of images float32 (B, C, H, W) in [0, 1], on a grid of their own."""
        rows, columns = self._size(image.shape[2], image.shape[3])
        grey = image.mean(dim=1, keepdim=True)
        if grey.shape[2:] != (rows, columns):
            grey = F.interpolate(grey, (rows, columns), mode="bilinear", antialias=True)
        return self._features(grey)

    def _size(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns that an image of the given size is resized to."""
        raise NotImplementedError

    def _features(self, grey: Tensor) -> Tensor:
        raise NotImplementedError


class StudentBranch(Semantics):
    """Semantic branch of a trained network: input normalisation, texture backbone, student."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.semantic_width
        network = DistillMatch(config)
        self.normalisation = network.normalisation
        self.texture = network.texture
        self.student = network.student
        self.requires_grad_(False).eval()

    @classmethod
    def of(cls, weights: Weights) -> "StudentBranch":
        """Extract the branch from a whole network."""
        branch = cls(weights.config)
        with weights.fitting():
            branch.load_state_dict({name: weights.state[name] for name in branch.state_dict()})
        return branch

    def to_dict(self) -> dict[str, Any]:
        """Architecture and weights, so that later training of the network does not change translations."""
        return {"model": self.config.to_dict(), "weights": self.state_dict()}

    def _size(self, rows: int, columns: int) -> tuple[int, int]:
        """Images larger than the network's input are scaled down."""
        rows, columns = (
            max(MULTIPLE, min(side, largest) // MULTIPLE * MULTIPLE)
            for side, largest in ((rows, self.config.height), (columns, self.config.width))
        )
        return rows, columns

    def _features(self, grey: Tensor) -> Tensor:
        features: Tensor = self.student(self.texture(self.normalisation(grey))[2])
        return features


class Foundation(Semantics):
    """A vision foundation model, such as DINOv2; its name is saved, not its weights."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.model = FoundationModel(name, FOUNDATION_VIEW)
        self.width = self.model.width
        self.requires_grad_(False).eval()

    def to_dict(self) -> dict[str, Any]:
        """Hub id or folder."""
        return {"foundation": self.name}

    def _size(self, rows: int, columns: int) -> tuple[int, int]:
        return FOUNDATION_VIEW

    def _features(self, grey: Tensor) -> Tensor:
        features: Tensor = self.model(grey).float()
        return features
