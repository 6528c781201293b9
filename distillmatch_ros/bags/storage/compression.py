"""Compressed data, of which what stands before a damage is kept."""

import bz2
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""What compressed messages begin with; no message of ROS does: its first byte is 0."""
STEP = 1 << 20
"""Bytes of output taken at a time."""

_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "zstd": zstd.ZstdDecompressor,
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "bz2": bz2.BZ2Decompressor,
}
_INPUT = 1 << 12


def decompress(method: str, data: bytes, limit: int) -> tuple[bytes, str | None]:
    """As much of the data as can be had.

    Args:
        method: ``zstd``, ``lz4``, ``bz2``; empty or ``none`` for data that are not compressed.
        data: compressed.
        limit: bytes of output beyond which it is a decompression bomb.

    Returns:
        The output, and why there is no more of it; None if it is all.
    """
    if method in ("", "none"):
        return data, None
    if method not in _DECOMPRESSORS:
        return b"", f"its compression {method!r:.40} is unknown"
    source = (data[place : place + _INPUT] for place in range(0, len(data), _INPUT))
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in _unpacked(method, source):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                return b"".join(pieces)[:limit], f"they unpack to more than the {limit} bytes they promise"
    except Exception as error:  # each library has its own
        return b"".join(pieces), f"they are damaged ({str(error).strip() or type(error).__name__})"
    return b"".join(pieces), None


def unpack_file(packed: Path, unpacked: Path) -> str | None:
    """Unpack a file of zstd as far as it goes; tells why there is no more of it, None if it is all.

    Raises:
        OSError: the disk is full, or the file cannot be read.
    """
    with packed.open("rb") as source, unpacked.open("wb") as target:
        try:
            for piece in _unpacked("zstd", iter(partial(source.read, _INPUT), b"")):
                target.write(piece)
        except (zstd.ZstdError, EOFError) as error:
            return str(error).strip() or type(error).__name__
    return None


def _unpacked(method: str, source: Iterable[bytes]) -> Iterator[bytes]:
    """Unpacks data that come in small steps: of a step that meets damage, nothing is given out."""
    decompressor: Any = None
    for taken in source:
        while taken or not (decompressor.needs_input or decompressor.eof):
            if decompressor is None or decompressor.eof:  # another frame may follow
                decompressor = _DECOMPRESSORS[method]()
            yield decompressor.decompress(taken, STEP)
            taken = decompressor.unused_data or b"" if decompressor.eof else b""
    if decompressor is None or not decompressor.eof:
        raise EOFError("cut off")


def unpack_message(data: bytes | memoryview, limit: int) -> bytes | memoryview:
    """A message as it was before the recorder compressed it.

    Raises:
        ValueError: it is damaged.
    """
    if data[:4] != ZSTD_MAGIC:
        return data
    unpacked, reason = decompress("zstd", bytes(data), limit)
    if reason is not None:
        raise ValueError(reason)
    return unpacked
