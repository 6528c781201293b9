"""TIFF: read by OpenCV if possible, else by tifffile (unsigned 32 bits, half floats, later pages, LZMA)."""

from io import BytesIO
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
    with _opened(data, name, remedy) as file:
        page = _page(file)
        return int(page.imagelength), int(page.imagewidth)


def decode_tiff(data: NDArray[np.uint8], name: str, remedy: str, max_pixels: int) -> NDArray[Any]:
    """Decode the first page that is no thumbnail, upright, with channels in OpenCV's order.

    Raises:
        DistillMatchError: damaged, of an unsupported kind, or with tiles of more than ``max_pixels``.
    """
    with _opened(data, name, remedy) as file:
        page = _page(file)
        if page.is_tiled:  # a tile is decoded whole, however small the image is
            check_size(int(page.tilelength), int(page.tilewidth), f"{name}, a tile", max_pixels)
        if page.samplesperpixel > MAX_CHANNELS:
            raise DistillMatchError(f"{name}: holds {page.samplesperpixel} values per pixel; {remedy}")
        orientation = Orientation.of_exif(int(page.tags.valueof(274, 1)))
        plain = page.index == 0 and str(page.dtype) in _OPENCV and int(page.compression) in _COMPRESSIONS
        if plain and orientation.rotation in (0, 180):
            image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)  # applies the orientation itself
            if image is not None:
                return np.asarray(image)
        try:
            image = page.asarray()
        except Exception as error:  # a damaged file may raise any exception in its reader
            raise DistillMatchError(f"{name}: cannot be decoded ({error}); {remedy}") from error
    image = np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 and image.shape[2] == 3 else image)
    return orientation.upright(image.astype(image.dtype.newbyteorder("="), copy=False))


def encode_tiff(image: NDArray[Any]) -> bytes:
    """Encode a single page with the image's own dtype, (H, W) or (H, W, 3) BGR."""
    import tifffile

    stream = BytesIO()
    photometric = "minisblack" if image.ndim == 2 else "rgb"
    tifffile.imwrite(stream, image if image.ndim == 2 else image[..., ::-1], photometric=photometric)
    return stream.getvalue()


def _opened(data: NDArray[np.uint8], name: str, remedy: str) -> Any:
    import tifffile  # imported on demand: takes 0.3 s, and few files need it

    try:
        file = tifffile.TiffFile(BytesIO(data.tobytes()))
        _page(file)
    except Exception as error:  # a damaged file may raise any exception in its reader
        raise DistillMatchError(f"{name}: damaged or not an image ({error}); {remedy}") from error
    return file


def _page(file: Any) -> Any:
    return next((page for page in file.pages if not page.is_reduced), file.pages[0])
