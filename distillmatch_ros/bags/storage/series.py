"""Which recordings the files of a folder are: a recorder splits one into numbered files without a pause."""

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from distillmatch_ros.bags.storage.folder import (
    METADATA,
    file_number,
    is_storage,
    is_video,
    kind_of,
    open_file,
    without_format,
)
from distillmatch_ros.base.units import SECOND

PAUSE_NS = 10 * SECOND
"""Longest time between two successive files of one recording."""
OVERLAP_NS = SECOND
"""Longest time by which they overlap."""


@dataclass(frozen=True)
class _Content:
    """Topics of a file, and the times of receipt of its first and last message, ns."""

    topics: frozenset[str]
    start: int
    end: int


def recordings(path: Path) -> list[tuple[Path, ...]]:
    """The recordings at a path, each as the paths of its parts, in the order of their names.

    Args:
        path: a file; or a folder: one bag if it has a metadata.yaml, otherwise as many as its files and
            folders show by their names, topics and times.

    Raises:
        OSError: a folder cannot be read.
    """
    if not path.is_dir() or (path / METADATA).exists():
        return [(path,)]
    inside = sorted(path.iterdir())
    files = [each for each in inside if is_storage(each)]
    found = series(files or [each for each in inside if is_video(each)])
    folders = [each for each in inside if each.is_dir() and _is_bag(each)]
    if len(found) + len(folders) < 2 and files:
        return [(path,)]
    if not found and not folders:
        return [(path,)]
    return sorted([*found, *((folder,) for folder in folders)])


def series(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Group files into recordings.

    Files of one name but for their last number belong together as long as each continues the one before it:
    it has the same topics, and begins where that ends. Behind a missing number time may have passed.
    """
    by_name: dict[tuple[Path, str, str], list[Path]] = {}
    for file in sorted(files, key=file_number):
        stem = re.sub(r"_?\d+$", "", without_format(file.name))
        by_name.setdefault((file.parent, stem, kind_of(file)), []).append(file)
    found: list[list[Path]] = []
    for group in by_name.values():
        contents = [_content(file) if len(group) > 1 else None for file in group]
        found.append(group[:1])
        for before, after, first, second in zip(group, group[1:], contents, contents[1:], strict=False):
            if _continues(file_number(after)[0] - file_number(before)[0], first, second):
                found[-1].append(after)
            else:
                found.append([after])
    return sorted(tuple(group) for group in found)


def _continues(numbers: int, first: _Content | None, second: _Content | None) -> bool:
    """Whether a file continues the one before it; damaged ones, of which nothing is known, may."""
    if first is None or second is None:
        return True
    pause = second.start - first.end
    same = bool(first.topics & second.topics)
    after = second.start > first.start and pause > -OVERLAP_NS
    return same and after and (pause < PAUSE_NS or numbers > 1)


def _content(file: Path) -> _Content | None:
    with TemporaryDirectory(prefix="distillmatch-") as scratch:
        try:
            with closing(open_file(file, Path(scratch), lambda _: None)) as opened:
                span = opened.span
                return None if span is None else _Content(frozenset(opened.topics), *span)
        except Exception:  # damage can bring anything out of the libraries; reading it reports that
            return None


def _is_bag(folder: Path) -> bool:
    return (folder / METADATA).exists() or any(is_storage(each) for each in folder.iterdir())
