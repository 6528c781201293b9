"""By what the drives of a fleet are grouped: a part of their paths, a field of the manifest, or geometry."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.manifest import read_fields
from distillmatch_ros.fleet.places import shown

GEOMETRY = "geometry"
PATH = re.compile(r"path(?::(-?[1-9]\d*))?")

Key = Callable[[str, Mapping[str, Any]], str | None]
"""Takes the name of a bag and what its table says of it; gives the name of its group, None for geometry."""


def grouping(text: str) -> Key:
    """The key of ``--group-by``.

    Args:
        text: ``geometry``; ``path`` for the folder of the bag, ``path:N`` for the Nth part of its path, from
            the end for a negative one; or a field of the manifest, or of what the table says of a bag.

    Raises:
        DistillMatchError: ``text`` is empty; the key raises it where a bag has no such part or field.
    """
    if text == GEOMETRY:
        return lambda name, about: None
    if (found := PATH.fullmatch(text)) is not None:
        return _ByPath(int(found[1] or -2))
    if not text or text.startswith("path:"):
        raise DistillMatchError(
            f"--group-by {text}: names nothing; write geometry, path, path:N (a part of the bags' paths), or "
            "a field of the manifest"
        )
    return _ByField(text)


class _ByPath:
    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, name: str, about: Mapping[str, Any]) -> str:
        place = str(about.get("bag") or name).partition(" + ")[0]  # the first of several parts
        parts = [part for part in PurePosixPath(place.partition("://")[2] or place).parts if part != "/"]
        index = self._number - 1 if self._number > 0 else len(parts) + self._number
        if not 0 <= index < len(parts):
            raise DistillMatchError(
                f"--group-by path:{self._number}: {shown(place)} has {len(parts)} parts; choose another one"
            )
        return parts[index]


class _ByField:
    """Fields come from the manifest beside a bag's output, and from the table where there is none."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._manifests: dict[str, dict[str, dict[str, Any]]] = {}

    def __call__(self, name: str, about: Mapping[str, Any]) -> str:
        fields = {**about, **about.get("topics", {}), **self._manifest(name, about).get(name, {})}
        if (value := fields.get(self._field)) is None:
            usable = ", ".join(sorted(key for key, value in fields.items() if isinstance(value, str)))
            raise DistillMatchError(
                f"--group-by {self._field}: {name} has no such field in the manifest; it has {usable}"
            )
        return str(value)

    def _manifest(self, name: str, about: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        out = str(about.get("out") or "")
        folder = out.removesuffix(f"{name}.mcap")
        if folder == out:
            return {}
        if folder not in self._manifests:
            self._manifests[folder] = read_fields(folder or ".")
        return self._manifests[folder]
