"""Atomic writing of results: a file is replaced as a whole or stays as it was."""

import errno
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import filelock
import platformdirs

from distillmatch_ros.base.errors import DistillMatchError

STANDARD_OUTPUT = Path("-")
# A file name need not be text; a JSON document holds such a byte as an escape.
NO_TEXT = "backslashreplace"

_log = logging.getLogger(__name__)


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


def check_outputs(paths: Iterable[Path | None], overwrite: bool) -> None:
    """See, before any work, that files can be written and that none is lost by it. Nothing is made.

    Args:
        paths: of files to write; None, standard output, pipes and devices are no files.
        overwrite: files that exist may be replaced.

    Raises:
        DistillMatchError: a file exists already, or cannot be written where it is to be.
    """
    places: set[Path] = set()
    for path in paths:
        if path is None or path == STANDARD_OUTPUT:
            continue
        with writing(path):  # a name may be too long to ask about
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if path.is_file() and not overwrite:
                raise DistillMatchError(
                    f"{path}: exists already; pass --overwrite to replace it, or name another file"
                )
            if path.parent not in places and (path.is_file() or not path.exists()):
                _check_place(path)
                places.add(path.parent)


def _check_place(path: Path) -> None:
    """Where a file, and the folders above it that are not there yet, would be made."""
    folder = next(each for each in path.absolute().parents if each.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def open_text(path: Path, append: bool = False) -> Iterator[TextIO]:
    """Open a text file for writing, ``-`` being standard output; ``append`` keeps what it holds."""
    if path == STANDARD_OUTPUT:
        yield sys.stdout
        return
    make_folder(path.parent)
    with writing(path):
        file = path.open("a" if append else "w", encoding="utf-8", errors=NO_TEXT)
    try:
        yield file
    finally:
        with writing(path):  # what is still in the buffer may not fit the disk
            file.close()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file whose content takes its place when the body is done, whole or not at all.

    A kill, a full disk or an error of the body leaves what was there before. A link stays, and what it leads
    to is replaced. Only a pipe or a device, which has nothing to replace, is written as the body goes.

    Raises:
        DistillMatchError: it cannot be written.
    """
    make_folder(path.parent)
    if path.exists() and (not path.is_file() or path.absolute().is_relative_to("/dev")):
        with writing(path), path.open("wb") as file:
            yield file
        return
    place = path.resolve()
    partial = place.with_name(f".{place.name}.partial")
    with writing(path):
        try:
            with partial.open("wb") as file:
                yield file
            if place.exists():
                shutil.copymode(place, partial)
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole text, ``-`` being standard output."""
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    write_bytes(path, text.encode(errors=NO_TEXT))


def write_json(path: Path, record: Any) -> None:
    """Write one JSON document, ``-`` being standard output."""
    write_text(path, json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def cache_folder() -> Path:
    """Where this user keeps what can be made again: on Linux ``$XDG_CACHE_HOME/distillmatch_ros``.

    Without that variable it is in ``~/.cache``. It need not exist.
    """
    return platformdirs.user_cache_path("distillmatch_ros", appauthor=False)


@contextmanager
def locked(folder: Path, waiting: str, level: int = logging.WARNING) -> Iterator[None]:
    """Hold a folder, which is made if missing: one process at a time. Who dies lets go of it.

    Args:
        folder: what is held.
        waiting: logged where another process holds it.
        level: of that, by `logging`.

    Raises:
        DistillMatchError: the folder cannot be written.
    """
    make_folder(folder)
    lock = filelock.FileLock(folder / "lock")
    with writing(folder):
        with tempfile.TemporaryFile(dir=folder):
            pass
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            _log.log(level, "%s", waiting)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
