"""Temperatures as text: a matrix of numbers in CSV, as thermal cameras' programs export it."""

import codecs

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.sizes import check_size

SUFFIX = ".csv"
LEAST_SIDE = 2
"""Fewest rows and columns of a matrix; fewer are a list."""

_COUNTED = 8  # rows from which on a column that counts them is none of the image


def decode_matrix(data: NDArray[np.uint8], name: str, remedy: str, max_pixels: int) -> NDArray[np.float32]:
    """Read the largest block of rows with equally many numbers; lines of text around it are passed over.

    Columns are separated by semicolons, tabs, commas or spaces. With semicolons or tabs a decimal comma is
    read too. A first column that numbers the rows, as tables are saved by programs, is left out.

    Args:
        data: uint8 (N,).
        name: name of the file in errors.
        remedy: remedy in errors.
        max_pixels: larger matrices are rejected.

    Returns:
        float32 (H, W).

    Raises:
        DistillMatchError: there is no such block, or it is too large.
    """
    content = data.tobytes()
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_wide else "utf-8-sig", errors="replace").replace('"', "")
    separator = next((sign for sign in ";\t," if sign in text), None)
    best: list[list[float]] = []
    block: list[list[float]] = []
    for line in text.splitlines():
        row = _numbers(line, separator)
        if not block or row is None or len(row) != len(block[0]):
            best, block = max(best, block, key=_size), []
        if row is not None:
            block.append(row)
            check_size(len(block), len(row), name, max_pixels)
    best = max(best, block, key=_size)
    if len(best) < LEAST_SIDE or len(best[0]) < LEAST_SIDE:
        raise DistillMatchError(f"{name}: holds no matrix of numbers; {remedy}")
    matrix = np.array(best, np.float32)
    return matrix[:, 1:] if _is_numbered(matrix) else matrix


def _numbers(line: str, separator: str | None) -> list[float] | None:
    """The numbers of a line; None if it holds something else, or nothing."""
    if separator in (";", "\t"):
        line = line.replace(",", ".")
    cells = line.strip().rstrip(separator).split(separator)
    try:
        return [float(cell) for cell in cells] if line.strip() else None
    except ValueError:
        return None


def _is_numbered(matrix: NDArray[np.float32]) -> bool:
    """Whether the first column counts the rows, from 0 or 1: no camera sees that."""
    rows, columns = matrix.shape
    counted = np.arange(rows) + matrix[0, 0]
    is_counting = matrix[0, 0] in (0, 1) and np.array_equal(matrix[:, 0], counted)
    return rows >= _COUNTED and columns > LEAST_SIDE and is_counting


def _size(block: list[list[float]]) -> int:
    return len(block) * len(block[0]) if block else 0
