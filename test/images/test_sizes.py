"""An image is too large by its header, before memory is taken for it."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.compressed import decode_compressed
from distillmatch_ros.images.files import file_size, read_image, read_thermal

SIDE = 30_000


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb() -> bytes:
    """Zeros by the hundred million in less than a megabyte."""
    packer = zlib.compressobj(9)
    row = bytes(SIDE + 1)
    packed = b"".join(packer.compress(row) for _ in range(SIDE)) + packer.flush()
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def bombs() -> dict[str, bytes]:
    """Headers that promise far more than a camera sends; what follows does not matter."""
    small = np.zeros((8, 8), np.uint8)
    encoded = {suffix: cv2.imencode(suffix, small)[1].tobytes() for suffix in (".jpg", ".bmp", ".pgm")}
    jpeg = bytearray(encoded[".jpg"])
    at = jpeg.index(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, at + 5, SIDE, SIDE)
    bmp = bytearray(encoded[".bmp"])
    struct.pack_into("<ii", bmp, 18, SIDE, SIDE)
    return {
        "a.png": png_bomb(),
        "a.jpg": bytes(jpeg),
        "a.bmp": bytes(bmp),
        "a.pgm": encoded[".pgm"].replace(b"8 8", b"%d %d" % (SIDE, SIDE)),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bombs")
    for name, data in bombs().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.pgm"])
@pytest.mark.parametrize("read", [read_image, read_thermal])
def test_bombs_cost_nothing(name: str, read, folder: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(
            DistillMatchError, match=rf"{name}: (30000 x 30000 is beyond|its header declares)"
        ):
            read(folder / name)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_bombs_in_messages(name: str, folder: Path) -> None:
    with pytest.raises(DistillMatchError, match="30000 x 30000 is beyond"):
        decode_compressed((folder / name).read_bytes(), "mono8; png compressed")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".pgm", ".ppm", ".webp", ".tiff"])
@pytest.mark.parametrize("shape", [(37, 53), (37, 53, 3)])
def test_size_is_known_without_decoding(suffix: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    image = np.zeros(shape, np.uint8)
    if (suffix, len(shape)) in ((".pgm", 3), (".ppm", 2)):
        return
    data = np.frombuffer(cv2.imencode(suffix, image)[1].tobytes(), np.uint8)
    assert file_size(data, "image", "mend it") == (37, 53)
    (tmp_path / f"a{suffix}").write_bytes(data.tobytes())
    assert read_image(tmp_path / f"a{suffix}").shape[:2] == (37, 53)
    with pytest.raises(DistillMatchError, match="beyond"):
        read_image(tmp_path / f"a{suffix}", max_pixels=37 * 53 - 1)
    assert read_image(tmp_path / f"a{suffix}", max_pixels=37 * 53).size


def test_other_dialects_of_jpeg(tmp_path: Path) -> None:
    for name, options in {
        "progressive": {"progressive": True},
        "exif": {"exif": b"Exif\0\0" + bytes(40)},
    }.items():
        Image.fromarray(np.zeros((40, 60), np.uint8)).save(tmp_path / f"{name}.jpg", **options)
        assert read_image(tmp_path / f"{name}.jpg").shape[:2] == (40, 60)
