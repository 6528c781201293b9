"""Atomic file output: a file is replaced completely or left unchanged."""

import errno
import json
import logging
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from os.path import realpath
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import filelock
import platformdirs

from distillmatch_ros.base.errors import DistillMatchError

STANDARD_OUTPUT = Path("-")
# File names may hold bytes that are not UTF-8; JSON output escapes them.
NO_TEXT = "backslashreplace"

_log = logging.getLogger(__name__)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Context for code that writes to ``path``: turns OSError into an error with the path and a remedy.

    Raises:
        DistillMatchError: the body failed to write.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of standard output closed it: not a fault of the path
        raise
    except OSError as error:
        raise DistillMatchError(
            f"{path}: cannot be written ({error.strerror}); name another place"
        ) from error


def check_outputs(
    paths: Iterable[Path | None],
    overwrite: bool,
    inputs: Iterable[Path | None] = (),
    json_file: Path | None = None,
) -> None:
    """Check before any work that outputs can be written and that no existing file is lost. Writes nothing.

    Args:
        paths: output files; None, standard output (``-``), pipes and devices are skipped.
        overwrite: whether existing files may be replaced.
        inputs: files that the command reads, or writes under a name of its own; None is skipped.
        json_file: one more output, which replaces JSON only; see `check_kind`.

    Raises:
        DistillMatchError: a file exists already, is an input or another output, or its
            folder cannot be written.
    """
    places: set[Path] = set()
    # realpath, since Path.resolve raises for a link to itself, which its reader reports.
    taken = {realpath(path) for path in inputs if path is not None}
    for path in (*paths, json_file):
        if path is None or path == STANDARD_OUTPUT:
            continue
        with writing(path):  # is_dir raises for a name that is too long
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if realpath(path) in taken:
                raise DistillMatchError(f"{path}: is an input or another output too; name another file")
            if path.is_file() or not path.exists():
                taken.add(realpath(path))
            if path.is_file() and not overwrite:
                raise DistillMatchError(
                    f"{path}: exists already; pass --overwrite to replace it, or name another file"
                )
            if path.parent not in places and (path.is_file() or not path.exists()):
                _check_place(path)
                places.add(path.parent)
    check_kind(json_file, ".json", ".jsonl")


def check_suffix(path: Path | None, suffix: str) -> None:
    """Check that an output is named after its format, by which other programs will read it.

    Args:
        path: output file; None is allowed.
        suffix: the suffix of its format, with the dot.

    Raises:
        DistillMatchError: its suffix is another.
    """
    if path is not None and path.suffix != suffix:
        raise DistillMatchError(
            f"{path}: would hold {suffix.removeprefix('.').upper()}; choose a name that ends in {suffix}"
        )


def check_kind(path: Path | None, *suffixes: str) -> None:
    """Check that an output replaces no file of another kind, such as a recording, an image or a network.

    Args:
        path: output file; None, standard output (``-``), pipes, devices and new files are skipped.
        suffixes: suffixes of files of the output's own kind, with the dot.

    Raises:
        DistillMatchError: it would.
    """
    if path is not None and path != STANDARD_OUTPUT and path.is_file() and path.suffix not in suffixes:
        raise DistillMatchError(f"{path}: exists and is no {' or '.join(suffixes)} file; name another file")


def check_no_device(path: Path) -> None:
    """Reject devices, which may be read without end, such as ``/dev/zero``.

    Raises:
        DistillMatchError: it is one.
    """
    with suppress(OSError, ValueError):  # reading it reports the error
        mode = path.stat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise DistillMatchError(f"{path}: is a device; name a file")


def _check_place(path: Path) -> None:
    """Check that a file, and its missing parent folders, could be created."""
    folder = next(each for each in path.absolute().parents if each.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    with tempfile.TemporaryFile(dir=folder):  # permissions alone do not tell: /proc takes no files of anyone
        pass


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; an existing folder is left as it is."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def open_text(path: Path, append: bool = False) -> Iterator[TextIO]:
    """Open a text file for writing, ``-`` being standard output.

    Args:
        path: the file.
        append: keep what it holds. A last line without end, as a kill leaves it, is ended: what follows would
            be read as its rest.
    """
    if path == STANDARD_OUTPUT:
        yield sys.stdout
        return
    make_folder(path.parent)
    with writing(path):
        unfinished = append and path.is_file() and _is_unfinished(path)
        file = path.open("a" if append else "w", encoding="utf-8", errors=NO_TEXT)
    try:
        if unfinished:
            file.write("\n")
        yield file
    finally:
        with writing(path):  # flushing the buffer may fail on a full disk
            file.close()


def _is_unfinished(path: Path) -> bool:
    """Whether a file's last line has no end."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        return file.read() not in (b"", b"\n")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that atomically replaces ``path`` when the body ends without an error.

    After a kill, a full disk or an error in the body the previous content remains. A symbolic link is kept
    and its target replaced. A pipe or a device is written directly.

    Raises:
        DistillMatchError: the file cannot be written.
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
    """Write a binary file atomically; see `replacing`."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, or to standard output if the path is ``-``."""
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    write_bytes(path, text.encode(errors=NO_TEXT))


def write_json(path: Path, record: Any) -> None:
    """Write a JSON document atomically, or to standard output if the path is ``-``."""
    write_text(path, json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def cache_folder() -> Path:
    """This user's cache folder: on Linux ``$XDG_CACHE_HOME/distillmatch_ros``, by default below ``~/.cache``.

    It may not exist yet.
    """
    return platformdirs.user_cache_path("distillmatch_ros", appauthor=False)


def take_lock(path: Path, busy: str) -> filelock.FileLock:
    """Take an exclusive lock file without waiting; the operating system releases it if the process dies.

    Args:
        path: lock file, in an existing folder.
        busy: what the error says if another process holds the lock.

    Raises:
        DistillMatchError: another process holds the lock, or the folder cannot be written.
    """
    lock = filelock.FileLock(path)
    with writing(path.parent):
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise DistillMatchError(busy) from error
    return lock


@contextmanager
def locked(folder: Path, waiting: str, level: int = logging.WARNING) -> Iterator[None]:
    """Hold an exclusive lock on a folder; the operating system releases it if the process dies.

    Args:
        folder: folder to lock; created if missing.
        waiting: message logged while another process holds the lock.
        level: `logging` level of that message.

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
