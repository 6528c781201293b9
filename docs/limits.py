"""The page of limits: cases in which the shipped network fails, registered whenever the site is built."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros import Registrar, Registration
from distillmatch_ros.geometry.homography import Float64, Size, corner_error
from distillmatch_ros.registration.probability import RIGHT_PX
from distillmatch_ros.scene import render_pair
from distillmatch_ros.visualisation.overlay import draw_matches

Image = NDArray[Any]
IDENTITY = np.eye(3)
INTRODUCTION = """# Limits

What the shipped network cannot register. Each case is a [synthetic street](../tutorial/first-drive.md) with
one difficulty added. Statuses and errors were measured when this page was built: errors are mean distances of
the thermal image's corners from where they are without the difficulty, in pixels of a visible image 640 px
wide. For real cameras see the [model card](../model-card.md).
"""


@dataclass(frozen=True)
class Case:
    """A difficulty.

    Attributes:
        name: name of its picture.
        title: heading.
        text: what it is, and what to do.
        change: takes both images; returns them with the difficulty, and the homography from new to old
            thermal pixels.
    """

    name: str
    title: str
    text: str
    change: Callable[[Image, Image], tuple[Image, Image, Float64]]


def rolled(visible: Image, thermal: Image) -> tuple[Image, Image, Float64]:
    height, width = thermal.shape
    turn = np.vstack([cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 55, 1), (0, 0, 1)])
    turned = cv2.warpPerspective(thermal, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    return visible, turned, np.linalg.inv(turn)


def narrow(visible: Image, thermal: Image) -> tuple[Image, Image, Float64]:
    height, width = thermal.shape
    side = 0.28
    top, left = round(0.45 * height), round(0.1 * width)
    part = thermal[top : top + round(side * height), left : left + round(side * width)]
    to_old = np.array([[side, 0, left], [0, side, top], [0, 0, 1]])
    return visible, cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC), to_old


def without_contrast(visible: Image, thermal: Image) -> tuple[Image, Image, Float64]:
    noise = np.random.default_rng(0).normal(0, 12, thermal.shape)
    faint = cv2.GaussianBlur(thermal.astype(np.float32), (0, 0), 40) + noise
    return visible, np.clip(faint, 0, 65535).astype(np.uint16), IDENTITY


def repeating(visible: Image, thermal: Image) -> tuple[Image, Image, Float64]:
    """One patch of either image again and again."""
    visible, thermal = visible.copy(), thermal.copy()
    for image, period in ((visible, 96), (thermal, 80)):
        patch = image[image.shape[0] // 3 :, image.shape[1] // 8 :][:period, :period].copy()
        rows, columns = (-(-length // period) for length in image.shape[:2])
        tiled = np.tile(patch, (rows, columns, *[1] * (image.ndim - 2)))
        image[:] = tiled[: image.shape[0], : image.shape[1]]
    return visible, thermal, IDENTITY


def overprinted(visible: Image, thermal: Image) -> tuple[Image, Image, Float64]:
    """The same frame, cross and text in both images, at the same place."""
    visible, thermal = visible.copy(), thermal.copy()
    for image, ink in ((visible, (255, 255, 255)), (thermal, float(thermal.max()) + 2000)):
        height, width = image.shape[:2]
        thick = width // 160
        cv2.rectangle(image, (width // 8, height // 8), (width * 7 // 8, height * 7 // 8), ink, thick)
        cv2.line(image, (width // 2, height // 8), (width // 2, height * 7 // 8), ink, thick)
        cv2.line(image, (width // 8, height // 2), (width * 7 // 8, height // 2), ink, thick)
        for row in range(3):
            place = width // 7, height // 5 + row * height // 5
            cv2.putText(image, "CAM 1  12:00:00", place, cv2.FONT_HERSHEY_SIMPLEX, width / 420, ink, thick)
    return visible, thermal, IDENTITY


CASES = (
    Case(
        "rolled",
        "Large rotations",
        "The thermal camera is rolled by 55 degrees. The network was trained up to 45 and is reliable up to "
        "about 25; give quarter turns as `thermal_rotation`.",
        rolled,
    ),
    Case(
        "narrow",
        "Very different fields of view",
        "The thermal camera sees a fifth of the visible image's width. Crop the visible image to the part "
        "that the thermal camera can see.",
        narrow,
    ),
    Case(
        "contrast",
        "No thermal contrast",
        "Morning and evening, rain and fog: everything is equally warm, and nothing can support a "
        "homography. Nodes hold the last one (`hold_seconds`).",
        without_contrast,
    ),
    Case(
        "repeating",
        "Repeating patterns",
        "Panels, windows, fences: the images match at every shift by a period.",
        repeating,
    ),
    Case(
        "overprinted",
        "Marks in both images",
        "A frame, a cross and text at the same place of both images; a mask or a bonnet that both cameras "
        "see acts alike. Their edges agree, and outvote the scene. Crop them off.",
        overprinted,
    ),
)


def pages() -> Iterator[tuple[str, str | bytes]]:
    """The page and its pictures, each with its path in the site."""
    pair = render_pair(0)
    text = [INTRODUCTION]
    with Registrar.open(backend="onnx") as registrar:
        right = registrar.register(pair.visible, pair.thermal).homography
        assert right is not None, "the street itself is not registered"
        for case in CASES:
            visible, thermal, to_old = case.change(pair.visible, pair.thermal)
            found = registrar.register(visible, thermal, search=True, verify=True)
            path = f"images/limits/{case.name}.jpg"
            outcome = _outcome(found, right @ to_old, thermal.shape, visible.shape[:2])
            text += [f"## {case.title}", case.text, f"![{case.title}](../{path})", outcome]
            drawn = draw_matches(visible, thermal, found)
            small = cv2.resize(drawn, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
            yield path, cv2.imencode(".jpg", small)[1].tobytes()
    yield "concepts/limits.md", "\n\n".join(text) + "\n"


def _outcome(found: Registration, right: Float64, thermal: Size, visible: Size) -> str:
    if found.homography is None:
        return f"Rejected: `{found.status}`."
    error = corner_error(found.homography, right, thermal, visible)
    return (
        f"**{'Right' if error < RIGHT_PX else 'Wrong'}**: `{found.status}` with a probability of "
        f"{found.probability:.2f}, {error:.0f} px off."
    )
