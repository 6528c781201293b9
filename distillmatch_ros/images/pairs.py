"""Lists of image pairs on disk: a pairs folder or a CSV."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_no_device

IMAGE_SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".csv", ".jpeg", ".jpg", ".npy", ".pgm", ".png", ".ppm", ".rjpg"),
        *(".tif", ".tiff", ".webp"),
    }
)
HEADER = ("visible", "thermal")


@dataclass(frozen=True)
class PairPaths:
    """The two image files of a pair.

    Attributes:
        visible: path of the visible image.
        thermal: path of the thermal image.
        listed_as: both paths as spelled in the list, so that results can be joined with it.
    """

    visible: Path
    thermal: Path
    listed_as: tuple[str, str]

    @classmethod
    def of(cls, visible: Path, thermal: Path) -> "PairPaths":
        """A pair that is listed under its own paths."""
        return cls(visible, thermal, (str(visible), str(thermal)))


def read_folder(folder: Path) -> list[PairPaths]:
    """List a pairs folder: ``visible/NAME.ext`` and ``thermal/NAME.ext``, sorted by name.

    The two extensions may differ (a JPEG and a 16-bit PNG). Hidden files and other file types are ignored.

    Raises:
        DistillMatchError: a folder is missing or empty, or the names of the two sides differ.
    """
    _check_folder(folder)
    visible, thermal = (_images_by_name(folder, side) for side in HEADER)
    unpaired = [
        *(f"visible/{visible[name].name}" for name in sorted(visible.keys() - thermal.keys())),
        *(f"thermal/{thermal[name].name}" for name in sorted(thermal.keys() - visible.keys())),
    ]
    if unpaired:
        shown = ", ".join(unpaired[:3]) + (f" and {len(unpaired) - 3} more" if len(unpaired) > 3 else "")
        raise DistillMatchError(
            f"{folder}: without a partner of the same name: {shown}; "
            "every visible/NAME needs a thermal/NAME and the other way round"
        )
    return [PairPaths.of(visible[name], thermal[name]) for name in sorted(visible)]


def read_csv(path: Path) -> list[PairPaths]:
    """Read a CSV with the header ``visible,thermal``; relative paths start at the CSV's own folder.

    Raises:
        DistillMatchError: the file cannot be read, has another header, no rows, or a row without two paths.
    """
    if not path.exists():
        raise DistillMatchError(f"{path}: no such file or folder; check the path")
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the header.
        check_no_device(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _read_rows(path, csv.reader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DistillMatchError(
            f"{path}: cannot be read as a CSV of pairs ({error}); "
            "name a file with a row visible,thermal for each pair"
        ) from error


def files_of(pairs: Sequence[PairPaths]) -> list[Path]:
    """All files of pairs."""
    return [file for pair in pairs for file in (pair.visible, pair.thermal)]


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder, sorted by name; hidden files and other file types are ignored.

    Raises:
        DistillMatchError: the folder is missing, or holds no images.
    """
    _check_folder(folder)
    images = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not images:
        raise DistillMatchError(f"{folder}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return images


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DistillMatchError(f"{folder}: no such folder; check the path")


def _images_by_name(folder: Path, side: str) -> dict[str, Path]:
    if not (folder / side).is_dir():
        raise DistillMatchError(
            f"{folder}: has no folder {side}/; a pairs folder holds visible/NAME.ext and thermal/NAME.ext"
        )
    images: dict[str, Path] = {}
    for path in list_images(folder / side):
        if path.stem in images:
            raise DistillMatchError(
                f"{folder / side}: {images[path.stem].name} and {path.name} share a name; keep one of them"
            )
        images[path.stem] = path
    return images


def _read_rows(path: Path, reader: Iterator[Sequence[str]]) -> list[PairPaths]:
    header = next(reader, None)
    if header is None:
        raise DistillMatchError(f"{path}: is empty; the first line must be visible,thermal")
    if tuple(cell.strip().lower() for cell in header) != HEADER:
        raise DistillMatchError(f"{path}: the first line is {','.join(header)!r}; it must be visible,thermal")
    pairs = []
    for number, row in enumerate(reader, start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or any(not cell or "\0" in cell for cell in cells):
            raise DistillMatchError(
                f"{path}: row {number} is {','.join(row)!r}; it must hold two paths, visible,thermal"
            )
        visible, thermal = cells
        pairs.append(PairPaths(path.parent / visible, path.parent / thermal, (visible, thermal)))
    if not pairs:
        raise DistillMatchError(f"{path}: lists no pairs below its header")
    return pairs
