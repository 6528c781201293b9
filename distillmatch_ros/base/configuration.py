"""Typed YAML configurations: a file is validated against a dataclass, and errors name the key."""

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from typing_extensions import Self

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.settings import LONGEST, faults
from distillmatch_ros.base.yaml import read_yaml

T = TypeVar("T")

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def load(kind: type[T], path: Path, example: str) -> T:
    """Read a YAML file into a dataclass; relative paths in it start at the file's folder.

    Args:
        kind: dataclass that describes the file.
        path: YAML file.
        example: a shipped file of that kind, named in errors, such as ``config/model/light.yaml``.

    Raises:
        DistillMatchError: the file cannot be read, or its values do not fit the dataclass.
    """
    shipped = resources.locate(example)
    values = read_yaml(path, f"a file like {shipped} is wanted")
    return build(kind, values, str(path), f"see {shipped}", path.parent)


class YamlConfiguration:
    """A dataclass that is read from a YAML file; it names a shipped file of its kind as ``EXAMPLE``."""

    EXAMPLE: ClassVar[str]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a YAML file; relative paths in it start at its folder.

        Raises:
            DistillMatchError: a value is missing, unknown or invalid.
        """
        return load(cls, path, cls.EXAMPLE)


def build(kind: type[T], values: Any, source: str, remedy: str, folder: Path = Path()) -> T:
    """Make a dataclass from plain YAML or JSON values: mappings, lists (for tuples), numbers, text.

    Args:
        kind: dataclass to make.
        values: mapping with a value for every field without a default; nested dataclasses are mappings too.
        source: origin of the values, named in errors.
        remedy: what the user can do about wrong values; ends every error.
        folder: base of relative paths among the values.

    Raises:
        DistillMatchError: names are missing or unknown, or values do not fit their fields.
    """
    if not isinstance(values, dict):
        raise DistillMatchError(f"{source}: is not a mapping of names to values; {remedy}")
    # pydantic applies a configuration to a plain dataclass only if that is part of another type.
    part: Any = kind | None
    adapter: TypeAdapter[T] = TypeAdapter(part, config=STRICT)
    try:
        # Validated as JSON, whose strict mode fits YAML: a list is accepted as a tuple and text as a path;
        # nothing else is converted. YAML dates are passed as text.
        return adapter.validate_json(json.dumps(values, default=str), context=folder)
    except ValidationError as error:
        reason = "; ".join(faults(None, error))
    # Keys that are not text, recursive values, paths that the file system rejects.
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
InputSide = Annotated[int, Field(gt=0, multiple_of=32)]
"""Side of the network's input, pixels."""
Crop = Annotated[float, Field(ge=0.05, le=1)]
"""Side of a view, as a fraction of the stored image: smaller views show no more than a few pixels of it."""
Batch = Annotated[int, Field(ge=1, le=4096)]
"""Pairs per step and process."""
Weight = Annotated[float, Field(ge=1e-6, le=1e6)]
"""Sampling weight relative to others; in single precision smaller ones would vanish."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""Seed of a random generator; the range that PyTorch accepts."""
LocalPath = Annotated[Path, AfterValidator(_locate)]
"""Path relative to the file that names it."""
Pretrained = Annotated[str, AfterValidator(_locate_weights)]
"""A .pt file or a folder, relative to the file that names it, or a hub id."""


def file_of(kind: type[T], example: str) -> BeforeValidator:
    """Validator for a field whose value is the path of another YAML file of type ``kind``; see `load`."""

    def read(value: Any, info: ValidationInfo) -> T:
        if not isinstance(value, str):
            raise ValueError(f"{value!r:.{LONGEST}} is not a path")
        return load(kind, _folder(info) / value, example)

    return BeforeValidator(read)
