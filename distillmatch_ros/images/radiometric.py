"""Reads radiometric JPEG of hand-held and aerial cameras: sensor values beside a picture for viewing.

FLIR stores raw values, the constants of Planck's law, emissivity, distance and air, and often a visible image
in APP1 segments, which the package flyr reads; its temperatures agree with ``raw2temp`` of the R package
Thermimage. DJI stores raw values in APP3 segments; their conversion to temperatures is not published, so they
are used unchanged.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.sizes import check_size, is_jpeg_or_png, picture_size

_APP1, _APP3 = 0xE1, 0xE3
_START_OF_SCAN = 0xDA
_FLIR = b"FLIR\0"
_FLIR_ENTRIES = 0x1C  # place of the number of records
_FLIR_ENTRY, _FLIR_HEADER = 32, 32  # bytes of a directory entry, and of the header of an image's record
# Sensor sizes of DJI cameras: the raw values have no header, and the picture may be enlarged.
_DJI_SIZES = {
    rows * columns: (rows, columns) for rows, columns in ((512, 640), (256, 320), (120, 160), (1024, 1280))
}


def read_thermal_values(data: NDArray[np.uint8], name: str, max_pixels: int) -> NDArray[Any] | None:
    """The sensor values of a radiometric JPEG.

    Args:
        data: content of the file, uint8 (N,).
        name: name of the file in errors.
        max_pixels: larger images are rejected by their header, before decoding.

    Returns:
        (H, W): float32 kelvin for FLIR, uint16 sensor counts if the constants are missing or for DJI; None
        for any other file.

    Raises:
        DistillMatchError: the sensor values are damaged, or too large.
    """
    segments = list(_segments(data.tobytes()))
    if any(marker == _APP1 and body.startswith(_FLIR) for marker, body in segments):
        return _flir_values(data, name, max_pixels)
    raw = b"".join(body for marker, body in segments if marker == _APP3)
    size = _DJI_SIZES.get(len(raw) // 2)
    if size is None or len(raw) % 2:
        return None
    return np.frombuffer(raw, "<u2").astype(np.uint16).reshape(size)


def read_embedded_visible(data: NDArray[np.uint8], name: str, max_pixels: int) -> NDArray[np.uint8]:
    """The visible image that FLIR embeds in a radiometric JPEG, uint8 (H, W, 3) BGR.

    Raises:
        DistillMatchError: the file holds none, or it is damaged or larger than ``max_pixels``.
    """
    optical = None
    if any(marker == _APP1 and body.startswith(_FLIR) for marker, body in _segments(data.tobytes())):
        _require_flyr(name)
        import flyr

        with _damage_said(name):
            _flir_records(data, name, max_pixels)
            optical = flyr.unpack(BytesIO(data.tobytes())).optical
    if optical is None:
        raise DistillMatchError(f"{name}: holds no visible image; name the file of one")
    image = np.asarray(optical, np.uint8)
    return np.ascontiguousarray(image[..., 2::-1] if image.ndim == 3 else np.stack([image] * 3, 2))


def _require_flyr(name: str) -> None:
    """Check that flyr is installed; imported on demand, since it is slow to load, optional and rarely needed.

    Raises:
        DistillMatchError: it is not installed.
    """
    try:
        import_module("flyr")
    except ModuleNotFoundError as error:
        raise DistillMatchError(
            f"{name}: a radiometric JPEG of FLIR is read with flyr, which is not installed: "
            "pip install 'distillmatch_ros[radiometric]'"
        ) from error


def _flir_values(data: NDArray[np.uint8], name: str, max_pixels: int) -> NDArray[Any]:
    _require_flyr(name)
    from flyr.records import RecordIndex
    from flyr.thermal import parse_camera_info, parse_raw_data
    from flyr.thermogram import FlyrThermogram

    with _damage_said(name):
        stream, records = _flir_records(data, name, max_pixels)
        raw = np.asarray(parse_raw_data(stream, records[RecordIndex.RAW_DATA.value])[2])
    try:
        constants = parse_camera_info(stream, records[RecordIndex.CAMERA_INFO.value])
        with np.errstate(all="ignore"):
            kelvin = np.asarray(FlyrThermogram(raw, constants).kelvin, np.float32)
    except Exception:  # missing or invalid constants may raise any exception in the formula
        return raw.astype(np.uint16)
    return kelvin if np.isfinite(kelvin).all() else raw.astype(np.uint16)


def _flir_records(
    data: NDArray[np.uint8], name: str, max_pixels: int
) -> tuple[BinaryIO, dict[int, tuple[int, int, int, int]]]:
    """FLIR's part of the file and its records by type, with images of at most ``max_pixels``."""
    from flyr.records import RecordIndex, extract_flir_app1, parse_flir_records

    stream: BinaryIO = extract_flir_app1(BytesIO(data.tobytes()))
    start = stream.tell()
    content = stream.read()
    (entries,) = struct.unpack_from(">I", content, _FLIR_ENTRIES)
    if entries * _FLIR_ENTRY > len(content):  # flyr would visit them all
        raise ValueError(f"a directory of {entries} records in {len(content)} bytes")
    stream.seek(start)
    records: dict[int, tuple[int, int, int, int]] = parse_flir_records(stream)
    for kind in (RecordIndex.RAW_DATA.value, RecordIndex.EMBEDDED_IMAGE.value):
        if kind not in records:
            continue
        _, _, offset, length = records[kind]
        stream.seek(offset)
        header = stream.read(_FLIR_HEADER)
        width, height = struct.unpack_from("<HH", header, 2)
        check_size(height, width, name, max_pixels)
        if is_jpeg_or_png(picture := np.frombuffer(stream.read(length), np.uint8)):
            check_size(*picture_size(picture, name, "copy the file from the camera again"), name, max_pixels)
    return stream, records


@contextmanager
def _damage_said(name: str) -> Iterator[None]:
    try:
        yield
    except DistillMatchError:
        raise
    except Exception as error:  # a damaged file may raise any exception in its reader
        reason = str(error) or type(error).__name__
        raise DistillMatchError(
            f"{name}: its radiometric values are damaged ({reason}); copy the file from the camera again"
        ) from error


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment before the pixels of a JPEG; nothing for another file."""
    if data[:2] != b"\xff\xd8":
        return
    position = 2
    while position + 4 <= len(data):
        fill, marker, length = struct.unpack_from(">BBH", data, position)
        if fill != 0xFF or marker == _START_OF_SCAN or length < 2:
            return
        yield marker, data[position + 4 : position + 2 + length]
        position += 2 + length
