"""Results on disk: a place that cannot be written is an error a person can mend."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from distillmatch_ros.errors import DistillMatchError

STANDARD_OUTPUT = Path("-")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around whatever writes to a path.

    Raises:
        DistillMatchError: the body could not write.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read the output has seen enough: no error of the path
        raise
    except OSError as error:
        raise DistillMatchError(
            f"{path}: cannot be written ({error.strerror}); name another place"
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file for writing, ``-`` being standard output."""
    if path == STANDARD_OUTPUT:
        yield sys.stdout
        return
    make_folder(path.parent)
    with writing(path):
        # A file name need not be text; a JSON document holds such a byte as an escape.
        file = path.open("w", encoding="utf-8", errors="backslashreplace")
    try:
        yield file
    finally:
        with writing(path):  # what is still in the buffer may not fit the disk
            file.close()


def write_json(path: Path, record: Any) -> None:
    """Write one JSON document, ``-`` being standard output."""
    write_text(path, json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def replace_file(path: Path, text: str) -> None:
    """Write a whole text beside the path, then rename: a kill leaves the old file or the new one."""
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.partial")
    with writing(path):
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a whole text, ``-`` being standard output."""
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    make_folder(path.parent)
    with writing(path):
        path.write_text(text, encoding="utf-8")
