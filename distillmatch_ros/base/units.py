"""Units of stamps, and how measured values are summed up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SECOND = 10**9
"""Nanoseconds, the unit of all stamps."""


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile of measured values, in their unit."""

    median: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up measured values, at least one.

        Raises:
            ValueError: there are none.
        """
        if not len(values):
            raise ValueError("nothing was measured")
        median, p95 = np.percentile(values, (50, 95))
        return cls(float(median), float(p95))
