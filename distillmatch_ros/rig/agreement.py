"""Whether the edges of a pair agree with a mapping, or with another place."""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, Size, resize_matrix, transform
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.geometry.warping import resize
from distillmatch_ros.images.gain_control import stretch
from distillmatch_ros.images.prepared import PreparedImage, PreparedPair
from distillmatch_ros.registration.alignment import LEVELS, Float32, Template, edges_of, find_shift
from distillmatch_ros.registration.gate import Gate, unsupported_by_edges
from distillmatch_ros.rig.edges import within_view
from distillmatch_ros.rig.model import RigMapping

LEVEL = LEVELS[-1]
"""Resolution at which edges are compared, in the thermal frame."""

_FAR_PX = 12.0  # shift, pixels of the level, beyond which edges that agree elsewhere contradict a mapping
_CLEARER = 0.04
"""By how much the peak prominence elsewhere is greater if edges contradict a mapping. It need not be one that
would support a mapping: from clear to dark none of 860 right places reaches it elsewhere; of places that are
off by 20 or 40 px four of five do in mist, dusk and fog, and one of five in the dark."""


class EdgesOfPair:
    """The edges of one pair."""

    def __init__(self, pair: PreparedPair, gate: Gate) -> None:
        """Use a pair; the gate holds the thresholds for edges."""
        self._pair = pair
        self._gate = gate

    def supports(self, mapping: ImageMapping) -> bool:
        """Whether edges agree with a mapping."""
        alignment = self.template.measure(np.eye(3), self.template.moved(self.seen(mapping), np.eye(3)))
        return unsupported_by_edges(alignment, self._gate) is None

    def away(self, mapping: ImageMapping) -> float | None:
        """Distance of another place at which edges agree rather, reference pixels; None if there is none."""
        seen = self.seen(mapping)
        shift = np.array(find_shift(self.template.edges, seen))
        if np.hypot(*shift) < _FAR_PX:
            return None
        moved = np.eye(3)
        moved[:2, 2] = shift
        here, there = (self.template.measure(to, self.template.moved(seen, to)) for to in (np.eye(3), moved))
        if there.peak_prominence < here.peak_prominence + _CLEARER:
            return None
        height, width = mapping.thermal_size
        middle = np.array([[(width - 1) / 2, (height - 1) / 2]])
        onto = transform(np.asarray(np.linalg.inv(self.to_level)), transform(self.to_level, middle) + shift)
        gap = np.hypot(*(mapping.to_visible(onto) - mapping.to_visible(middle))[0])
        return float(gap) * REFERENCE_WIDTH / mapping.visible_size[1]

    @cached_property
    def template(self) -> Template:
        """Edges of the thermal image."""
        return Template(picture(self._pair.thermal, LEVEL.size), LEVEL)

    @cached_property
    def to_level(self) -> Float64:
        """(3, 3), thermal pixels to those of the level."""
        return resize_matrix(self._pair.thermal.grey.shape, LEVEL.size)

    def seen(self, mapping: ImageMapping) -> Float32:
        """Edges of the visible image where the mapping takes the pixels of the level; 0 outside of it."""
        places = _places(mapping, LEVEL.size)
        step = np.hypot(*np.diff(places[:, ::32]))  # visible pixels of one of the level
        # Whole: the average over whole pixels takes a fifth of the time of any other.
        factor = max(1, round(float(np.median(step[np.isfinite(step)]))))
        size = np.maximum(1, np.round(np.array(mapping.visible_size) / factor)).astype(int)
        small = picture(self._pair.visible, (int(size[0]), int(size[1])))
        scale = (size / mapping.visible_size).astype(np.float32)
        x, y = ((each + 0.5) * by - 0.5 for each, by in zip(places, scale[::-1], strict=True))
        onto = cv2.remap(small, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = (x > 0) & (y > 0) & (x < size[1] - 1) & (y < size[0] - 1)
        return within_view(edges_of(onto, LEVEL), inside.view(np.uint8))


def _places(mapping: ImageMapping, size: Size) -> NDArray[np.float32]:
    """Visible pixels of the pixels of the thermal image resized to ``size``, float32 (2, *size)."""
    if isinstance(mapping, RigMapping):
        return mapping.places_in_visible(size)
    columns, rows = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    points = np.column_stack([columns.ravel(), rows.ravel()]).astype(np.float64)
    back = np.asarray(np.linalg.inv(resize_matrix(mapping.thermal_size, size)), np.float64)
    return mapping.to_visible(transform(back, points)).T.reshape(2, *size).astype(np.float32)


def picture(prepared: PreparedImage, size: Size) -> NDArray[np.uint8]:
    """The camera's image as an 8-bit picture of another size."""
    grey = prepared.grey
    if grey.dtype == np.uint8 and not prepared.stretched:
        return resize(grey, size)
    if grey.dtype not in (np.uint8, np.uint16):
        grey = np.where(np.isfinite(grey), grey, prepared.range[1]).astype(np.float32)
    return stretch(resize(grey, size), prepared.range)
