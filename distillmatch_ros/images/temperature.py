"""Temperatures from the readings of thermal cameras whose values are linear in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

KELVIN = -273.15


@dataclass(frozen=True)
class Temperature:
    """Degrees Celsius are ``scale`` times a reading, plus ``offset``.

    Attributes:
        scale: degrees per unit of the readings.
        offset: degrees at a reading of 0.
    """

    scale: float
    offset: float

    @classmethod
    def parse(cls, text: str) -> "Temperature":
        """The temperature of a camera in `CAMERAS`, or of ``SCALE,OFFSET``.

        Raises:
            DistillMatchError: it is neither.
        """
        if text.strip().lower() in CAMERAS:
            return CAMERAS[text.strip().lower()]
        try:
            scale, offset = (float(part) for part in text.split(","))
        except ValueError:
            scale = offset = np.nan
        if not (np.isfinite([scale, offset]).all() and scale != 0):
            raise DistillMatchError(
                f"temperature {text!r:.60}: write SCALE,OFFSET such as 0.01,-273.15, or one of "
                f"{', '.join(CAMERAS)}"
            )
        return cls(scale, offset)

    def celsius(self, readings: NDArray[Any]) -> NDArray[np.float32]:
        """Degrees Celsius of readings of any shape, float32; NaN stays NaN."""
        return (readings.astype(np.float64) * self.scale + self.offset).astype(np.float32)


CAMERAS: Mapping[str, Temperature] = {
    "boson": Temperature(0.01, KELVIN),
    "lepton": Temperature(0.01, KELVIN),
    "lepton-low": Temperature(0.1, KELVIN),
    "a65": Temperature(0.04, KELVIN),
    "a65-low": Temperature(0.4, KELVIN),
    "tiny1c": Temperature(1 / 64, KELVIN),
    "kelvin": Temperature(1.0, KELVIN),
    "celsius": Temperature(1.0, 0.0),
}
"""By camera: Boson and Lepton with TLinear (low gain: ``lepton-low``), FLIR's Ax5 with TemperatureLinear at
high and low resolution, InfiRay's Tiny1C. A radiometric JPEG of FLIR is read in kelvin; OAK cameras give
degrees Celsius."""
