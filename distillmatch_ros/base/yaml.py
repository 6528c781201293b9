"""Reading of YAML files, with errors that name the file, the reason and the remedy."""

from pathlib import Path
from typing import Any

import yaml

from distillmatch_ros.base.errors import DistillMatchError


def read_yaml(path: Path, remedy: str) -> Any:
    """The plain values of a YAML file.

    Raises:
        DistillMatchError: it cannot be read, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DistillMatchError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except UnicodeDecodeError as error:
        raise DistillMatchError(f"{path}: is not YAML ({error.reason}); {remedy}") from error
    return parse_yaml(text, str(path), remedy)


def parse_yaml(text: str, source: str, remedy: str) -> Any:
    """The plain values that a YAML text stands for.

    Raises:
        DistillMatchError: it is not YAML.
    """
    try:
        return yaml.safe_load(text)
    # Beside its own errors, the library lets through those of dates like 2026-99-99 and of endless nesting.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DistillMatchError(f"{source}: is not YAML ({reason}); {remedy}") from error
