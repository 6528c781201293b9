"""Streams of pairs with exact truth that ask for a wrong answer.

A rig with a known homography pans over the still of an aligned pair. Each kind of stream adds one thing that
happens on robots: a camera that hangs or is late, a display burnt into both images, scenes that repeat, a
knock, darkness.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.evaluation.panning import TRUTH, VISIBLE, Image, Place, repeating_place
from distillmatch_ros.geometry.homography import Float64

RATE_HZ = 10.0
SLOW_HZ, REPEATED_HZ = 9.0, 27.0
"""Rate of a slow thermal camera, and the rate at which its images are published."""
ONSET_S = 2.0
"""Time from which on a camera hangs, s."""
GAP = (0.4, 0.7)
"""Part of a stream without light, or in fog."""


@dataclass(frozen=True, eq=False)
class Moment:
    """One pair of a stream.

    Attributes:
        seconds: its time, s.
        visible: uint8 (H, W, 3), BGR.
        thermal: uint8 (H, W).
        truth: float64 (3, 3), thermal to visible pixels; None where any answer is wrong.
    """

    seconds: float
    visible: Image
    thermal: Image
    truth: Float64 | None


Drawn = Callable[[Image, float], None]


def _display(image: Image, seconds: float) -> None:
    """Texts, a crosshair and a scale, as drones show them."""
    height, width = image.shape[:2]
    thick = max(1, round(width / 256))
    for x, y, text in (
        (0.04, 0.10, "CAM 1 REC"),
        (0.62, 0.10, f"12:34:{seconds:05.2f}"),
        (0.04, 0.94, "N 48.137 E 11.575"),
        (0.66, 0.94, "ALT 120m"),
    ):
        _text(image, x, y, text, 0.7)
    x, y, arm = width // 2, height // 2, round(0.16 * width)
    cv2.circle(image, (x, y), arm // 2, (255,) * 3, thick, cv2.LINE_AA)
    cv2.line(image, (x - arm, y), (x + arm, y), (255,) * 3, thick)
    cv2.line(image, (x, y - arm), (x, y + arm), (255,) * 3, thick)
    ends = (int(0.85 * width), int(0.3 * height)), (int(0.93 * width), int(0.7 * height))
    cv2.rectangle(image, *ends, (255,) * 3, thick)


def _logo(image: Image, seconds: float) -> None:
    """A clock and a logo in the corners."""
    height, width = image.shape[:2]
    _text(image, 0.03, 0.08, f"2026-01-01 12:00:{seconds:02.0f}", 0.6)
    x, y, side = round(0.86 * width), round(0.84 * height), round(0.1 * width)
    cv2.rectangle(image, (x, y), (x + side, y + side), (240,) * 3, -1)
    cv2.circle(image, (x + side // 2, y + side // 2), side // 3, (20,) * 3, -1)


def _bonnet(image: Image, _seconds: float) -> None:
    """The car itself at the lower edge, with two wipers."""
    height, width = image.shape[:2]
    curve = [(0, 0.9), (0.2, 0.82), (0.5, 0.78), (0.8, 0.82), (1, 0.9), (1, 1.01), (0, 1.01)]
    points = np.array([(round(x * width), round(y * height)) for x, y in curve], np.int32)
    cv2.fillPoly(image, [points], (40,) * 3, cv2.LINE_AA)
    cv2.polylines(image, [points], True, (200,) * 3, max(1, round(width / 256)), cv2.LINE_AA)
    for x in (0.25, 0.6):
        ends = (round(x * width), round(0.88 * height)), (round((x + 0.2) * width), round(0.82 * height))
        cv2.line(image, *ends, (220,) * 3, max(1, round(width / 128)), cv2.LINE_AA)


def _text(image: Image, x: float, y: float, text: str, size: float) -> None:
    height, width = image.shape[:2]
    place, thick = (int(x * width), int(y * height)), max(1, round(width / 256))
    cv2.putText(
        image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size * width / 512, (255,) * 3, thick, cv2.LINE_AA
    )


OVERLAYS: tuple[Drawn, ...] = (_display, _logo, _bonnet)


@dataclass(frozen=True)
class Scenery:
    """What a stream is made of: its place, another one, its number and its length in s."""

    place: Place
    other: Place
    number: int
    seconds: float

    def times(self, rate_hz: float = RATE_HZ) -> list[float]:
        """Times of the pairs, s."""
        return [index / rate_hz for index in range(round(self.seconds * rate_hz))]


Moments = Callable[[Scenery], Iterator[Moment]]


def _plain(scenery: Scenery) -> Iterator[Moment]:
    return _late(0.0)(scenery)


def _late(least_s: float, most_s: float | None = None, visible_s: float = 0.0) -> Moments:
    """With thermal images that are late, each by another time up to the greatest one; or visible ones."""

    def moments(scenery: Scenery) -> Iterator[Moment]:
        rng = np.random.default_rng(scenery.number)
        for time in scenery.times():
            late_s = least_s if most_s is None else float(rng.uniform(least_s, most_s))
            views = scenery.place.visible(time - visible_s), scenery.place.thermal(time - late_s)
            yield Moment(time, *views, TRUTH)

    return moments


def _hung(camera: Literal["visible", "thermal"]) -> Moments:
    """With one camera that repeats its image."""

    def moments(scenery: Scenery) -> Iterator[Moment]:
        last: Moment | None = None
        for moment in _plain(scenery):
            last = moment if last is None or moment.seconds < ONSET_S else last
            yield replace(moment, **{camera: getattr(last, camera)})

    return moments


def _slow(scenery: Scenery) -> Iterator[Moment]:
    every = round(REPEATED_HZ / SLOW_HZ)
    heat = scenery.place.thermal(0.0)
    for index, time in enumerate(scenery.times(REPEATED_HZ)):
        heat = scenery.place.thermal(time) if index % every == 0 else heat
        yield Moment(time, scenery.place.visible(time), heat, TRUTH)


def _overlaid(moments: Moments) -> Moments:
    """With an overlay burnt into both images."""

    def both(scenery: Scenery) -> Iterator[Moment]:
        draw = OVERLAYS[scenery.number % len(OVERLAYS)]
        for moment in moments(scenery):
            for image in (moment.visible, moment.thermal):
                draw(image, moment.seconds)
            yield moment

    return both


def _elsewhere(scenery: Scenery) -> Iterator[Moment]:
    for time in scenery.times():
        yield Moment(time, scenery.place.visible(time), scenery.other.thermal(time), None)


def turned(thermal: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """A thermal image mirrored, upside down, and both: as no camera beside the other sees it."""
    views = thermal[:, ::-1], thermal[::-1], thermal[::-1, ::-1]
    mirrored, inverted, both = (np.ascontiguousarray(view) for view in views)
    return mirrored, inverted, both


def _turned(scenery: Scenery) -> Iterator[Moment]:
    for moment in _plain(scenery):
        yield replace(moment, thermal=turned(moment.thermal)[scenery.number % 3], truth=None)


def _repeating(period: int) -> Moments:
    return lambda scenery: _plain(replace(scenery, place=repeating_place(period, scenery.number)))


def knock_by(px: float, degrees: float, direction: float) -> Float64:
    """Visible pixels before a knock to those after it, float64 (3, 3).

    Args:
        px: displacement.
        degrees: rotation about the centre.
        direction: of the displacement, from the x axis, radians.
    """
    middle = (VISIBLE[1] / 2, VISIBLE[0] / 2)
    knock = np.vstack([cv2.getRotationMatrix2D(middle, degrees, 1.0), (0, 0, 1)])
    knock[:2, 2] += px * np.cos(direction), px * np.sin(direction)
    return np.asarray(knock, np.float64)


def _knocked(px: float, degrees: float = 0.0) -> Moments:
    """With a knock at half time, by px of the visible image in a direction of the scene's own."""

    def moments(scenery: Scenery) -> Iterator[Moment]:
        knock = knock_by(px, degrees, 2 * np.pi * scenery.number / 5 + 0.6)
        for time in scenery.times():
            truth = TRUTH if time < scenery.seconds / 2 else knock @ TRUTH
            yield Moment(time, scenery.place.visible(time), scenery.place.thermal(time, truth), truth)

    return moments


