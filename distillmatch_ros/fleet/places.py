"""Places of bags and outputs: local paths, or URLs that fsspec supports (s3, gs, az, sftp, ...).

Credentials come from fsspec's own configuration (environment, configuration files, URL). Passwords in URLs
are never printed.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import iglob
from hashlib import sha256
from os import SEEK_END
from os.path import normpath, relpath
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from distillmatch_ros.base.errors import DistillMatchError, needing

_STAMPS = (
    "ETag",
    "etag",
    "md5Hash",
    "mtime",
    "LastModified",
)  # names in different stores, the most reliable first
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*@")


@dataclass(frozen=True)
class Version:
    """Version of a file or folder; equal versions mean equal contents.

    Attributes:
        size: total size of all files, bytes.
        stamp: entity tag, or time of the last change; a hash of these for a folder.
    """

    size: int
    stamp: str


def is_url(place: str) -> bool:
    """Whether a place is a URL instead of a local path."""
    return "://" in place


def shown(text: str) -> str:
    """A text for people and files: without the passwords of URLs, and with bytes of file names that are not
    UTF-8 as escapes.
    """
    return _PASSWORD.sub(r"\1:***@", text.encode(errors="surrogateescape").decode(errors="backslashreplace"))


def joined(folder: str, name: str) -> str:
    """Join a folder and a relative name."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder) / name)


def to_file(place: str, file: str) -> str:
    """A place as it is written into a file: a local one relative to the folder of a local file, so that both
    may move together.
    """
    if is_url(place):
        return shown(place)
    return str(Path(place).absolute()) if is_url(file) else relpath(place, Path(file).parent)


def from_file(place: str, file: str) -> str:
    """A place that a file names; see `to_file`."""
    return place if is_url(place) or is_url(file) else normpath(Path(file).parent / place)


def version(place: str) -> Version:
    """Version of a bag, a file or a folder.

    Raises:
        DistillMatchError: it does not exist, or the store cannot be reached.
    """
    if not is_url(place):
        try:
            return _version({str(each): _stat(each) for each in _files(Path(place))})
        except FileNotFoundError as error:
            raise DistillMatchError(f"{place}: no such bag; check the path") from error
        except OSError as error:  # a link to itself, a folder without permission
            raise DistillMatchError(
                f"{place}: cannot be read ({error.strerror}); check the path and its permissions"
            ) from error
    with store(place) as (system, path):
        info = system.info(path)
        return _version({path: info} if info["type"] == "file" else system.find(path, detail=True))


def matching(pattern: str) -> list[str]:
    """Places that match a pattern with ``*``, ``?``, ``[...]`` or ``**``, sorted.

    Raises:
        DistillMatchError: the store cannot be reached.
    """
    if not is_url(pattern):
        return sorted(iglob(pattern, recursive=True))  # noqa: PTH207  pathlib takes no absolute patterns
    with store(pattern) as (system, path):
        # The results of `glob` lack protocol and host; these are taken from the pattern.
        head = pattern[: pattern.index(path)] if path in pattern else f"{pattern.partition('://')[0]}://"
        return sorted(head + str(found) for found in system.glob(path))


def existing(folder: str) -> set[str]:
    """Relative names of all files below a folder; empty if it does not exist.

    Raises:
        DistillMatchError: the store cannot be reached.
    """
    if not is_url(folder):
        return {each.relative_to(folder).as_posix() for each in _files(Path(folder)) if each.is_file()}
    with store(folder) as (system, path):
        system.invalidate_cache()
        return {str(PurePosixPath(found).relative_to(path)) for found in system.find(path)}


def last_bytes(place: str, number: int) -> bytes:
    """The last bytes of a file; fewer if it is shorter, none if there is none.

    Raises:
        DistillMatchError: the store cannot be reached.
    """
    if is_url(place):
        with store(place) as (system, path):
            return bytes(system.tail(path, number)) if system.exists(path) else b""
    with suppress(OSError), Path(place).open("rb") as file:
        file.seek(-min(number, file.seek(0, SEEK_END)), SEEK_END)
        return file.read()
    return b""


@contextmanager
def staged(place: str, scratch: str | None = None) -> Iterator[Path]:
    """Provide a bag as local files; from a store it is downloaded, and removed afterwards.

    Args:
        place: path or URL of the bag.
        scratch: folder for downloads; the system's temporary folder if None.

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
    """Provide a local path for a file to write; for a URL it is uploaded when the body ends without an error.

    The upload is atomic: it goes to a temporary key first. For a local path the body itself has to write
    atomically.

    Args:
        place: path or URL of the file.
        scratch: folder for files to upload; the system's temporary folder if None.

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
    """Open the file system of a URL; yields it and the path within it.

    Raises:
        DistillMatchError: fsspec or the package of the store is missing, or the body cannot reach the store.
    """
    with needing("fleet"):
        import fsspec
    try:
        yield fsspec.core.url_to_fs(place)
    except DistillMatchError:
        raise
    except FileNotFoundError as error:
        raise DistillMatchError(f"{shown(place)}: nothing is there; check the address") from error
    except Exception as error:  # each store's package has errors of its own
        reason = shown(" ".join(str(error).split()) or type(error).__name__)
        raise DistillMatchError(
            f"{shown(place)}: cannot be reached ({reason}); check address, credentials and packages"
        ) from error


def _files(path: Path) -> list[Path]:
    return [each for each in sorted(path.rglob("*")) if each.is_file()] if path.is_dir() else [path]


def _stat(path: Path) -> Mapping[str, Any]:
    info = path.stat()
    return {"size": info.st_size, "mtime": info.st_mtime_ns}


def _version(files: Mapping[str, Mapping[str, Any]]) -> Version:
    stamps = [
        str(next((info[key] for key in _STAMPS if info.get(key)), "")).strip('"')
        for _, info in sorted(files.items())
    ]
    stamp = stamps[0] if len(stamps) == 1 else sha256("\n".join(stamps).encode()).hexdigest()
    return Version(sum(int(info["size"]) for info in files.values()), stamp)
