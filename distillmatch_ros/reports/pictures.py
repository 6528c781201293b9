"""Pictures of single pairs, embedded in the page as WebP in data URIs."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.temperature import Temperature
from distillmatch_ros.reports.recording import Entry, Images
from distillmatch_ros.visualisation import canvas
from distillmatch_ros.visualisation.degrees import draw_degrees
from distillmatch_ros.visualisation.overlay import draw_matches, draw_overlay

WIDTH = 960  # greatest width, px; larger pictures are scaled down
QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        label: description, also for screen readers.
        uri: the picture as a data URI.
        width: px.
        height: px.
    """

    label: str
    uri: str
    width: int
    height: int

    @classmethod
    def of(cls, camera_image: NDArray[Any], label: str) -> "Picture":
        """Encode any camera image or picture."""
        image = canvas.displayable(camera_image)
        height, width = image.shape[:2]
        if width > WIDTH:
            image = canvas.resized(image, (max(1, round(height * WIDTH / width)), WIDTH))
        data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()
        uri = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
        return cls(label, uri, image.shape[1], image.shape[0])


@dataclass(frozen=True)
class Views:
    """Pictures of a pair.

    Attributes:
        before: picture left of the slider; None without images.
        after: picture right of the slider, of the same size; None without images.
        others: name and picture of further views, such as the matches.
    """

    before: Picture | None
    after: Picture | None
    others: Sequence[tuple[str, Picture]]


def views(entry: Entry, images: Images, temperature: Temperature | None = None) -> Views:
    """Make the pictures of a pair from the images that are available.

    Args:
        entry: the pair.
        images: its images.
        temperature: what thermal readings mean: adds a picture with a scale in degrees.

    Raises:
        DistillMatchError: the thermal image holds no such readings.
    """
    name = f"pair {entry.number}"
    if images.visible is None or images.thermal is None:
        if images.overlay is None:
            return Views(None, None, [])
        recorded = Picture.of(images.overlay, f"overlay of {name}, as recorded")
        return Views(None, None, [("Overlay", recorded)])
    visible, thermal = images.visible, images.thermal
    registration = entry.registration(visible.shape[:2], thermal.shape[:2])
    before = Picture.of(visible, f"visible image of {name}")
    others = []
    if registration.mapping is None:
        heat = canvas.resized(canvas.inferno(to_8bit(thermal)), visible.shape[:2])
        after = Picture.of(heat, f"thermal image of {name}, not registered")
    else:
        heat = _registered(visible, thermal, registration.mapping)
        after = Picture.of(heat, f"thermal image of {name}, registered")
        board = draw_overlay(visible, thermal, registration, "checkerboard")
        others.append(("Checkerboard", Picture.of(board, f"squares of both images of {name}")))
    if entry.correspondences is not None and entry.matched:
        lines = draw_matches(visible, thermal, registration)
        others.append(
            (
                "Matches",
                Picture.of(lines, f"matches of {name}: {entry.inliers} of {entry.matches} are inliers"),
            )
        )
    if temperature is not None:
        temperature.check(thermal)
        celsius = temperature.celsius(to_grey(thermal))
        mapped = celsius if registration.mapping is None else registration.mapping.warp_thermal(celsius)
        others.append(("Degrees", Picture.of(draw_degrees(mapped), f"degrees Celsius in {name}")))
    return Views(before, after, others)


def _registered(
    visible: NDArray[np.generic], thermal: NDArray[np.generic], mapping: ImageMapping
) -> NDArray[np.uint8]:
    """The warped thermal image in colours, over the dimmed visible image."""
    warped = canvas.inferno(mapping.warp_thermal(to_8bit(thermal)))
    return np.where(mapping.mask[..., None], warped, canvas.displayable(visible) // 4)
