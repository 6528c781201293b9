"""By what the drives of a fleet are grouped: a part of their paths, a field of the manifest, or geometry."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.fleet.places import shown
from distillmatch_ros.fleet.stored import StoredBag

GEOMETRY = "geometry"
PATH = re.compile(r"path(?::(-?[1-9]\d*))?")

Key = Callable[[StoredBag], str | None]
"""Gives the name of a bag's group, None for geometry."""


def grouping(text: str) -> Key:
    """The key of ``--group-by``.

    Args:
        text: ``geometry``; ``path`` for the folder of the bag, ``path:N`` for the Nth part of its path, from
            the end for a negative one; or a field of the manifest, or of what is recorded of a bag.

    Raises:
        DistillMatchError: ``text`` is empty; the key raises it where a bag has no such part or field.
    """
    if text == GEOMETRY:
        return lambda bag: None
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

    def __call__(self, bag: StoredBag) -> str:
        place = str(bag.recording.provenance.get("bag") or bag.recording.title)
        place = place.partition(" + ")[0]  # the first of several parts
        parts = [part for part in PurePosixPath(place.partition("://")[2] or place).parts if part != "/"]
        index = self._number - 1 if self._number > 0 else len(parts) + self._number
        if not 0 <= index < len(parts):
            raise DistillMatchError(
                f"--group-by path:{self._number}: {shown(place)} has {len(parts)} parts; choose another one"
            )
        return parts[index]


class _ByField:
    def __init__(self, field: str) -> None:
        self._field = field

    def __call__(self, bag: StoredBag) -> str:
        recorded = bag.recording.provenance
        fields = {**recorded, **recorded.get("topics", {}), **bag.line()}
        if (value := fields.get(self._field)) is None:
            usable = ", ".join(sorted(key for key, value in fields.items() if isinstance(value, str)))
            raise DistillMatchError(
                f"--group-by {self._field}: {bag.recording.title} has no such field; write one of {usable}, "
                "or add it to the lines of the manifest. A table that was moved away from its manifest does "
                "not find it: name the folder of the manifest in its place"
            )
        return str(value)
