"""What a V2I-GAN is made of and how it is trained: config/training/gan*.yaml."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.model.config import read_configuration
from distillmatch_ros.training.config import locate
from distillmatch_ros.training.gan.losses import GanLossConfig

EXAMPLE = "config/training/gan-light.yaml"
PATHS = ("pairs", "photos", "thermals", "samples", "output")


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of a generator.

    Attributes:
        width: channels at full resolution; twice and four times as many at 1/2 and 1/4.
        encoder_blocks: residual blocks before the semantic features come in.
        decoder_blocks: residual blocks after it.
        heads: attention heads of the aggregation, a divisor of four times the width.
        stride: keys and values of its spatial attention lie on a grid this much coarser than 1/4.
    """

    width: int
    encoder_blocks: int
    decoder_blocks: int
    heads: int
    stride: int

    def to_dict(self) -> dict[str, int]:
        """Plain values, for a file."""
        return asdict(self)


@dataclass(frozen=True)
class GanConfig:
    """One training run of the V2I-GAN.

    Attributes:
        generator: architecture of both generators.
        discriminator_width: channels of the discriminators' first layer.
        semantics: who says what is where in an image: a trained network (.pt) of this project, whose student
            is asked, or the hub id or folder of a vision foundation model.
        pairs: aligned pairs folder, or None. Aligned pairs also supervise the translation.
        photos: folder of visible pictures without a thermal side, or None.
        thermals: folder of thermal pictures without a visible side, or None.
        samples: aligned pairs folder whose first pairs show the progress, or None.
        output: folder of checkpoints, TensorBoard logs and sample grids.
        view: rows and columns of the training images, multiples of 32.
        crop: smallest and largest side of a view, as a share of the stored image.
        steps: optimiser steps in all; over the second half the learning rate falls to zero.
        batch: images of each modality per step.
        unpaired_share: share of a batch whose two images show different scenes.
        learning_rate: Adam's.
        gradient_limit: largest gradient norm.
        average: decay of the exponential average of the generators' weights, which is what is kept.
        pool: past translations of each modality that the discriminators still see.
        checkpoint_every: steps between checkpoints.
        sample_every: steps between sample grids.
        seed: of weights and data.
        loss: weights of the losses.
    """

    generator: GeneratorConfig
    discriminator_width: int
    semantics: str
    pairs: Path | None
    photos: Path | None
    thermals: Path | None
    samples: Path | None
    output: Path
    view: tuple[int, int]
    crop: tuple[float, float]
    steps: int
    batch: int
    unpaired_share: float
    learning_rate: float
    gradient_limit: float
    average: float
    pool: int
    checkpoint_every: int
    sample_every: int
    seed: int
    loss: GanLossConfig

    @classmethod
    def load(cls, path: Path) -> "GanConfig":
        """Read a YAML file; paths in it are relative to it.

        Raises:
            DistillMatchError: a value is missing, unknown or impossible.
        """
        values = read_configuration(path, "training")
        known = {field.name for field in fields(cls)}
        if wrong := sorted(known ^ values.keys()):
            raise DistillMatchError(f"{path}: missing or unknown: {', '.join(wrong)}; see {EXAMPLE}")
        paths = {
            name: None if values[name] is None else (path.parent / values[name]).resolve() for name in PATHS
        }
        try:
            parts: dict[str, Any] = {
                "generator": GeneratorConfig(**values["generator"]),
                "loss": GanLossConfig(**values["loss"]),
                "semantics": locate(path.parent, values["semantics"]),
                "view": tuple(values["view"]),
                "crop": tuple(values["crop"]),
            }
        except TypeError as error:
            raise DistillMatchError(f"{path}: {error}; see {EXAMPLE}") from error
        config = cls(**{**values, **paths, **parts})
        config._check(path)
        return config

    def _check(self, path: Path) -> None:
        if self.pairs is None and (self.photos is None or self.thermals is None):
            raise DistillMatchError(
                f"{path}: nothing to train on; name pairs, or photos and thermals, which need not be aligned"
            )
        if any(side % 32 for side in self.view):
            raise DistillMatchError(f"{path}: view {list(self.view)}: choose multiples of 32")
        if 4 * self.generator.width % self.generator.heads:
            raise DistillMatchError(f"{path}: generator: heads must divide four times the width")
