"""What a training run is told: config/training/*.yaml."""

from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.model.config import ModelConfig, check_values, read_configuration
from distillmatch_ros.training.distillation import DistillationConfig
from distillmatch_ros.training.losses import LossConfig
from distillmatch_ros.training.views import ViewRange

PATHS = ("start", "pairs", "photos", "validation", "output")
OPTIONAL_PATHS = ("start", "photos", "validation")
POSITIVE = (
    *("view", "crop", "steps", "batch", "learning_rate", "gradient_limit"),
    *("checkpoint_every", "validate_every"),
)


@dataclass(frozen=True)
class AugmentationConfig:
    """Pseudo-thermal views of photos from a V2I-GAN, in turn with those from random tone curves.

    Attributes:
        v2i: what ``distillmatch train-gan`` wrote.
        probability: share of the photos whose thermal side is translated.
    """

    v2i: Path
    probability: float


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
        distillation: who teaches the student, or None.
        augmentation: who makes photos thermal, or None for random tone curves alone.
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
    distillation: DistillationConfig | None = None
    augmentation: AugmentationConfig | None = None

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Read a YAML file; paths in it are relative to it.

        Raises:
            DistillMatchError: a value is missing, unknown or impossible.
        """
        values = read_configuration(path, "training")
        known = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        if wrong := sorted(required - values.keys() | values.keys() - known):
            raise DistillMatchError(
                f"{path}: missing or unknown: {', '.join(wrong)}; see config/training/light.yaml"
            )
        check_values(
            cls,
            {name: value for name, value in values.items() if name not in ("model", *PATHS)},
            str(path),
            positive=POSITIVE,
        )
        shares = ("photo_share", "fault_share", "average")
        if too_large := [name for name in shares if values[name] > 1]:
            raise DistillMatchError(f"{path}: {too_large[0]} is {values[too_large[0]]}, more than 1")
        for name in ("model", *PATHS):
            if not isinstance(values[name], str) and (values[name] is not None or name not in OPTIONAL_PATHS):
                raise DistillMatchError(f"{path}: {name} is {values[name]!r}, not a path")

        model = ModelConfig.load(path.parent / values["model"])
        paths = {
            name: None if values[name] is None else (path.parent / values[name]).resolve() for name in PATHS
        }
        if not values["views"]:
            raise DistillMatchError(f"{path}: views is empty; see config/training/light.yaml")
        try:
            check_values(LossConfig, values["loss"], f"{path}: loss")
            for view in values["views"]:
                check_values(ViewRange, view, f"{path}: views", positive=("side",))
            parts: dict[str, Any] = {
                "loss": LossConfig(**values["loss"]),
                "views": [ViewRange(**{**view, "side": tuple(view["side"])}) for view in values["views"]],
                "view": tuple(values["view"]),
                "crop": tuple(values["crop"]),
                "distillation": _distillation(path.parent, values.get("distillation")),
                "augmentation": _augmentation(path.parent, values.get("augmentation")),
            }
        except (AttributeError, KeyError, TypeError) as error:
            raise DistillMatchError(f"{path}: {error}; see config/training/light.yaml") from error
        config = cls(**{**values, **paths, **parts, "model": model})
        rows, columns = config.view
        if rows % 32 or columns % 32 or not (0 < rows <= model.height and 0 < columns <= model.width):
            raise DistillMatchError(
                f"{path}: view {rows}x{columns} must be multiples of 32, at most the model's "
                f"{model.height}x{model.width}"
            )
        return config


def locate(folder: Path, name: str) -> str:
    """What a configuration in ``folder`` names: a .pt file or a folder, relative to it, or a hub id."""
    local = name.endswith(".pt") or (folder / name).exists()
    return str((folder / name).resolve()) if local else name


def _augmentation(folder: Path, values: dict[str, Any] | None) -> AugmentationConfig | None:
    if values is None:
        return None
    config = AugmentationConfig(**values)
    return replace(config, v2i=(folder / config.v2i).resolve())


def _distillation(folder: Path, values: dict[str, Any] | None) -> DistillationConfig | None:
    if values is None:
        return None
    config = DistillationConfig(**values)
    return replace(
        config,
        teacher=locate(folder, config.teacher),
        cache=None if config.cache is None else (folder / config.cache).resolve(),
    )
