"""The range of thermal values that overlays show."""

from itertools import pairwise

import numpy as np

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.gain_control import Range, range_of, stretch, to_8bit
from distillmatch_ros.stream.heat_range import RangeFilter

NOISE = np.random.default_rng(0).integers(7000, 7400, (512, 640)).astype(np.uint16)


def updated(ranges: RangeFilter, image: np.ndarray, seconds: float) -> Range:
    return ranges.update(range_of(image), int(seconds * SECOND))


def test_overlay_range_does_not_flicker_but_follows() -> None:
    ranges = RangeFilter()
    hot = NOISE.copy()
    hot[:100] += 4000
    shown = [updated(ranges, hot if n % 2 else NOISE, n / 30) for n in range(30)]
    assert max(abs(a[2] - b[2]) for a, b in pairwise(shown)) < 250  # of 4000
    for n in range(300):
        settled = updated(ranges, NOISE, 1 + n / 30)
    own = updated(RangeFilter(), NOISE, 0)
    np.testing.assert_allclose(settled, own, atol=1)
    np.testing.assert_array_equal(stretch(NOISE, own), to_8bit(NOISE))


def test_overlay_range_restarts_with_another_scene_and_time() -> None:
    ranges = RangeFilter()
    first = updated(ranges, NOISE, 5)
    assert updated(ranges, NOISE + np.uint16(9000), 5.03)[0] == first[0] + 9000
    assert updated(ranges, NOISE + np.uint16(9100), 1)[0] == first[0] + 9100
