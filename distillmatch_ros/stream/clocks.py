"""Comparison of two cameras' clocks by the stamps and times of receipt of their frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from distillmatch_ros.base.units import SECOND

DRIFT_SECONDS = 5.0
"""Shortest time for an estimate of the drift, s."""
DRIFT_FRAMES = 20
"""Fewest frames for an estimate of the drift."""
SIGMAS = 4.0
"""Number of standard errors from 0 from which on a drift is significant."""

_Times = NDArray[np.int64]
_MAD = 1.4826  # ratio of standard deviation and median absolute deviation of a normal distribution


class ClocksRecord(TypedDict):
    """Comparison of two cameras' clocks as a JSON object; see `Clocks`."""

    offset: float
    offset_std: float
    drift_ppm: float | None
    drift_std_ppm: float | None


@dataclass(frozen=True)
class Clocks:
    """Comparison of two cameras' clocks, relative to the clock of the times of receipt.

    Attributes:
        offset: thermal minus visible stamps, s.
        offset_std: scatter of the times of receipt about the offset, s.
        drift_ppm: relative rate of the thermal clock minus 1, in 1e-6; None if the time was too short.
        drift_std_ppm: standard error of the drift, in 1e-6.
    """

    offset: float
    offset_std: float
    drift_ppm: float | None = None
    drift_std_ppm: float | None = None

    def record(self) -> ClocksRecord:
        """The clocks as a JSON object."""
        return {
            "offset": self.offset,
            "offset_std": self.offset_std,
            "drift_ppm": self.drift_ppm,
            "drift_std_ppm": self.drift_std_ppm,
        }

    @property
    def drifts(self) -> bool:
        """Whether the drift is significant."""
        if self.drift_ppm is None or self.drift_std_ppm is None:
            return False
        return abs(self.drift_ppm) > max(SIGMAS * self.drift_std_ppm, 1.0)


def compare(visible: tuple[_Times, _Times], thermal: tuple[_Times, _Times]) -> Clocks:
    """Compare two clocks.

    Args:
        visible: stamps and times of receipt of the visible frames, (N,) each, ns.
        thermal: stamps and times of receipt of the thermal frames, (N,) each, ns.
    """
    first, second = _clock(*visible), _clock(*thermal)
    offset, std = second[0] - first[0], float(np.hypot(first[1], second[1]))
    if first[2] is None or second[2] is None:
        return Clocks(offset, std)
    drift_std = float(np.hypot(first[3], second[3]))
    return Clocks(offset, std, (second[2] - first[2]) * 1e6, drift_std * 1e6)


def _clock(stamps: _Times, received: _Times) -> tuple[float, float, float | None, float]:
    """Stamp minus time of receipt and its scatter (both s), drift and its standard error (s per s)."""
    first = int(stamps[0] - received[0])
    ahead = (stamps - received - first) / SECOND
    time = (received - received[0]) / SECOND
    offset = float(np.median(ahead))
    if len(time) < DRIFT_FRAMES or time[-1] < DRIFT_SECONDS:
        return offset + first / SECOND, scatter(ahead - offset), None, 0.0
    slope, residual = _line(time, ahead)
    error = scatter(residual) / (np.sqrt(len(time)) * float(time.std()))
    return offset + first / SECOND, scatter(residual), slope, error


def _line(time: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Slope of a robust line fit, and the residuals."""
    kept = np.ones(len(time), bool)
    for _ in range(3):
        slope, level = np.polyfit(time[kept], values[kept], 1)
        residual = values - slope * time - level
        limit = 4 * scatter(residual[kept]) + 1e-9
        kept = np.abs(residual) <= limit
    return float(slope), residual


def scatter(residual: NDArray[np.float64]) -> float:
    """Robust standard deviation about 0."""
    return _MAD * float(np.median(np.abs(residual)))