def _blind(level: float, contrast: float) -> Moments:
    """Without light, or in fog, for a part of the stream: what is left of the visible image's contrast."""

    def moments(scenery: Scenery) -> Iterator[Moment]:
        rng = np.random.default_rng(scenery.number)
        for moment in _plain(scenery):
            if GAP[0] <= moment.seconds / scenery.seconds < GAP[1]:
                values = level + contrast * moment.visible + rng.normal(0, 3, moment.visible.shape)
                moment = replace(moment, visible=np.clip(values, 0, 255).astype(np.uint8))
            yield moment

    return moments


@dataclass(frozen=True)
class Kind:
    """A kind of stream.

    Attributes:
        name: its name in tables.
        moments: makes the pairs of a stream.
        settings: settings that it asks for.
    """

    name: str
    moments: Moments
    settings: dict[str, Any] = field(default_factory=dict)


KINDS: Sequence[Kind] = (
    Kind("plain", _plain),
    Kind("hung visible", _hung("visible")),
    Kind("hung thermal", _hung("thermal")),
    Kind("late 0.1 s", _late(0.1)),
    Kind("late 0.3 s", _late(0.3)),
    Kind("late 0 to 0.1 s", _late(0.0, 0.1)),
    Kind("visible late 0.2 s", _late(0.0, visible_s=0.2)),
    Kind("9 Hz at 27 Hz", _slow),
    Kind("overlay", _overlaid(_plain)),
    Kind("overlay over other scene", _overlaid(_elsewhere)),
    Kind("other scene", _elsewhere),
    Kind("mirrored or turned", _turned),
    *(Kind(f"period {period} px", _repeating(period)) for period in (8, 16, 24, 32, 48, 64, 80)),
    *(Kind(f"knock {px} px", _knocked(px)) for px in (20, 40, 60)),
    Kind("knock 3 degrees", _knocked(0, 3)),
    Kind("knock 60 px in hold", _knocked(60), {"mode": "hold"}),
    Kind("dark", _blind(4, 0.01)),
    Kind("fog", _blind(170, 0.03)),
)
"""All kinds, in the order of tables."""
