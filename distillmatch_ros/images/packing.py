"""Unpacks values of 10, 12 and 14 bits to 16 bits each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Packing:
    """How a group of values is packed into bytes.

    Attributes:
        bits: bits per value.
        places: for each value of a group, the positions of its bits, lowest first: 8 * byte + bit.
        bytes: bytes per group.
    """

    bits: int
    places: tuple[tuple[int, ...], ...]
    bytes: int

    def row_bytes(self, width: int) -> int:
        """Bytes of a row of ``width`` values, rounded up to whole groups."""
        return -(-width // len(self.places)) * self.bytes

    def unpack(self, rows: NDArray[np.uint8], width: int) -> NDArray[np.uint16]:
        """Unpack rows of bytes, uint8 (H, at least `row_bytes`), to uint16 (H, width)."""
        used = self.row_bytes(width)
        grouped = rows[:, :used].astype(np.uint16).reshape(len(rows), -1, self.bytes)
        unpacked = np.zeros((len(rows), grouped.shape[1], len(self.places)), np.uint16)
        for value, runs in enumerate(self._runs):
            for byte, low, count, to in runs:
                part = (grouped[..., byte] >> low) & ((1 << count) - 1)
                unpacked[..., value] |= part << to
        return np.ascontiguousarray(unpacked.reshape(len(rows), -1)[:, :width])

    @cached_property
    def _runs(self) -> list[list[tuple[int, int, int, int]]]:
        """For each value, runs of adjacent bits of one byte: byte, lowest bit, number of bits, target bit."""
        found = []
        for places in self.places:
            runs: list[tuple[int, int, int, int]] = []
            for bit, place in enumerate(places):
                byte, low = divmod(place, 8)
                if runs and runs[-1][0] == byte and sum(runs[-1][1:3]) == low:
                    runs[-1] = (byte, runs[-1][1], runs[-1][2] + 1, runs[-1][3])
                else:
                    runs.append((byte, low, 1, bit))
            found.append(runs)
        return found


def _stream(bits: int, values: int) -> Packing:
    """Values one after another, lowest bit first: GenICam's ``p`` formats."""
    places = tuple(tuple(range(bits * value, bits * (value + 1))) for value in range(values))
    return Packing(bits, places, bits * values // 8)


def _gige(bits: int) -> Packing:
    """High bits of two values with a byte of their low bits between: GigE Vision's ``Packed``, 3 bytes."""
    low = bits - 8
    return Packing(
        bits,
        tuple(
            (*range(8 + 4 * value, 8 + 4 * value + low), *range(16 * value, 16 * value + 8))
            for value in (0, 1)
        ),
        3,
    )


def _csi2(bits: int, values: int) -> Packing:
    """High bytes of the values, then all low bits: MIPI CSI-2, V4L2's ``Y10P``."""
    low = bits - 8
    return Packing(
        bits,
        tuple(
            (
                *range(8 * values + low * value, 8 * values + low * (value + 1)),
                *range(8 * value, 8 * value + 8),
            )
            for value in range(values)
        ),
        bits * values // 8,
    )


PACKINGS: Mapping[str, Packing] = {
    **{f"{bits}p": _stream(bits, values) for bits, values in ((10, 4), (12, 2), (14, 4))},
    **{f"{bits}packed": _gige(bits) for bits in (10, 12)},
    **{f"{bits}_csi2p": _csi2(bits, values) for bits, values in ((10, 4), (12, 2), (14, 4))},
}
"""Packings by the part of the encoding's name after ``mono`` or ``bayer_rggb``."""
