"""Temperatures and light sources, by day and by night."""

from dataclasses import dataclass

from distillmatch_ros.scene.paint import Colour, colour


@dataclass(frozen=True)
class Climate:
    """Apparent temperatures in degrees Celsius, and light.

    A clear sky is far colder than the air and is reflected by glass and car roofs, and asphalt stays warm at
    night: contrast in the thermal image is hardly related to brightness in the visible one.

    Attributes:
        solar: temperature rise of a surface in full sunlight, degrees.
        ambient: light from all sides, linear BGR, as a factor on reflectance.
        sunlight: light from the sun, linear BGR; black at night.
        haze: colour of distant haze, linear BGR.
        lit: fraction of the windows with a light behind them.
        exposure: gain of the visible camera.
        grain: standard deviation of the visible camera's noise, in grey levels of 255.
    """

    night: bool
    wall: float
    glass: float
    room: float
    road: float
    paving: float
    metal: float
    lamp: float
    foliage: float
    trunk: float
    skin: float
    cloth: float
    body: float
    parked_body: float
    car_glass: float
    engine: float
    tyre: float
    sky_low: float
    sky_high: float
    cloud: float
    solar: float
    ambient: Colour
    sunlight: Colour
    haze: Colour
    lit: float
    exposure: float
    grain: float


DAY = Climate(
    night=False,
    wall=22.5,
    glass=16,
    room=22,
    road=25,
    paving=23,
    metal=21,
    lamp=23,
    foliage=16.5,
    trunk=19,
    skin=31,
    cloth=26,
    body=21,
    parked_body=25,
    car_glass=13,
    engine=44,
    tyre=37,
    sky_low=9,
    sky_high=-4,
    cloud=10,
    solar=11,
    ambient=colour("b9cdf2", 0.62),
    sunlight=colour("fff0d4", 1.75),
    haze=colour("dbe6ee"),
    lit=0.06,
    exposure=0.92,
    grain=1.5,
)
NIGHT = Climate(
    night=True,
    wall=12,
    glass=8,
    room=17,
    road=15,
    paving=13,
    metal=7,
    lamp=27,
    foliage=8.5,
    trunk=10,
    skin=29,
    cloth=19.5,
    body=12,
    parked_body=6,
    car_glass=6.5,
    engine=38,
    tyre=26,
    sky_low=0,
    sky_high=-8,
    cloud=1,
    solar=0,
    ambient=colour("8ea4e0", 0.11),
    sunlight=colour("000000"),
    haze=colour("2b2a3d"),
    lit=0.36,
    exposure=1.1,
    grain=3.5,
)
