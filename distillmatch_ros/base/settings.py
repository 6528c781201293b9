"""Settings: pydantic models whose fields declare default, range, unit and description."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from distillmatch_ros.base.errors import DistillMatchError

LONGEST = 60
"""Longest excerpt of a wrong value in a message, characters."""

Model = TypeVar("Model", bound="Settings")


def setting(
    default: Any, description: str, *, unit: str = "", least: float | None = None, most: float | None = None
) -> Any:
    """A field of `Settings`.

    Args:
        default: default value.
        description: one or two sentences for users.
        unit: unit of a number; empty if it has none.
        least: smallest allowed value.
        most: greatest allowed value.
    """
    if isinstance(default, BaseModel):
        return Field(default_factory=type(default), description=description)
    return Field(default, description=description, ge=least, le=most, json_schema_extra={"unit": unit})


def fraction(default: float, description: str) -> Any:
    """A field of `Settings` between 0 and 1."""
    return setting(default, description, least=0, most=1)


class Settings(BaseModel):
    """Immutable values that are validated on construction.

    Raises:
        DistillMatchError: a value has the wrong type or is out of range; the message names it and its range.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise DistillMatchError("; ".join(faults(type(self), error))) from None

    def replace(self: Model, **changes: Any) -> Model:
        """A copy with other values, which are validated too."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


@dataclass(frozen=True)
class Description:
    """What a field declares about itself.

    Attributes:
        type: bool, int, float or str.
        default: default value.
        text: one or two sentences for users.
        unit: unit of a number; empty if it has none.
        least: smallest allowed value.
        most: greatest allowed value.
        choices: allowed values as text; empty if any value of the type is allowed.
    """

    type: type
    default: Any
    text: str
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def range(self) -> str:
        """Allowed values as text with the unit; empty if any value of the type is allowed."""
        if self.choices:
            return f"{', '.join(self.choices)} {self.unit}".rstrip()
        if self.least is None or self.most is None:
            return ""
        return f"{self.least:g} to {self.most:g} {self.unit}".rstrip()


@cache
def describe(model: type[Settings], path: Sequence[str]) -> Description:
    """Description of a field given by its path, such as ``("stream", "gate", "min_inliers")``."""
    field = model.model_fields[path[0]]
    if len(path) > 1:
        part = field.annotation
        assert isinstance(part, type) and issubclass(part, Settings), f"{path[0]} has no fields"
        return describe(part, tuple(path[1:]))
    choices = _choices(field)
    default = field.default.value if isinstance(field.default, Enum) else field.default
    bounds = {type(limit): limit for limit in field.metadata}
    extra = field.json_schema_extra
    return Description(
        type=type(default),
        default=default,
        text=field.description or "",
        unit=str(extra.get("unit", "")) if isinstance(extra, dict) else "",
        least=getattr(bounds.get(Ge), "ge", None),
        most=getattr(bounds.get(Le), "le", None),
        choices=choices,
    )


def _choices(field: FieldInfo) -> tuple[str, ...]:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return tuple(str(choice) for choice in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return ()


def faults(model: type[Settings] | None, error: ValidationError) -> Iterator[str]:
    """One message for each fault of a validation, with the field's name and what is allowed.

    Args:
        model: model whose descriptions give the ranges; None for a type that is not `Settings`.
        error: error raised by pydantic.
    """
    names: dict[str, list[str]] = {"missing": [], "unknown": []}
    wrong = []
    for detail in error.errors(include_url=False):
        name = _name(detail["loc"])
        if detail["type"] == "missing":
            names["missing"].append(name)
        elif detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            names["unknown"].append(name)
        else:
            wrong.append(_fault(name, detail, model))
    yield from (f"{what} {', '.join(listed)}" for what, listed in names.items() if listed)
    yield from wrong


def _fault(name: str, detail: ErrorDetails, model: type[Settings] | None) -> str:
    shown, what = f"{detail['input']!r:.{LONGEST}}", detail["msg"]
    if model is not None:
        place = tuple(str(part) for part in detail["loc"])
        try:
            described = describe(model, place)
        except (KeyError, AssertionError):
            described = None
        if described is not None and described.range:
            return f"{name} is {shown}; choose {described.range}"
    if what.startswith("Input should be "):
        return f"{name} is {shown}, not {what.removeprefix('Input should be ')}"
    what = what.removeprefix("Value error, ")
    return f"{name}: {what}" if name else what


def _name(place: tuple[int | str, ...]) -> str:
    """Format a field's path: ``("views", 0, "side")`` -> ``views[0].side``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
