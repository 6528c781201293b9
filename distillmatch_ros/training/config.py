"""The configuration of a training run: config/training/*.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from distillmatch_ros.base import configuration
from distillmatch_ros.base.configuration import Fraction, LocalPath, Seed, Side, file_of
from distillmatch_ros.model import config as model_config
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.training.distillation import DistillationConfig
from distillmatch_ros.training.losses import LossConfig
from distillmatch_ros.training.sources import Source
from distillmatch_ros.training.views import ViewRange

EXAMPLE = "config/training/light.yaml"


@dataclass(frozen=True)
class AugmentationConfig:
    """Pseudo-thermal views of photos from a V2I-GAN, in turn with those from random tone curves.

    Attributes:
        v2i: what ``distillmatch train-gan`` wrote.
        probability: fraction of the photos whose thermal side is translated.
    """

    v2i: LocalPath
    probability: Fraction


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Attributes:
        model: the architecture.
        start: weights to begin with, such as the shipped ones, or None to begin from scratch.
        pretrained: ImageNet weights of the model's trunk, or None; see `model.trunk`.
        view: rows and columns of the training images, multiples of 32, at most the model's.
        crop: smallest and largest side of the larger view, as a fraction of the stored image: small views
            want small crops, so that texture is as coarse as in the images of later use.
        sources: the images to train on.
        validation: aligned pairs folder to validate on, or None.
        output: folder of checkpoints and TensorBoard logs.
        steps: optimiser steps in all.
        batch: pairs per step and process.
        fault_fraction: fraction of the images that get the faults of a camera.
        overprint_fraction: fraction of the thermal images with bars beside or marks on them.
        learning_rate: peak of the cosine schedule.
        warmup: steps of linear increase before it.
        weight_decay: AdamW's.
        gradient_limit: largest gradient norm.
        average: decay of the exponential average of the weights, which is what is kept.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations.
        seed: of weights and data.
        loss: weights of the losses.
        views: how far apart the cameras may stand.
        distillation: who teaches the student, or None.
        augmentation: who makes photos thermal, or None for random tone curves alone.
    """

    model: Annotated[ModelConfig, file_of(ModelConfig, model_config.EXAMPLE)]
    start: LocalPath | None
    pretrained: LocalPath | None
    view: tuple[Side, Side]
    crop: tuple[PositiveFloat, PositiveFloat]
    sources: Annotated[list[Source], Field(min_length=1)]
    validation: LocalPath | None
    output: LocalPath
    steps: PositiveInt
    batch: PositiveInt
    fault_fraction: Fraction
    overprint_fraction: Fraction
    learning_rate: PositiveFloat
    warmup: NonNegativeInt
    weight_decay: NonNegativeFloat
    gradient_limit: PositiveFloat
    average: Fraction
    checkpoint_every: PositiveInt
    validate_every: PositiveInt
    seed: Seed
    loss: LossConfig
    views: Annotated[list[ViewRange], Field(min_length=1)]
    distillation: DistillationConfig | None = None
    augmentation: AugmentationConfig | None = None

    def __post_init__(self) -> None:
        rows, columns = self.view
        if rows > self.model.height or columns > self.model.width:
            raise ValueError(
                f"view {rows}x{columns} must be at most the model's {self.model.height}x{self.model.width}"
            )
        if self.pretrained is not None and self.model.trunk == "none":
            raise ValueError(f"pretrained is {self.pretrained}, but the model has no trunk to take it")

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Read a YAML file; paths in it are relative to it.

        Raises:
            DistillMatchError: a value is missing, unknown or impossible.
        """
        return configuration.load(cls, path, EXAMPLE)
