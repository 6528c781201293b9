"""Temperatures from the readings of thermal cameras whose values are linear in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError

KELVIN = -273.15
PLAUSIBLE = (-120.0, 700.0)
"""Median temperatures that a scene may have, degrees Celsius: below a clear sky, within a furnace."""
_STRIDE = 16  # of the pixels whose median is judged


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
        """Degrees Celsius of readings of any shape, float32; NaN for NaN and from absolute zero down.

        The latter are no readings: cameras and undistortion fill with 0.
        """
        degrees = readings.astype(np.float64) * self.scale + self.offset
        return np.where(degrees > KELVIN, degrees, np.nan).astype(np.float32)

    def check(self, image: NDArray[Any]) -> None:
        """Reject an image whose values cannot be such readings.

        Raises:
            DistillMatchError: it is in colour, or its median is no temperature of a scene: after gain control
                a picture holds no readings, and another camera or mode has another scale.
        """
        if image.ndim == 3 and image.shape[2] > 1:
            raise DistillMatchError(
                "temperature: the thermal image is in colour, which holds no readings; let the camera send "
                "its readings, or leave temperature out"
            )
        some = self.celsius(image[::_STRIDE, ::_STRIDE])
        known = some[np.isfinite(some)]
        if known.size and not PLAUSIBLE[0] < (median := float(np.median(known))) < PLAUSIBLE[1]:
            raise DistillMatchError(
                f"temperature: the median of the thermal image would be {median:.1f} degrees Celsius: these "
                f"{image.dtype} values are no such readings; let the camera send temperatures, correct the "
                "scale, or leave temperature out"
            )


CAMERAS: Mapping[str, Temperature] = {
    "boson": Temperature(0.01, KELVIN),
    "lepton": Temperature(0.01, KELVIN),
    "lepton-low": Temperature(0.1, KELVIN),
    "a65": Temperature(0.04, KELVIN),
    "a65-low": Temperature(0.4, KELVIN),
    "tiny1c": Temperature(1 / 64, KELVIN),
    "oak": Temperature(1.0, 0.0),
    "r-jpeg": Temperature(1.0, KELVIN),
    "kelvin": Temperature(1.0, KELVIN),
    "celsius": Temperature(1.0, 0.0),
}
"""Scales by camera, of its radiometric mode.

- ``lepton``, ``lepton-low``: TLinear at a resolution of 0.01 and of 0.1 K (FLIR Lepton Engineering Datasheet,
  500-0659-00-09 rev. 203, telemetry row C, word 49).
- ``a65``, ``a65-low``: FLIR's Ax5 with TemperatureLinear at high and low resolution, 0.04 and 0.4 K (FLIR
  support, "What is the relation between TemperatureLinearResolution and SensorGainMode").
- ``oak``: OAK Thermal sends degrees Celsius, FP16 (Luxonis, DepthAI, node Thermal, output ``temperature``).
- ``r-jpeg``: a radiometric JPEG of FLIR, which is read in kelvin by the constants in the file, see
  `distillmatch_ros.images.radiometric`.
- ``boson``: IR16 mode TLINEAR of a radiometric Boson, in hundredths of a kelvin. So do programs read it that
  set this mode; no public document of the maker was found that says so.
- ``tiny1c``: InfiRay's Tiny1C and what is built with it (P2 Pro, TOPDON TC001), in 1/64 K; likewise.
"""
