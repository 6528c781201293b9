"""Pictures of single pairs as they stand in a page: WebP in data URIs."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.offline.report.recording import Entry, Images
from distillmatch_ros.visualisation import canvas
from distillmatch_ros.visualisation.overlay import covered, draw_matches, draw_overlay, warp_thermal

WIDTH = 960  # px; what is wider is scaled down
QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        label: what it shows, for screen readers too.
        uri: the picture itself.
        width: px.
        height: px.
    """

    label: str
    uri: str
    width: int
    height: int

    @classmethod
    def of(cls, camera_image: NDArray[Any], label: str) -> "Picture":
        """From any camera image, or a picture."""
        image = canvas.displayable(camera_image)
        height, width = image.shape[:2]
        if width > WIDTH:
            image = canvas.resized(image, (max(1, round(height * WIDTH / width)), WIDTH))
        data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()
        uri = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
        return cls(label, uri, image.shape[1], image.shape[0])


@dataclass(frozen=True)
class Views:
    """What is shown of a pair.

    Attributes:
        before: left of the slider; None without images.
        after: right of the slider, in the same frame; None without images.
        others: name of a view and its picture, such as the matches.
    """

    before: Picture | None
    after: Picture | None
    others: Sequence[tuple[str, Picture]]


def views(entry: Entry, images: Images) -> Views:
    """The pictures of a pair, as far as its images are there."""
    name = f"pair {entry.number}"
    if images.visible is None or images.thermal is None:
        if images.overlay is None:
            return Views(None, None, [])
        recorded = Picture.of(images.overlay, f"overlay of {name}, as recorded")
        return Views(None, None, [("Overlay", recorded)])
    visible, thermal, registration = images.visible, images.thermal, entry.registration
    before = Picture.of(visible, f"visible image of {name}")
    others = []
    if entry.homography is None:
        heat = canvas.resized(_coloured(to_8bit(thermal)), visible.shape[:2])
        after = Picture.of(heat, f"thermal image of {name}, not registered")
    else:
        heat = _registered(visible, thermal, entry.homography)
        after = Picture.of(heat, f"thermal image of {name}, registered")
        board = draw_overlay(visible, thermal, registration, "checkerboard")
        others.append(("Checkerboard", Picture.of(board, f"squares of both images of {name}")))
    if entry.correspondences is not None and entry.matched:
        lines = draw_matches(visible, thermal, registration)
        others.append(
            ("Matches", Picture.of(lines, f"matches of {name}: {entry.inliers} of {entry.matches} agree"))
        )
    return Views(before, after, others)


def _registered(
    visible: NDArray[np.generic], thermal: NDArray[np.generic], homography: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The thermal image in colours on the visible one's grid, which shows through where it sees nothing."""
    size, heat = visible.shape[:2], to_8bit(thermal)
    warped = _coloured(warp_thermal(heat, homography, size))
    inside = covered(heat.shape, homography, size)
    return np.where(inside[..., None], warped, canvas.displayable(visible) // 4)


def _coloured(heat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.applyColorMap(heat, cv2.COLORMAP_INFERNO), np.uint8)
