"""Converts the pixels of ROS image messages to OpenCV arrays and back.

Neither cv_bridge nor rosbags-image supports thermal data completely: they fail on, or misread, padded rows,
big-endian values and 16-bit PNG. Encoding names are case-insensitive, since drivers write both cases.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.packing import PACKINGS, Packing
from distillmatch_ros.images.sizes import MAX_PIXELS, check_size

Bytes: TypeAlias = "bytes | memoryview | array[int] | NDArray[np.uint8]"


@dataclass(frozen=True)
class Layout:
    """Memory layout of an encoding's pixels.

    Attributes:
        dtype: type of a value, in native byte order.
        channels: values per pixel.
        conversion: OpenCV's code for the conversion to BGR or BGRA; None if none is needed.
        output: encoding of outgoing images, if this one cannot be made from BGR without loss.
        packing: packing of values that are not whole bytes.
        chroma: bytes of chroma per byte of luma, if the chroma is in a separate plane.
    """

    dtype: np.dtype[Any]
    channels: int
    conversion: int | None = None
    output: str | None = None
    packing: Packing | None = None
    chroma: float = 0.0

    def holds(self, dtype: np.dtype[Any], channels: int) -> bool:
        """Whether an image file with this dtype and number of channels can be in this encoding."""
        plain = self.packing is None and not self.chroma
        return plain and (self.dtype, self.channels) == (dtype, channels)

    def row_bytes(self, width: int) -> int:
        """Bytes of a row of ``width`` pixels; for planar images of a row of luma."""
        return (
            width * self.channels * self.dtype.itemsize
            if self.packing is None
            else self.packing.row_bytes(width)
        )


CV_TYPES = {
    "8U": np.uint8,
    "8S": np.int8,
    "16U": np.uint16,
    "16S": np.int16,
    "32S": np.int32,
    "32F": np.float32,
    "64F": np.float64,
}
"""Value types by their names in OpenCV."""
# Both conversions are their own inverse: one code serves both directions.
_ORDERS = {"bgr": None, "bgra": None, "rgb": cv2.COLOR_RGB2BGR, "rgba": cv2.COLOR_RGBA2BGRA}
_BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2BGR,
    "bggr": cv2.COLOR_BayerBGGR2BGR,
    "gbrg": cv2.COLOR_BayerGBRG2BGR,
    "grbg": cv2.COLOR_BayerGRBG2BGR,
}
_YUV = {
    "yuv422": cv2.COLOR_YUV2BGR_UYVY,
    "uyvy": cv2.COLOR_YUV2BGR_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2BGR_YUY2,
    "yuyv": cv2.COLOR_YUV2BGR_YUY2,
}
_PLANES = {
    "nv12": (cv2.COLOR_YUV2BGR_NV12, 0.5),
    "nv21": (cv2.COLOR_YUV2BGR_NV21, 0.5),
    "nv24": (cv2.COLOR_YUV2BGR_NV12, 2.0),
}
"""Planar formats: luma, then interleaved chroma for 2 x 2 pixels, or for every pixel (nv24)."""


def _layouts() -> dict[str, Layout]:
    layouts = {
        f"{type_}C{channels}": Layout(np.dtype(dtype), channels)
        for type_, dtype in CV_TYPES.items()
        for channels in (1, 3, 4)
    }
    for bits, dtype in ((8, np.dtype(np.uint8)), (16, np.dtype(np.uint16))):
        layouts[f"mono{bits}"] = Layout(dtype, 1)
        for order, code in _ORDERS.items():
            layouts[f"{order}{bits}"] = Layout(dtype, len(order), code)
        for pattern, code in _BAYER.items():
            layouts[f"bayer_{pattern}{bits}"] = Layout(dtype, 1, code, f"bgr{bits}")
    for name, code in _YUV.items():
        layouts[name] = Layout(np.dtype(np.uint8), 2, code, "bgr8")
    for name, (code, chroma) in _PLANES.items():
        layouts[name] = Layout(np.dtype(np.uint8), 1, code, "bgr8", chroma=chroma)
    for suffix, packing in PACKINGS.items():
        layouts[f"mono{suffix}"] = Layout(np.dtype(np.uint16), 1, None, "mono16", packing)
        for pattern, code in _BAYER.items():
            layouts[f"bayer_{pattern}{suffix}"] = Layout(np.dtype(np.uint16), 1, code, "bgr16", packing)
    for bits in (10, 12, 14):  # unpacked, two bytes per value
        layouts[f"mono{bits}"] = Layout(np.dtype(np.uint16), 1, None, "mono16")
    return layouts


_LAYOUTS: Mapping[str, Layout] = _layouts()
_SPELT: Mapping[str, str] = {name.casefold(): name for name in _LAYOUTS}
_FAMILIES = (
    f"{', '.join(f'{kind}C1' for kind in CV_TYPES)} (or C3, C4), "
    "mono8, mono16, bgr8, rgb8, bgra8, rgba8 (or 16), bayer_rggb8, ..., bayer_grbg16, "
    f"{', '.join((*_YUV, *_PLANES))}, "
    f"mono10, mono12, mono14, {', '.join(f'mono{name}' for name in PACKINGS)} (or bayer_rggb, ...)"
)
ENCODINGS = tuple(sorted(_LAYOUTS))
"""Supported encodings of raw images."""


def decode(
    data: Bytes,
    height: int,
    width: int,
    step: int,
    encoding: str,
    is_bigendian: bool | int,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[Any]:
    """Decode the pixels of a raw image.

    Without conversion the result is a view of ``data``.

    Args:
        data: the message's bytes; the padding of the last row may be missing.
        height: rows.
        width: columns.
        step: bytes from one row to the next.
        encoding: one of `ENCODINGS`.
        is_bigendian: byte order of values wider than 8 bits.
        max_pixels: larger images are rejected by the header.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA of one of `SUPPORTED_DTYPES` in native byte order, contiguous.
        Bayer and YUV images are converted to BGR, packed values to uint16.

    Raises:
        DistillMatchError: the header is invalid, or does not fit the data.
    """
    layout = layout_of(encoding)
    name = f"{encoding} image of {width} x {height}"
    check_size(height, width, name, max_pixels)
    raw = np.frombuffer(data, np.uint8)
    row = layout.row_bytes(width)
    if step < row:
        raise DistillMatchError(
            f"{name}: step {step} is less than the {row} bytes of a row; make the driver set step to {row}"
        )
    rows = height + round(height * layout.chroma)
    needed = (rows - 1) * step + row
    if raw.size < needed:
        raise DistillMatchError(
            f"{name}: {raw.size} bytes of data, but size and step need {needed}; "
            "correct the driver, or the link that truncates its messages"
        )
    if layout.packing is not None:
        image: NDArray[Any] = layout.packing.unpack(
            np.ndarray((rows, row), np.uint8, raw, 0, (step, 1)), width
        )
    else:
        value = layout.dtype.itemsize
        shape, strides = (rows, width, layout.channels), (step, layout.channels * value, value)
        dimensions = 2 if layout.channels == 1 else 3
        dtype = layout.dtype.newbyteorder(">" if is_bigendian else "<")
        view: NDArray[Any] = np.ndarray(shape[:dimensions], dtype, raw, 0, strides[:dimensions])
        image = np.require(view, layout.dtype, ("C", "A"))
    if layout.conversion is None:
        return image
    if layout.chroma == 2:
        return _from_full_chroma(image, layout.conversion, name)
    return to_bgr(image, layout.conversion, name)


def output_encoding(encoding: str) -> str:
    """The encoding of an outgoing image that came in as ``encoding``.

    The same, except for Bayer and YUV images: ``bgr8``, or ``bgr16`` for more than 8 bits.

    Raises:
        DistillMatchError: the encoding is not supported.
    """
    return layout_of(encoding).output or _SPELT[encoding.casefold()]


def encode(image: NDArray[Any], encoding: str) -> NDArray[Any]:
    """Convert an image to the data of a message, in `output_encoding` of ``encoding``.

    Args:
        image: image as `decode` returns it.
        encoding: one of `ENCODINGS`.

    Returns:
        Contiguous, in the message's channel order and native byte order; ``image`` itself if possible.

    Raises:
        DistillMatchError: the image does not fit the encoding.
    """
    layout = layout_of(output_encoding(encoding))
    channels = image.shape[2:] or (1,)
    if image.dtype != layout.dtype or channels != (layout.channels,):
        raise DistillMatchError(
            f"image {image.shape} of {image.dtype} does not fit {encoding}, which has {layout.channels} "
            f"channels of {layout.dtype}; choose another encoding"
        )
    return np.ascontiguousarray(
        image if layout.conversion is None else cv2.cvtColor(image, layout.conversion)
    )


def is_encoding(name: str) -> bool:
    """Whether an encoding is supported."""
    return name.casefold() in _SPELT


def layout_of(encoding: str) -> Layout:
    """Layout of an encoding.

    Raises:
        DistillMatchError: the encoding is not supported.
    """
    name = _SPELT.get(encoding.casefold())
    if name is None:
        raise DistillMatchError(
            f"encoding {encoding!r:.60} is not supported; make the driver publish one of {_FAMILIES}"
        )
    return _LAYOUTS[name]


def to_bgr(image: NDArray[Any], conversion: int, name: str) -> NDArray[Any]:
    """Convert a Bayer or YUV image to BGR.

    Raises:
        DistillMatchError: the image size does not fit the encoding.
    """
    try:
        return np.asarray(cv2.cvtColor(image, conversion))
    except cv2.error as error:  # such as an odd width in YUV 4:2:2
        raise DistillMatchError(
            f"{name}: cannot be converted to BGR ({error.err}); choose another encoding or an even width"
        ) from error


def _from_full_chroma(planes: NDArray[np.uint8], conversion: int, name: str) -> NDArray[Any]:
    """Convert YUV with full-resolution chroma by OpenCV's 4:2:0 conversion of an image twice as large."""
    height = len(planes) // 3
    doubled = planes[:height].repeat(2, axis=0).repeat(2, axis=1)
    image = to_bgr(np.concatenate([doubled, planes[height:].reshape(height, -1)]), conversion, name)
    return np.ascontiguousarray(image[::2, ::2])
