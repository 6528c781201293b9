"""Loads vision models with ``transformers``, from a folder or the Hugging Face Hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distillmatch_ros.base.errors import DistillMatchError

# ImageNet's mean and standard deviation, by which most vision models normalise their input.
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_model(name: str, dtype: torch.dtype) -> nn.Module:
    """Load a vision model with all its weights; the hub is used only for files that are not cached.

    Args:
        name: hub id, or a folder written by ``save_pretrained`` or ``hf download``.
        dtype: type of the weights.

    Raises:
        DistillMatchError: it cannot be loaded, is incomplete, or is no vision model.
    """
    # Imported here: takes seconds, and only distillation needs it.
    try:
        from transformers import AutoModel
    except ModuleNotFoundError as error:
        raise DistillMatchError(
            f"{name}: needs {error.name}, which is not installed: pip install 'distillmatch_ros[train]'"
        ) from error

    def load(local_only: bool) -> tuple[nn.Module, dict[str, Any]]:
        model, info = AutoModel.from_pretrained(
            name, dtype=dtype, output_loading_info=True, local_files_only=local_only
        )
        return model, info

    try:
        try:
            model, info = load(local_only=True)
        except OSError:
            if Path(name).exists():
                raise
            model, info = load(local_only=False)
    except Exception as error:  # transformers may raise any exception on files and network
        raise DistillMatchError(f"{name}: {_remedy(name, error)}") from error
    if model.main_input_name != "pixel_values":
        raise DistillMatchError(f"{name}: is no vision model; choose one like DINOv2 or DINOv3")
    # A missing pooler is accepted: models often come without one, and it is not used.
    if missing := sorted(key for key in info["missing_keys"] if "pooler" not in key):
        raise DistillMatchError(
            f"{name}: lacks {len(missing)} of its weights, such as {missing[0]}; download it again"
        )
    return model


def image_statistics(name: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the three channels in training, for images in [0, 1]."""
    from transformers import BaseImageProcessor

    try:
        values, _ = BaseImageProcessor.get_image_processor_dict(name)
    except OSError:  # a model without preprocessor_config.json
        values = {}
    mean, deviation = values.get("image_mean", IMAGENET[0]), values.get("image_std", IMAGENET[1])
    return list(mean), list(deviation)


def _remedy(name: str, error: Exception) -> str:
    """Why a model cannot be loaded, and the remedy."""
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    elsewhere = (
        f"hf download {name} --local-dir FOLDER where there is a network, bring FOLDER here and name it as "
        "distillation.teacher"
    )
    reasons = list(_causes(error))
    if any(isinstance(reason, GatedRepoError) for reason in reasons):
        return (
            "is given out under a licence that must be accepted first: do so on the model's page of the "
            f"Hugging Face Hub, then hf auth login and start again; or {elsewhere}"
        )
    if any(isinstance(reason, RepositoryNotFoundError) for reason in reasons):
        return "is neither a folder nor on the hub; correct distillation.teacher, or hf auth login if private"
    if any(isinstance(reason, LocalEntryNotFoundError) for reason in reasons):
        return f"is neither a folder nor on this machine, and the hub cannot be reached: {elsewhere}"
    return (
        f"cannot be loaded as a vision model ({str(error).splitlines()[0]}); name a hub id, or a folder with "
        "config.json and model.safetensors"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and the chain of its causes."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
