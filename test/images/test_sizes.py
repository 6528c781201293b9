"""An image is too large by its header, before memory is taken for it."""

import resource
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from support.radiometric import flir_jpeg

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.compressed import decode_compressed
from distillmatch_ros.images.files import file_size, read_image, read_thermal, read_visible_of_thermal

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


@pytest.mark.slow
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


def tiff(**tags: int) -> bytes:
    """A TIFF of 8 x 8 pixels whose tags promise more."""
    stream = BytesIO()
    tifffile.imwrite(stream, np.zeros((16, 16), np.uint8), tile=(16, 16))
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        places = {name: file.pages[0].tags[name].valueoffset for name in tags}
        types = {name: file.pages[0].tags[name].dtype for name in tags}
    data = bytearray(stream.getvalue())
    for name, value in tags.items():
        struct.pack_into("<H" if types[name] == tifffile.DATATYPE.SHORT else "<I", data, places[name], value)
    return bytes(data)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"TileWidth": 16 * 2000, "TileLength": 16 * 2000}, "a.tiff, a tile: 32000 x 32000 is beyond"),
        ({"SamplesPerPixel": 60_000}, "a.tiff: (holds 60000 values per pixel|damaged)"),
    ],
)
def test_small_tiff_of_large_parts(tags: dict[str, int], reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.tiff").write_bytes(tiff(**tags))
    tracemalloc.start()
    try:
        with pytest.raises(DistillMatchError, match=reason):
            read_image(tmp_path / "a.tiff")
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_bombs_within_radiometric_files(tmp_path: Path) -> None:
    pytest.importorskip("flyr")
    whole = flir_jpeg(np.zeros((8, 8), np.uint16), np.zeros((8, 8, 3), np.uint8), png=True)
    ihdr = whole.index(b"IHDR") + 4
    sof = whole.index(b"\xff\xc0", ihdr) + 5
    raw = whole.index(struct.pack("<HHH", 2, 8, 8)) + 2
    entries = whole.index(b"FFF\0") + 0x1C
    for read, place, layout, reason in (
        (read_thermal, raw, "<HH", "30000 x 30000 is beyond"),
        (read_thermal, ihdr, ">II", "30000 x 30000 is beyond"),
        (read_visible_of_thermal, sof, ">HH", "30000 x 30000 is beyond"),
        (read_thermal, entries, ">I", "a directory of 30000 records"),
    ):
        data = bytearray(whole)
        struct.pack_into(layout, data, place, *[SIDE] * (len(layout) - 1))
        (tmp_path / "a.jpg").write_bytes(data)
        with pytest.raises(DistillMatchError, match=rf"a\.jpg: .*{reason}"):
            read(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_bombs_in_messages(name: str, folder: Path) -> None:
    with pytest.raises(DistillMatchError, match="30000 x 30000 is beyond"):
        decode_compressed((folder / name).read_bytes(), "mono8; png compressed")


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_a_chunk_is_no_longer_than_its_file(kind: bytes, tmp_path: Path) -> None:
    """OpenCV allocated 2 GB for a PNG of 19 kB whose pixels claimed that much."""
    noise = np.random.default_rng(0).integers(0, 255, (120, 160), dtype=np.uint8)
    data = bytearray(cv2.imencode(".png", noise)[1].tobytes())
    struct.pack_into(">I", data, data.index(kind) - 4, 0x7FFFFFF0)
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DistillMatchError, match="a chunk of 2147483632 bytes"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DistillMatchError, match="a chunk of 2147483632 bytes"):
        decode_compressed(bytes(data), "mono8; png compressed")


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Half a gigabyte more than is taken already."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + (512 << 20), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("compression", [None, "zlib", "lzma"])
@pytest.mark.parametrize("tag", ["StripByteCounts", "RowsPerStrip"])
def test_lengths_in_a_tiff_allocate_nothing(tag: str, compression: str | None, tmp_path: Path) -> None:
    stream = BytesIO()
    image = np.random.default_rng(0).integers(0, 2**31, (120, 160), dtype=np.uint32)
    tifffile.imwrite(stream, image, rowsperstrip=100_000, compression=compression)
    data = bytearray(stream.getvalue())
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        struct.pack_into("<I", data, file.pages[0].tags[tag].valueoffset, 0x7FFFFFF0)
    (tmp_path / "a.tiff").write_bytes(data)
    with suppress(DistillMatchError):
        assert read_image(tmp_path / "a.tiff").shape == (120, 160)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("chunk", [b"RIFF", b"VP8L", b"EXIF"])
def test_lengths_in_a_webp_allocate_nothing(chunk: bytes, tmp_path: Path) -> None:
    stream = BytesIO()
    Image.new("RGBA", (160, 120)).save(stream, "webp", lossless=True, exif=b"Exif\0\0" + bytes(30))
    data = bytearray(stream.getvalue())
    struct.pack_into("<I", data, data.index(chunk) + 4, 0x7FFFFFF0)
    (tmp_path / "a.webp").write_bytes(data)
    with pytest.raises(DistillMatchError, match=r"a\.webp: damaged"):
        read_image(tmp_path / "a.webp")


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
