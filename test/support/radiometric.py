"""Radiometric JPEG as hand-held and flying cameras write them, small."""

import struct

import cv2
import numpy as np

PLANCK = {"r1": 17096.453, "r2": 0.012545258, "b": 1428.0, "f": 1.0, "o": -342}
"""Of a hand-held camera."""


ATMOSPHERE = (0.006569, 0.01262, -0.002276, -0.00667, 1.9)
"""Alpha 1 and 2, beta 1 and 2, and X of the transmission."""
AROUND, HUMIDITY = 293.15, 0.5
"""Temperature of the air and of what is reflected, kelvin, and relative humidity."""


def kelvin(raw: np.ndarray, emissivity: float = 1.0, distance: float = 0.0) -> np.ndarray:
    """What Planck's law makes of raw values, after raw2temp of the R package Thermimage."""
    r1, r2, b, f, o = (PLANCK[name] for name in ("r1", "r2", "b", "f", "o"))
    air = AROUND - 273.15
    water = HUMIDITY * np.exp(1.5587 + 0.06939 * air - 0.00027816 * air**2 + 0.00000068455 * air**3)
    alpha1, alpha2, beta1, beta2, x = ATMOSPHERE
    first, second = (
        np.exp(-np.sqrt(distance / 2) * (alpha + beta * np.sqrt(water)))
        for alpha, beta in ((alpha1, beta1), (alpha2, beta2))
    )
    passed = x * first + (1 - x) * second  # of either half of the way
    around = r1 / (r2 * (np.exp(b / AROUND) - f)) - o
    foreign = (1 - emissivity) / emissivity + (1 - passed) / emissivity / passed * (1 + 1 / passed)
    own = raw / emissivity / passed**2 - foreign * around
    return b / np.log(r1 / (r2 * (own + o)) + f)


def flir_jpeg(
    raw: np.ndarray,
    visible: np.ndarray | None = None,
    *,
    png: bool = False,
    planck: bool = True,
    emissivity: float = 1.0,
    distance: float = 0.0,
) -> bytes:
    """A picture with FLIR's records behind APP1: raw values, constants, a visible image.

    The constants stand where ExifTool's table of FLIR's camera information has them.
    """
    swapped = raw.astype(">u2").view("<u2")  # FLIR's PNG have their bytes exchanged
    pixels = cv2.imencode(".png", swapped)[1].tobytes() if png else raw.astype("<u2").tobytes()
    records = [(1, struct.pack("<HHH", 2, raw.shape[1], raw.shape[0]).ljust(32, b"\0") + pixels)]
    camera = bytearray(900)
    struct.pack_into("<6f", camera, 32, emissivity, distance, AROUND, AROUND, AROUND, 1.0)
    struct.pack_into("<f", camera, 60, HUMIDITY)
    if planck:
        struct.pack_into("<3f", camera, 88, PLANCK["r1"], PLANCK["b"], PLANCK["f"])
        struct.pack_into("<if", camera, 776, PLANCK["o"], PLANCK["r2"])
    struct.pack_into("<5f", camera, 112, *ATMOSPHERE)
    records.append((32, bytes(camera)))
    if visible is not None:
        jpeg = cv2.imencode(".jpg", visible, (cv2.IMWRITE_JPEG_QUALITY, 95))[1].tobytes()
        records.append(
            (14, struct.pack("<HHH", 4, visible.shape[1], visible.shape[0]).ljust(32, b"\0") + jpeg)
        )
    entries = len(records) + 4  # cameras leave some empty
    directory, body, start = b"", b"", 64 + 32 * entries
    for kind, record in records:
        directory += struct.pack(">HHIIII", kind, 1, 100, 1, start + len(body), len(record)).ljust(32, b"\0")
        body += record
    header = b"FFF\0" + b"MTX IR".ljust(16, b"\0") + struct.pack(">III", 100, 64, entries)
    content = header.ljust(64, b"\0") + directory.ljust(32 * entries, b"\0") + body
    chunks = [content[place : place + 65000] for place in range(0, len(content), 65000)]
    app1 = b"".join(
        b"\xff\xe1"
        + struct.pack(">H", len(chunk) + 10)
        + b"FLIR\0\x01"
        + bytes([number, len(chunks) - 1])
        + chunk
        for number, chunk in enumerate(chunks)
    )
    return _with_segments(raw, app1)


def dji_jpeg(raw: np.ndarray) -> bytes:
    """A picture with DJI's raw values in APP3."""
    content = raw.astype("<u2").tobytes()
    app3 = b"".join(
        b"\xff\xe3"
        + struct.pack(">H", len(content[place : place + 65530]) + 2)
        + content[place : place + 65530]
        for place in range(0, len(content), 65530)
    )
    return _with_segments(raw, app3)


def _with_segments(raw: np.ndarray, segments: bytes) -> bytes:
    shown = cv2.normalize(raw, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    picture = cv2.applyColorMap(cv2.resize(shown, None, fx=2, fy=2), cv2.COLORMAP_INFERNO)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    return jpeg[:2] + segments + jpeg[2:]
