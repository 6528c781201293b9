"""Gain control: whatever a thermal camera delivers becomes the 8-bit image that the network is given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.frames import to_grey

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.0
Range = tuple[float, float, float]
"""The values shown as black, for NaN, and as white."""
SAMPLES = 1 << 15
"""Pixels that the percentiles are taken of: one in a hundred of them is still 327."""


def to_8bit(thermal: NDArray[Any], shown: Range | None = None) -> NDArray[np.uint8]:
    """Stretch a range of values over 0..255.

    Infinity shows as the end of the range.

    Args:
        thermal: (H, W) raw or colour-mapped (H, W, 3 or 4), of one of `SUPPORTED_DTYPES`.
        shown: the range; the image's own (see `range_of`) if None.

    Returns:
        uint8 (H, W); constant if the range is empty.

    Raises:
        DistillMatchError: the array is not an image.
    """
    grey = to_grey(thermal, "thermal image")
    low, middle, high = shown or range_of(grey)
    # Nothing a float32 can resolve: stretching would show rounding errors. 1e-30 keeps the gain finite.
    if high - low <= 1e-6 * max(abs(low), abs(high), 1e-30):
        return np.zeros(grey.shape, np.uint8)
    # Whole numbers of 32 bits are finer than a float32.
    precision: type = np.float64 if grey.dtype in (np.int32, np.uint32) else np.float32
    values: NDArray[np.floating] = grey.astype(precision)
    np.clip(values, low, high, out=values)
    gain = 255.0 / (high - low)
    values *= precision(gain)
    values -= precision(low * gain)
    if grey.dtype.kind == "f":
        np.nan_to_num(values, copy=False, nan=(middle - low) * gain)
    return np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8)


def range_of(thermal: NDArray[Any]) -> Range:
    """The image's own range: 1st percentile, median and 99th percentile.

    A raw 16-bit frame fills a sliver of its type, and a shift would make it black. NaN and infinity do not
    count; where nothing is finite the range is three zeros.

    Raises:
        DistillMatchError: the array is not an image.
    """
    grey = to_grey(thermal, "thermal image")
    stride = max(1, int((grey.size / SAMPLES) ** 0.5))
    samples = _finite(grey[::stride, ::stride])
    if samples.size:
        low, middle, high = np.percentile(samples, (LOW_PERCENTILE, 50.0, HIGH_PERCENTILE))
        if high > low:
            return float(low), float(middle), float(high)
    # A small warm body before an even background slips through percentiles; so do a few finite pixels.
    everything = _finite(grey)
    if not everything.size:
        return 0.0, 0.0, 0.0
    return float(everything.min()), float(np.median(everything)), float(everything.max())


def _finite(grey: NDArray[Any]) -> NDArray[np.float64]:
    values = grey.astype(np.float64).ravel()
    return values[np.isfinite(values)]
