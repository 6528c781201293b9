"""Typed YAML configurations: a file is validated against a dataclass, and errors name the key."""

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.settings import LONGEST, faults
from distillmatch_ros.base.yaml import read_yaml

T = TypeVar("T")

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def load(kind: type[T], path: Path, example: str) -> T:
    """Read a YAML file; paths in it are relative to it.

    Args:
        kind: the dataclass that it is to be.
        path: the file.
        example: a shipped file of that kind, named in errors, such as ``config/model/light.yaml``.

    Raises:
        DistillMatchError: it cannot be read, or its values do not fit.
    """
    shipped = resources.locate(example)
    values = read_yaml(path, f"a file like {shipped} is wanted")
    return build(kind, values, str(path), f"see {shipped}", path.parent)


def build(kind: type[T], values: Any, source: str, remedy: str, folder: Path = Path()) -> T:
    """Make a dataclass of plain values, as YAML and JSON have them: names with values, lists for tuples.

    Args:
        kind: the dataclass.
        values: one for every field that has no default; fields that are dataclasses are made alike.
        source: where the values come from, named in errors.
        remedy: what to do about values that do not fit.
        folder: what paths among them are relative to.

    Raises:
        DistillMatchError: names are missing or unknown, or values do not fit their fields.
    """
    if not isinstance(values, dict):
        raise DistillMatchError(f"{source}: holds no names with values; {remedy}")
    # pydantic applies a configuration to plain dataclasses only where they are a part of something.
    part: Any = kind | None
    adapter: TypeAdapter[T] = TypeAdapter(part, config=STRICT)
    try:
        # As JSON, since its strict rules are YAML's: a list is a tuple, a text a path, and nothing else is
        # taken for something. A date is the text that it was written as.
        return adapter.validate_json(json.dumps(values, default=str), context=folder)
    except ValidationError as error:
        reason = "; ".join(faults(None, error))
    # Names that are no text, values that hold themselves, paths that no file can have.
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        reason = str(error)
    raise DistillMatchError(f"{source}: {reason}; {remedy}")


def _folder(info: ValidationInfo) -> Path:
    folder = info.context
    assert isinstance(folder, Path)
    return folder


def _locate(path: Path, info: ValidationInfo) -> Path:
    return (_folder(info) / path).resolve()


def _locate_weights(name: str, info: ValidationInfo) -> str:
    path = _folder(info) / name
    return str(path.resolve()) if name.endswith(".pt") or path.exists() else name


Fraction = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(gt=0, multiple_of=32)]
"""Of a network's input, pixels."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""What PyTorch takes."""
LocalPath = Annotated[Path, AfterValidator(_locate)]
"""Relative to the file that names it."""
Pretrained = Annotated[str, AfterValidator(_locate_weights)]
"""A .pt file or a folder, relative to the file that names it, or a hub id."""


def file_of(kind: type[T], example: str) -> BeforeValidator:
    """Marks a field whose value is the path of another YAML file, with what it is to be."""

    def read(value: Any, info: ValidationInfo) -> T:
        if not isinstance(value, str):
            raise ValueError(f"{value!r:.{LONGEST}} is not a path")
        return load(kind, _folder(info) / value, example)

    return BeforeValidator(read)
