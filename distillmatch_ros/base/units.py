"""Units of time stamps, and summary statistics of measurements."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SECOND = 10**9
"""One second in nanoseconds, the unit of all stamps."""


@dataclass(frozen=True)
class Percentiles:
    """Median and 95th percentile of measurements, in their unit."""

    median: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Percentiles":
        """Summarise measurements, at least one.

        Raises:
            ValueError: the sequence is empty.
        """
        if not len(values):
            raise ValueError("no measurements to summarise")
        median, p95 = np.percentile(values, (50, 95))
        return cls(float(median), float(p95))
