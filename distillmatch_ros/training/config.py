"""Configuration of a training run: config/training/*.yaml."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from distillmatch_ros.base.configuration import (
    Batch,
    Crop,
    Fraction,
    InputSide,
    LocalPath,
    Seed,
    YamlConfiguration,
    file_of,
)
from distillmatch_ros.model.config import ModelConfig
from distillmatch_ros.training.distillation import DistillationConfig
from distillmatch_ros.training.losses import LossConfig
from distillmatch_ros.training.sources import ImageSource
from distillmatch_ros.training.views import ViewRange


@dataclass(frozen=True)
class AugmentationConfig:
    """Pseudo-thermal views of photos from a V2I-GAN, in addition to those from random tone curves.

    Attributes:
        v2i: weights written by ``distillmatch train-gan``.
        probability: fraction of the photos whose thermal side is from the V2I-GAN.
    """

    v2i: LocalPath
    probability: Fraction


@dataclass(frozen=True)
class TrainingConfig(YamlConfiguration):
    """One training run.

    Attributes:
        model: the architecture.
        start: initial weights, such as the shipped ones, or None to start from scratch.
        pretrained: ImageNet weights of the model's trunk, or None; see `model.trunk`.
        view: rows and columns of the training images, multiples of 32, at most the model's.
        crop: least and greatest side of the larger view, as a fraction of the stored image. Small views need
            small crops, so that texture has the same scale as in later use.
        sources: images to train on.
        validation: aligned pairs folder for validation, or None.
        output: folder of checkpoints and TensorBoard logs.
        steps: total number of optimiser steps.
        batch: pairs per step and process.
        fault_fraction: fraction of the images with simulated camera faults.
        overprint_fraction: fraction of the thermal images with bars or printed marks.
        learning_rate: peak of the cosine schedule.
        warmup: steps of linear increase before it.
        weight_decay: weight decay of AdamW.
        gradient_limit: greatest gradient norm.
        average: decay of the exponential average of the weights, which is saved.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations.
        seed: seed of weights and data.
        loss: weights of the losses.
        views: ranges of the thermal camera's pose relative to the visible one.
        distillation: teacher of the student, or None.
        augmentation: V2I-GAN for photos, or None for random tone curves only.
    """

    EXAMPLE = "config/training/light.yaml"

    model: Annotated[ModelConfig, file_of(ModelConfig, ModelConfig.EXAMPLE)]
    start: LocalPath | None
    pretrained: LocalPath | None
    view: tuple[InputSide, InputSide]
    crop: tuple[Crop, Crop]
    sources: Annotated[list[ImageSource], Field(min_length=1)]
    validation: LocalPath | None
    output: LocalPath
    steps: PositiveInt
    batch: Batch
    fault_fraction: Fraction
    overprint_fraction: Fraction
    learning_rate: PositiveFloat
    warmup: NonNegativeInt
    weight_decay: NonNegativeFloat
    gradient_limit: PositiveFloat
    average: Annotated[float, Field(ge=0, lt=1)]
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
        if self.crop[0] > self.crop[1]:
            raise ValueError(f"crop {list(self.crop)} must be the least and the greatest fraction")
        if self.start is not None and self.start.resolve() == (self.output / "weights.pt").resolve():
            raise ValueError(f"start is {self.start}, which this run would replace; choose another output")
        if self.pretrained is not None and self.model.trunk == "none":
            raise ValueError(f"pretrained is {self.pretrained}, but the model has no trunk to take it")
