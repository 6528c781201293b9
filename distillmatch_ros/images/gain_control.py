"""Gain control: converts raw thermal values to the 8-bit image that the network gets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.borders import find_crop
from distillmatch_ros.images.crop import Crop
from distillmatch_ros.images.frames import to_grey

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.0
_GAP = 0.6
"""Width of a gap in the values, fraction of the percentile range, above which it separates two groups. Of 627
thermal images of roads and houses one has such a gap; the next widest is 0.53."""
_IN_GAP = 0.02
"""Greatest fraction of the values inside a gap."""
_GAPS = 4
"""Greatest number of gaps that are removed one after another."""
Range = tuple[float, float, float]
"""Values that are shown as black, used in place of NaN, and shown as white."""
SAMPLES = 1 << 15
"""Number of pixels for the percentiles: one percent of them is still 327."""


def to_8bit(thermal: NDArray[Any]) -> NDArray[np.uint8]:
    """Stretch an image's own range of values to 0..255; see `range_of` and `stretch`.

    Args:
        thermal: (H, W) raw or colour-mapped (H, W, 3 or 4), of one of `SUPPORTED_DTYPES`.

    Returns:
        uint8 (H, W); constant if the range is empty.

    Raises:
        DistillMatchError: the array is not an image.
    """
    grey = without_status_bits(to_grey(thermal, "thermal image"))
    return stretch(grey, range_of(grey))


def stretch(grey: NDArray[Any], shown: Range) -> NDArray[np.uint8]:
    """Stretch a range of values to 0..255; infinite values are shown as the end of the range.

    Args:
        grey: (H, W), without status bits.
        shown: range of values.

    Returns:
        uint8 (H, W); constant if the range is empty.
    """
    low, middle, high = shown
    # Below float32's resolution stretching would show rounding errors. 1e-30 keeps the gain finite.
    resolved = 1e-6 * max(abs(low), abs(high), 1e-30) if grey.dtype.kind == "f" else 0.0
    if high - low <= resolved:
        return np.zeros(grey.shape, np.uint8)
    # float32 cannot represent all 32-bit integers.
    precision: type = np.float64 if grey.dtype in (np.int32, np.uint32) else np.float32
    values: NDArray[np.floating] = grey.astype(precision)
    np.clip(values, low, high, out=values)
    gain = 255.0 / (high - low)
    values *= precision(gain)
    values -= precision(low * gain)
    if grey.dtype.kind == "f":
        np.nan_to_num(values, copy=False, nan=(middle - low) * gain)
    return np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8)


def range_of(grey: NDArray[Any], crop: Crop | None = None) -> Range:
    """An image's own range: 1st percentile, median and 99th percentile of what shows the scene.

    Percentiles, because a raw 16-bit frame uses a small part of its type's range. Excluded are NaN and
    infinity, bars and dead lines, and values far from all others, such as a hot exhaust, telemetry or a sky
    at the sensor's minimum: where a gap wider than 0.6 of the range separates the values, the group with the
    picture's contrast is kept. Without finite values the range is three zeros.

    Args:
        grey: (H, W), without status bits.
        crop: its part that shows the scene; found if None (see `find_crop`).
    """
    crop = crop or find_crop(grey)
    grey = crop.cut(grey)
    stride = max(1, int((grey.size / SAMPLES) ** 0.5))
    samples = _ordered(grey[::stride, ::stride], crop.missing, stride)
    if samples.size:
        low, middle, high = np.percentile(_without_gap(samples), (LOW_PERCENTILE, 50.0, HIGH_PERCENTILE))
        if high > low:
            return float(low), float(middle), float(high)
    # The percentiles may miss a small warm object before a uniform background, or a few finite pixels.
    everything = _ordered(grey, crop.missing)
    if not everything.size:
        return 0.0, 0.0, 0.0
    return float(everything[0]), float(np.median(everything)), float(everything[-1])


def without_status_bits(grey: NDArray[Any]) -> NDArray[Any]:
    """Remove status bits from 14-bit readings in 16-bit words, whose upper two bits differ between pixels.

    Such images are recognised because neighbours differ far less without these bits; a few hot pixels in
    16-bit readings are excluded by their number.
    """
    if grey.dtype != np.uint16 or min(grey.shape) < 16 or grey.min() >> 14 == grey.max() >> 14:
        return grey
    if np.bincount((grey[::4, ::4] >> 14).ravel(), minlength=4).max() > 0.98 * grey[::4, ::4].size:
        return grey
    readings = grey & np.uint16((1 << 14) - 1)
    return readings if 8 * _roughness(readings) < _roughness(grey) else grey


def _roughness(grey: NDArray[np.uint16]) -> float:
    """Mean absolute difference of horizontal neighbours."""
    return float(np.abs(np.diff(grey[::4].astype(np.int32), axis=1)).mean()) if grey.shape[1] > 1 else 0.0


def _without_gap(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the group of increasing values with more contrast at each gap wider than `_GAP` of the range.

    A gap may contain a few values, such as the pixels on the rim of a hot spot.
    """
    for _ in range(_GAPS):
        low, high = np.percentile(ordered, (LOW_PERCENTILE, HIGH_PERCENTILE))
        # Each group must be larger than the fraction that percentiles ignore anyway.
        few, beside = round(_IN_GAP * len(ordered)), round(LOW_PERCENTILE / 100 * len(ordered))
        if not high > low or few < 1 or beside < 1:
            break
        widths = (ordered[few:] - ordered[:-few])[beside - 1 : len(ordered) - few - beside + 1]
        begin = int(widths.argmax()) + beside - 1
        if widths.max() < _GAP * (high - low):
            break
        below, above = ordered[: begin + 1], ordered[begin + few :]
        ordered = max(below, above, key=_contrast)
    return ordered


def _contrast(values: NDArray[np.float64]) -> float:
    """Contrast of increasing values: their number times the logarithm of the grey levels they fill."""
    levels = 1 + np.count_nonzero(np.diff(values))
    return len(values) * float(np.log(levels))


def _ordered(grey: NDArray[Any], missing: NDArray[np.bool_] | None, stride: int = 1) -> NDArray[np.float64]:
    """The finite values, increasing."""
    kept = grey.ravel() if missing is None else grey[~missing[::stride, ::stride]]
    # Integers of up to 16 bits are sorted by radix: a tenth of the time that they take as floats.
    values = np.sort(kept, kind="stable" if kept.itemsize <= 2 else None).astype(np.float64)
    return values[np.isfinite(values)]
