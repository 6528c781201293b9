"""Where bags are and outputs go: paths, or URLs of any store that fsspec knows (s3, gs, az, sftp, ...).

Who may read and write is told by fsspec's own means: environment, configuration files, the URL. Passwords in
URLs are never shown.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import iglob
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.extras import needing

_STAMPS = ("ETag", "etag", "md5Hash", "mtime", "LastModified")  # what stores call them, the surest first
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*@")


@dataclass(frozen=True)
class Version:
    """What tells whether a file, or a folder of files, is the one that it was.

    Attributes:
        size: bytes, of all files.
        stamp: the entity tag of its store, or when it was changed last.
    """

    size: int
    stamp: str


def is_url(place: str) -> bool:
    """Whether a place is a URL; else it is a path."""
    return "://" in place


def redacted(text: str) -> str:
    """A text without the passwords of the URLs in it."""
    return _PASSWORD.sub(r"\1:***@", text)


def beside(folder: str, name: str) -> str:
    """A place in a folder; ``name`` may have several parts."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder) / name)


def version(place: str) -> Version:
    """The version of a bag, be it a file or a folder.

    Raises:
        DistillMatchError: there is nothing, or the store cannot be reached.
    """
    if not is_url(place):
        try:
            return _version({str(each): _stat(each) for each in _files(Path(place))})
        except FileNotFoundError as error:
            raise DistillMatchError(f"{place}: no such bag; check the path") from error
    with store(place) as (system, path):
        told = system.info(path)
        return _version({path: told} if told["type"] == "file" else system.find(path, detail=True))


def matching(pattern: str) -> list[str]:
    """The places that a pattern with ``*``, ``?``, ``[...]`` or ``**`` matches, sorted.

    Raises:
        DistillMatchError: the store cannot be reached.
    """
    if not is_url(pattern):
        return sorted(iglob(pattern, recursive=True))  # noqa: PTH207  pathlib takes no absolute patterns
    with store(pattern) as (system, path):
        # Of the URL as it was given: what the store returns lacks protocol and host.
        head = pattern[: pattern.index(path)] if path in pattern else f"{pattern.partition('://')[0]}://"
        return sorted(head + str(found) for found in system.glob(path))


def existing(folder: str) -> set[str]:
    """Names of all files below a folder, relative to it; none where it is not there.

    Raises:
        DistillMatchError: the store cannot be reached.
    """
    if not is_url(folder):
        return {each.relative_to(folder).as_posix() for each in _files(Path(folder)) if each.is_file()}
    with store(folder) as (system, path):
        system.invalidate_cache()
        return {str(PurePosixPath(found).relative_to(path)) for found in system.find(path)}


@contextmanager
def staged(place: str, scratch: str | None = None) -> Iterator[Path]:
    """A bag as files of this machine: those of a store are fetched, and removed afterwards.

    Args:
        place: the bag.
        scratch: folder for what is fetched; the system's own if None.

    Raises:
        DistillMatchError: the store cannot be reached.
    """
    if not is_url(place):
        yield Path(place)
        return
    with TemporaryDirectory(prefix="distillmatch-", dir=scratch) as folder:
        with store(place) as (system, path):
            local = Path(folder) / PurePosixPath(path).name
            system.get(path, str(local), recursive=bool(system.isdir(path)))
        yield local


@contextmanager
def published(place: str, scratch: str | None = None) -> Iterator[Path]:
    """Where to write a file of this machine that goes to its place once the body is done.

    In a store it is there whole or not at all: it is uploaded under another name first. Of a path the body
    takes care itself.

    Args:
        place: where it goes.
        scratch: folder for what is uploaded; the system's own if None.

    Raises:
        DistillMatchError: the store cannot be reached.
    """
    if not is_url(place):
        yield Path(place)
        return
    with TemporaryDirectory(prefix="distillmatch-", dir=scratch) as folder:
        local = Path(folder) / PurePosixPath(place).name
        yield local
        with store(place) as (system, path):
            parent, _, name = path.rpartition("/")
            system.makedirs(parent, exist_ok=True)
            system.put_file(str(local), f"{parent}/.{name}.partial")
            system.mv(f"{parent}/.{name}.partial", path)


@contextmanager
def store(place: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL, and the path within it.

    Raises:
        DistillMatchError: fsspec or the store's package is missing, or the body cannot reach it.
    """
    with needing("fleet"):
        import fsspec
    try:
        yield fsspec.core.url_to_fs(place)
    except DistillMatchError:
        raise
    except FileNotFoundError as error:
        raise DistillMatchError(f"{redacted(place)}: nothing is there; check the address") from error
    except Exception as error:  # each store's package has errors of its own
        reason = redacted(" ".join(str(error).split()) or type(error).__name__)
        raise DistillMatchError(
            f"{redacted(place)}: cannot be reached ({reason}); check address, credentials and packages"
        ) from error


def _files(path: Path) -> list[Path]:
    return [each for each in sorted(path.rglob("*")) if each.is_file()] if path.is_dir() else [path]


def _stat(path: Path) -> Mapping[str, Any]:
    told = path.stat()
    return {"size": told.st_size, "mtime": told.st_mtime_ns}


def _version(files: Mapping[str, Mapping[str, Any]]) -> Version:
    stamps = [
        str(next((told[key] for key in _STAMPS if told.get(key)), "")).strip('"')
        for _, told in sorted(files.items())
    ]
    stamp = stamps[0] if len(stamps) == 1 else sha256("\n".join(stamps).encode()).hexdigest()
    return Version(sum(int(told["size"]) for told in files.values()), stamp)
