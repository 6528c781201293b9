"""Configuration of a V2I-GAN: config/training/gan*.yaml."""

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from distillmatch_ros.base import configuration
from distillmatch_ros.base.configuration import (
    Batch,
    Crop,
    Fraction,
    InputSide,
    LocalPath,
    Pretrained,
    Seed,
    YamlConfiguration,
)
from distillmatch_ros.training.gan.losses import GanLossConfig


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of a generator.

    Attributes:
        width: channels at full resolution; twice and four times as many at 1/2 and 1/4.
        encoder_blocks: residual blocks before the aggregation of semantic features.
        decoder_blocks: residual blocks after it.
        heads: attention heads of the aggregation, a divisor of four times the width.
        stride: factor by which keys and values of its spatial attention are coarser than 1/4.
    """

    width: PositiveInt
    encoder_blocks: NonNegativeInt
    decoder_blocks: NonNegativeInt
    heads: PositiveInt
    stride: PositiveInt

    def __post_init__(self) -> None:
        if 4 * self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide {4 * self.width}, four times the width")

    @classmethod
    def from_dict(cls, values: Any, source: str) -> "GeneratorConfig":
        """Make a configuration from the plain values of :meth:`to_dict`, read from ``source``.

        Raises:
            DistillMatchError: a value is missing, unknown or invalid.
        """
        return configuration.build(cls, values, source, "train again, or name another file")

    def to_dict(self) -> dict[str, int]:
        """The configuration as plain values, for a file."""
        return asdict(self)


@dataclass(frozen=True)
class GanConfig(YamlConfiguration):
    """One training run of the V2I-GAN.

    Attributes:
        generator: architecture of both generators.
        discriminator_width: channels of the discriminators' first layer.
        semantics: source of semantic features: a trained network (.pt) of this project, whose student is
            used, or the hub id or folder of a vision foundation model.
        pairs: aligned pairs folder, or None. Aligned pairs also supervise the translation.
        photos: folder of visible images without thermal counterpart, or None.
        thermals: folder of thermal images without visible counterpart, or None.
        samples: aligned pairs folder whose first pairs are shown as samples, or None.
        output: folder of checkpoints, TensorBoard logs and sample grids.
        view: rows and columns of the training images, multiples of 32.
        crop: least and greatest side of a view, as a fraction of the stored image.
        steps: total number of optimiser steps; over the second half the learning rate decreases to zero.
        batch: images of each modality per step.
        unpaired_fraction: fraction of a batch whose two images show different scenes.
        learning_rate: learning rate of Adam.
        gradient_limit: greatest gradient norm.
        average: decay of the exponential average of the generators' weights, which is saved.
        pool: number of past translations of each modality that are kept for the discriminators.
        checkpoint_every: steps between checkpoints.
        sample_every: steps between sample grids.
        seed: seed of weights and data.
        loss: weights of the losses.
    """

    EXAMPLE = "config/training/gan-light.yaml"

    generator: GeneratorConfig
    discriminator_width: PositiveInt
    semantics: Pretrained
    pairs: LocalPath | None
    photos: LocalPath | None
    thermals: LocalPath | None
    samples: LocalPath | None
    output: LocalPath
    view: tuple[InputSide, InputSide]
    crop: tuple[Crop, Crop]
    steps: PositiveInt
    batch: Batch
    unpaired_fraction: Fraction
    learning_rate: PositiveFloat
    gradient_limit: PositiveFloat
    average: Fraction
    pool: NonNegativeInt
    checkpoint_every: PositiveInt
    sample_every: PositiveInt
    seed: Seed
    loss: GanLossConfig

    def __post_init__(self) -> None:
        if self.pairs is None and (self.photos is None or self.thermals is None):
            raise ValueError(
                "nothing to train on; name pairs, or photos and thermals, which need not be aligned"
            )
