"""Enumerations whose members are words."""

from enum import Enum


class StrEnum(str, Enum):
    """As in the standard library from Python 3.11 on: a member prints as its value."""

    def __str__(self) -> str:
        return str(self.value)
