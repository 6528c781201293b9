"""Settings: pydantic models whose fields hold default, range, unit and description, checked in one place."""

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
"""Letters of a wrong value that a message shows."""

Model = TypeVar("Model", bound="Settings")


def setting(
    default: Any, description: str, *, unit: str = "", least: float | None = None, most: float | None = None
) -> Any:
    """A field of `Settings`.

    Args:
        default: its value where none is given.
        description: one or two sentences for people.
        unit: of a number; empty if it has none.
        least: smallest value allowed.
        most: greatest value allowed.
    """
    if isinstance(default, BaseModel):
        return Field(default_factory=type(default), description=description)
    return Field(default, description=description, ge=least, le=most, json_schema_extra={"unit": unit})


class Settings(BaseModel):
    """Values that are checked when they are made, wherever they come from, and do not change.

    Raises:
        DistillMatchError: a value has the wrong type or is out of range; names it and says what is allowed.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise DistillMatchError("; ".join(faults(type(self), error))) from None

    def replace(self: Model, **changes: Any) -> Model:
        """The same with other values, which are checked likewise."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


@dataclass(frozen=True)
class Description:
    """What a field says of itself.

    Attributes:
        type: bool, int, float or str.
        default: its value where none is given.
        text: for people; a sentence or two.
        unit: of a number; empty if it has none.
        least: smallest value allowed.
        most: greatest value allowed.
        choices: values allowed, as text; any of the type if empty.
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
        """What is allowed, for people; empty where anything of the type is."""
        if self.choices:
            return f"{', '.join(self.choices)} {self.unit}".rstrip()
        if self.least is None or self.most is None:
            return ""
        return f"{self.least:g} to {self.most:g} {self.unit}".rstrip()


@cache
def describe(model: type[Settings], path: Sequence[str]) -> Description:
    """The description of a field, such as ``("stream", "gate", "min_inliers")`` of the parameters."""
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
    """All that is wrong, each with its name and what is allowed.

    Args:
        model: whose fields tell what is allowed; None where they are not `Settings`.
        error: from pydantic.
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
    """``("views", 0, "side")`` -> ``views[0].side``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
