"""TIFF: read by OpenCV if possible, else by tifffile (unsigned 32 bits, half floats, later pages, LZMA)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from operator import index
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.orientation import Orientation
from distillmatch_ros.images.sizes import check_size

MAX_CHANNELS = 4
"""Greatest number of values per pixel: colour and opacity."""
_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OPENCV = ("uint8", "uint16", "int16", "int32", "float32", "float64")
_COMPRESSIONS = (1, 5, 8, 7, 32773, 32946)  # supported by OpenCV: none, LZW, deflate (2), JPEG, PackBits


def is_tiff(head: bytes) -> bool:
    """Whether the first bytes are those of a TIFF or BigTIFF."""
    return head[:4] in _MAGICS


def tiff_size(data: NDArray[np.uint8], name: str, remedy: str) -> tuple[int, int]:
    """Height and width from the header.

    Raises:
        DistillMatchError: the header is damaged.
    """
    with _opened(data, name, remedy) as header:
        return header.size


def decode_tiff(data: NDArray[np.uint8], name: str, remedy: str, max_pixels: int) -> NDArray[Any]:
    """Decode the first page that is no thumbnail, upright, with channels in OpenCV's order.

    Raises:
        DistillMatchError: damaged, of an unsupported kind, or with tiles of more than ``max_pixels``.
    """
    with _opened(data, name, remedy) as header:
        if header.tile is not None:  # a tile is decoded whole, however small the image is
            check_size(*header.tile, f"{name}, a tile", max_pixels)
        if header.channels > MAX_CHANNELS:
            raise DistillMatchError(f"{name}: holds {header.channels} values per pixel; {remedy}")
        if header.plain and header.orientation.rotation in (0, 180):
            image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)  # applies the orientation itself
            if image is not None:
                return np.asarray(image)
        try:
            image = header.page.asarray()
            if image.ndim < 2:
                raise ValueError(f"its tags describe an image of {image.ndim} dimensions")
        except Exception as error:  # a damaged file may raise any exception in its reader
            raise DistillMatchError(f"{name}: cannot be decoded ({error}); {remedy}") from error
    image = np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 and image.shape[2] == 3 else image)
    return header.orientation.upright(image.astype(image.dtype.newbyteorder("="), copy=False))


def encode_tiff(image: NDArray[Any]) -> bytes:
    """Encode a single page with the image's own dtype, (H, W) or (H, W, 3) BGR."""
    import tifffile

    stream = BytesIO()
    photometric = "minisblack" if image.ndim == 2 else "rgb"
    tifffile.imwrite(stream, image if image.ndim == 2 else image[..., ::-1], photometric=photometric)
    return stream.getvalue()


@dataclass(frozen=True)
class _Header:
    """What the tags of a page say.

    Attributes:
        page: the page, as tifffile reads it.
        size: height and width.
        tile: height and width of a tile; None without tiles.
        channels: values per pixel.
        orientation: how the image is stored.
        plain: whether OpenCV may be able to decode it.
    """

    page: Any
    size: tuple[int, int]
    tile: tuple[int, int] | None
    channels: int
    orientation: Orientation
    plain: bool

    @staticmethod
    def of(page: Any) -> "_Header":
        """Read the tags. A damaged one may hold text, several numbers or none, which ``index`` rejects."""
        return _Header(
            page=page,
            size=(index(page.imagelength), index(page.imagewidth)),
            tile=(index(page.tilelength), index(page.tilewidth)) if page.is_tiled else None,
            channels=index(page.samplesperpixel),
            orientation=Orientation.of_exif(index(page.tags.valueof(274, 1))),
            plain=page.index == 0 and str(page.dtype) in _OPENCV and index(page.compression) in _COMPRESSIONS,
        )


@contextmanager
def _opened(data: NDArray[np.uint8], name: str, remedy: str) -> Iterator[_Header]:
    import tifffile  # imported on demand: takes 0.3 s, and few files need it

    with ExitStack() as stack:
        try:
            file = stack.enter_context(tifffile.TiffFile(BytesIO(data.tobytes())))
            page = _first_page(file)
            header = _Header.of(page)
        except Exception as error:  # a damaged file may raise any exception in its reader
            raise DistillMatchError(f"{name}: damaged or not an image ({error}); {remedy}") from error
        yield header


def _first_page(file: Any) -> Any:
    return next((page for page in file.pages if not page.is_reduced), file.pages[0])
