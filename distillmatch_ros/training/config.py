"""What a training run is told: config/training/*.yaml."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.model.config import ModelConfig, read_configuration
from distillmatch_ros.training.losses import LossConfig
from distillmatch_ros.training.views import ViewRange

PATHS = ("start", "pairs", "photos", "validation", "output")


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Attributes:
        model: the architecture.
        start: weights to begin with, such as the shipped ones, or None to begin from scratch.
        view: rows and columns of the training images, multiples of 32, at most the model's.
        crop: smallest and largest side of what the visible camera sees, as a share of the stored image: small
            views want small crops, so that texture is as coarse as in the images of later use.
        pairs: aligned pairs folder to train on.
        photos: folder of visible photos, or None.
        validation: aligned pairs folder to validate on, or None.
        output: folder of checkpoints and TensorBoard logs.
        steps: optimiser steps in all.
        batch: pairs per step and process.
        photo_share: share of a batch that comes from the photos.
        fault_share: share of the images that get the faults of a camera.
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
    """

    model: ModelConfig
    start: Path | None
    view: tuple[int, int]
    crop: tuple[float, float]
    pairs: Path
    photos: Path | None
    validation: Path | None
    output: Path
    steps: int
    batch: int
    photo_share: float
    fault_share: float
    learning_rate: float
    warmup: int
    weight_decay: float
    gradient_limit: float
    average: float
    checkpoint_every: int
    validate_every: int
    seed: int
    loss: LossConfig
    views: list[ViewRange]

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Read a YAML file; paths in it are relative to it.

        Raises:
            DistillMatchError: a value is missing, unknown or impossible.
        """
        values = read_configuration(path, "training")
        known = {field.name for field in fields(cls)}
        if wrong := sorted(known ^ values.keys()):
            raise DistillMatchError(
                f"{path}: missing or unknown: {', '.join(wrong)}; see config/training/light.yaml"
            )

        model = ModelConfig.load(path.parent / values["model"])
        paths = {
            name: None if values[name] is None else (path.parent / values[name]).resolve() for name in PATHS
        }
        try:
            parts: dict[str, Any] = {
                "loss": LossConfig(**values["loss"]),
                "views": [ViewRange(**{**view, "side": tuple(view["side"])}) for view in values["views"]],
                "view": tuple(values["view"]),
                "crop": tuple(values["crop"]),
            }
        except TypeError as error:
            raise DistillMatchError(f"{path}: {error}; see config/training/light.yaml") from error
        return cls(**{**values, **paths, **parts, "model": model})
