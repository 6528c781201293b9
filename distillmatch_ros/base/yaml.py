"""YAML parsing with errors that name the file, the reason and the remedy."""

from pathlib import Path
from typing import Any

import yaml

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_no_device


def read_yaml(path: Path, remedy: str) -> Any:
    """Parse a YAML file into plain values.

    Raises:
        DistillMatchError: the file cannot be read, or is not YAML.
    """
    return parse_yaml(read_text(path, "YAML", remedy), str(path), remedy)


def read_text(path: Path, kind: str, remedy: str) -> str:
    """Read a text of a kind that is named in errors.

    Raises:
        DistillMatchError: the file cannot be read, is a device, or is not UTF-8.
    """
    check_no_device(path)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DistillMatchError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except UnicodeDecodeError as error:
        raise DistillMatchError(f"{path}: is not {kind} ({error.reason}); {remedy}") from error


def parse_yaml(text: str, source: str, remedy: str) -> Any:
    """Parse a YAML text into plain values; ``source`` is named in errors.

    Raises:
        DistillMatchError: the text is not YAML.
    """
    try:
        return yaml.safe_load(text)
    # Besides its own errors the library raises these for dates like 2026-99-99 and for extreme nesting.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DistillMatchError(f"{source}: is not YAML ({reason}); {remedy}") from error
