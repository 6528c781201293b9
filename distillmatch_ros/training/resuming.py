"""Whether a run may go on from a checkpoint: it was begun with the same settings."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillmatch_ros.base.errors import DistillMatchError

if TYPE_CHECKING:
    from distillmatch_ros.training.config import TrainingConfig
    from distillmatch_ros.training.gan.config import GanConfig

FREE = (
    *("output", "steps", "checkpoint_every"),
    *("validation", "validate_every", "samples", "sample_every"),
)
"""What may differ: how far and where to a run goes, and what is shown of it."""


def settings_of(config: "TrainingConfig | GanConfig") -> dict[str, Any]:
    """The settings that a checkpoint depends on, as plain values.

    Files and folders count by their names: data may lie elsewhere on another machine.
    """
    values: dict[str, Any] = json.loads(json.dumps(asdict(config), default=lambda path: path.name))
    return {name: value for name, value in values.items() if name not in FREE}


def differences(settings: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Names of the settings that differ."""
    return sorted(key for key in settings.keys() | known.keys() if settings.get(key) != known.get(key))


def check_settings(config: "TrainingConfig | GanConfig", known: Any, checkpoint: Path) -> None:
    """Check that a checkpoint was begun with the settings of a configuration.

    Args:
        config: the configuration.
        known: what `settings_of` gave when the run was begun.
        checkpoint: the file, named in errors.

    Raises:
        DistillMatchError: they differ, or the checkpoint has none.
    """
    if not isinstance(known, dict):
        raise DistillMatchError(f"{checkpoint}: does not say what it was begun with; choose another output")
    if different := differences(settings_of(config), known):
        raise DistillMatchError(
            f"{checkpoint}: was begun with another {', '.join(different)}; set the same, or choose another "
            "output in the training configuration, and this file as its start"
        )
