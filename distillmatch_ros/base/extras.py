"""Optional packages that only some commands need."""

from collections.abc import Iterator
from contextlib import contextmanager

from distillmatch_ros.base.errors import DistillMatchError


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
