"""The exception whose message is shown to the user, and what raises it everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

BREAK = "\n  "
"""What begins a line below the first in a message: no name of a file can pose as a message of its own."""


class DistillMatchError(Exception):
    """An error that the user can fix.

    The message names the file or value, the reason and the remedy; the command line prints it without a
    traceback. What a user may choose from stands below it: ``DistillMatchError(message, *lines)``. A line
    break within one of them, such as in the name of a file, is escaped.
    """

    def __str__(self) -> str:
        return BREAK.join(str(line).replace("\n", r"\n") for line in self.args)


def check_type(value: Any, kind: type[T] | tuple[type[T], ...], name: str) -> T:
    """An argument of a public function, if it has the type that it must have.

    Raises:
        DistillMatchError: it has another.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(each.__name__ for each in kinds)
        raise DistillMatchError(f"{name}: {value!r:.60} is not of type {expected}")
    return value


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Translate errors of imports of the packages of an extra.

    Args:
        extra: its name in ``pip install 'distillmatch_ros[extra]'``.

    Raises:
        DistillMatchError: one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("distillmatch_ros"):
            raise
        raise DistillMatchError(
            f"this command needs {error.name}, which is not installed: "
            f"pip install 'distillmatch_ros[{extra}]'"
        ) from error
