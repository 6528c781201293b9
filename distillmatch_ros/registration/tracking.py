"""Tracking: follows the homography from pair to pair on edges alone, without the network.

A rig's homography changes little between frames, so that the last one initialises the alignment of the next
pair. A search over shifts precedes it for larger motions, as after an impact. The aligned parameters are then
fused with those of the last homography by the information that the edges of this frame and of earlier frames
provide on each parameter: the update of a Kalman filter in information form. It stabilises most those
parameters that single frames determine badly, such as perspective.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import (
    REFERENCE_WIDTH,
    Float64,
    corner_error,
    inverse,
    resize_matrix,
    transform,
)
from distillmatch_ros.geometry.warping import resize, warp
from distillmatch_ros.images.gain_control import range_of, stretch
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.alignment import (
    LATTICE,
    LEVELS,
    Alignment,
    Float32,
    PyramidLevel,
    Template,
    edges_of,
    find_shift,
)
from distillmatch_ros.registration.crops import CropPair, Wider
from distillmatch_ros.registration.result import Registration

COARSE, FINE = LEVELS
MEMORY_S = 0.1
"""Time constant with which earlier frames lose weight, s. On a recorded drive it reduces the frame-to-frame
motion of the corners to a fifth; the lag behind a steady motion is two frames at 30 Hz."""
SURPRISE_PX = 8.0
"""Motion of a corner in one frame, reference pixels, at which the weight of earlier frames is halved."""
SHIFT_PX, FAR_PX = 3.0, 6.0
"""Pixels of the fine level. Alignment alone corrects shifts below the first; shifts above the second may come
with a rotation, and are aligned at the coarse level too."""

_PATCH, _SEARCH = 4, 2  # lattice points around a match that are compared, and range of the search for it
_LEAST_LIKENESS = 0.3  # least correlation of the edges around a match that is found again


@dataclass(frozen=True, eq=False)
class Track:
    """State of the tracking.

    Attributes:
        crops: the crops of the images that are aligned, and their roles.
        alignment: alignment of the last pair; its homography maps the narrow crop to the wide one.
        information: (8, 8), information matrix of the parameters of `Template` at the fine level.
        jumped: whether the last pair was found by the search over shifts.
        edges: edges of the last pair; None before the first one.
    """

    crops: CropPair
    alignment: Alignment
    information: Float64
    jumped: bool = False
    edges: "PairEdges | None" = None

    @cached_property
    def homography(self) -> Float64:
        """(3, 3), thermal to visible camera pixels, last element 1."""
        return self.crops.in_cameras(self.alignment.homography)

    @classmethod
    def begin(cls, homography: Float64, peak_prominence: float, crops: CropPair) -> "Track":
        """Start from a homography of camera pixels and its peak prominence, without knowing its accuracy."""
        start = crops.in_crops(homography / homography[2, 2])
        return cls(crops, Alignment(start, 0.0, peak_prominence, math.inf), np.zeros((8, 8)))

    def recropped(self, crops: CropPair) -> "Track":
        """Go on in other crops or roles; with other pixels what is known about the parameters is void."""
        if crops.have_pixels_of(self.crops):
            return replace(self, crops=crops)
        return Track.begin(self.homography, self.alignment.peak_prominence, crops)


def follow(track: Track, pair: PreparedPair, elapsed: float) -> Track:
    """Track the homography to the next pair.

    The gate has to judge by the `Alignment` whether edges support the result.

    Args:
        track: state after the previous pairs.
        pair: the next pair.
        elapsed: time since the last pair, s.
    """
    narrow, wide = track.crops.cut(pair)
    wide = _picture(wide, stretched=track.crops.wider is Wider.THERMAL)
    sizes = track.crops.sizes
    template = _template(narrow, FINE, track.crops)
    to_level = resize_matrix(sizes[0], FINE.size)
    onto = track.alignment.homography @ np.linalg.inv(to_level)
    seen = edges_of(warp(wide, onto, FINE.size), FINE)
    shift = find_shift(template.edges, seen)
    distance = math.hypot(*shift)
    if jumped := distance > SHIFT_PX:
        onto = onto @ np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
        if distance > FAR_PX:
            onto = _aligned_coarsely(wide, narrow, onto @ to_level, track.crops) @ np.linalg.inv(to_level)
        seen = edges_of(warp(wide, onto, FINE.size), FINE)
    step = template.align(seen)
    found = onto @ step.to_visible @ to_level
    moved_px = corner_error(found, track.alignment.homography, *sizes)
    weight = 0.0 if jumped else math.exp(-elapsed / MEMORY_S) / (1 + (moved_px / SURPRISE_PX) ** 2)
    known = weight * track.information
    parameters = _weigh(template.parameters_of(step.to_visible), step.information, known)
    onto = onto @ template.map_of(parameters)
    crop = track.crops.narrow.from_camera
    to_template = to_level if crop is None else to_level @ crop
    edges = PairEdges(template, seen, template.map_of(parameters), to_template)
    alignment = template.measure(onto @ to_level, edges.moved)
    return Track(track.crops, alignment, known + step.information, jumped, edges)


@dataclass(frozen=True, eq=False)
class PairEdges:
    """The edges of an aligned pair.

    Attributes:
        template: edges of the narrow crop; see `CropPair`.
        seen: (rows, columns, 2), edges of the wide crop.
        to_wide: (3, 3), pixels of the template to those of ``seen``.
        to_template: (3, 3), pixels of the camera with the narrow crop to those of the template.
    """

    template: Template
    seen: Float32
    to_wide: Float64
    to_template: Float64

    @cached_property
    def moved(self) -> Float32:
        """The wide crop's edges warped onto the narrow one's, on the lattice."""
        return self.template.moved(self.seen, self.to_wide)

    def find(self, points: Float32) -> tuple[Float32, Float32]:
        """Find matches again by the edges around them.

        Args:
            points: (N, 2) pixels of the camera with the narrow crop.

        Returns:
            (N, 2) pixels of that camera whose counterparts under the tracked homography have the edges that
            are around the points, and (N,) correlations of these edges, 0 if a match is not found.
        """
        on_lattice = transform(self.to_template, points) / LATTICE
        columns, rows = np.rint(on_lattice).astype(int).T
        margin = _PATCH + _SEARCH
        own = np.ascontiguousarray(self.template.edges[::LATTICE, ::LATTICE])
        inside = (
            (columns >= margin)
            & (rows >= margin)
            & (columns < own.shape[1] - margin)
            & (rows < own.shape[0] - margin)
        )
        places, likeness = on_lattice.copy(), np.zeros(len(on_lattice), np.float32)
        columns, rows = columns[inside], rows[inside]
        near = np.arange(-_PATCH, _PATCH + 1)
        ours = own[rows[:, None, None] + near[:, None], columns[:, None, None] + near]
        wide = np.arange(-margin, margin + 1)
        theirs = self.moved[rows[:, None, None] + wide[:, None], columns[:, None, None] + wide]
        squares = np.einsum("ijc,ijc->ij", self.moved, self.moved)
        energies = cv2.boxFilter(squares, -1, (len(near), len(near)), normalize=False)
        apart = np.arange(-_SEARCH, _SEARCH + 1)
        others = energies[rows[:, None, None] + apart[:, None], columns[:, None, None] + apart]
        shifts, best, bounded = _peaks(_correlations(ours, theirs, others))
        places[inside] += shifts
        likeness[inside] = np.where(bounded & (best >= _LEAST_LIKENESS), best, 0)
        to_camera = np.asarray(np.linalg.inv(self.to_template), np.float64)
        return transform(to_camera, np.asarray(places * LATTICE, np.float64)).astype(np.float32), likeness


@dataclass(frozen=True, eq=False)
class Matches:
    """The inliers of a pass, kept for the pairs that are tracked after it; see `Registration`.

    Attributes:
        visible_points: float32 (N, 2).
        thermal_points: float32 (N, 2).
        confidence: float32 (N,).
    """

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32

    @classmethod
    def of(cls, registration: Registration) -> "Matches":
        """The inliers of a registration."""
        kept = registration.inliers
        points = registration.visible_points[kept], registration.thermal_points[kept]
        return cls(*points, registration.confidence[kept])


def find_matches(
    track: Track, matches: Matches, inlier_px: float, registration: Registration
) -> Registration:
    """Find the correspondences of a tracked registration.

    Args:
        track: state for the pair.
        matches: inliers of the last pass. Those with dissimilar edges are dropped; the confidence of the
            others is scaled by the correlation of their edges.
        inlier_px: as in `Gate`.
        registration: registration of the pair, with its homography.
    """
    if track.edges is None or registration.homography is None or not len(matches.confidence):
        return registration
    wider = track.crops.wider is Wider.THERMAL
    known = matches.visible_points if wider else matches.thermal_points
    places, likeness = track.edges.find(known)
    found = likeness > 0
    counterparts = transform(inverse(track.homography) if wider else track.homography, places[found])
    pair = known[found], counterparts
    thermal_points, visible_points = pair[::-1] if wider else pair
    narrow, wide = track.crops.from_cameras(visible_points, thermal_points)
    gaps = wide - transform(track.crops.in_crops(registration.homography), narrow)
    width = track.crops.sizes[1][1]
    return replace(
        registration,
        visible_points=visible_points.astype(np.float32),
        thermal_points=thermal_points.astype(np.float32),
        confidence=matches.confidence[found] * likeness[found],
        inliers=np.hypot(*gaps.T) * REFERENCE_WIDTH / width <= inlier_px,
    )


def _template(narrow: NDArray[Any], level: PyramidLevel, crops: CropPair) -> Template:
    return Template(_picture(resize(narrow, level.size), stretched=crops.wider is Wider.VISIBLE), level)


def _picture(values: NDArray[Any], stretched: bool) -> NDArray[np.uint8]:
    """As 8-bit grey; thermal values are stretched also if they have 8 bits, as for a pass."""
    if values.dtype == np.uint8 and not stretched:
        return values
    values = values.astype(np.float32) if values.dtype == np.float64 else values
    return stretch(values, range_of(values))


def _aligned_coarsely(
    wide: NDArray[np.uint8], narrow: NDArray[Any], homography: Float64, crops: CropPair
) -> Float64:
    to_level = resize_matrix((narrow.shape[0], narrow.shape[1]), COARSE.size)
    onto = homography @ np.linalg.inv(to_level)
    template = _template(narrow, COARSE, crops)
    step = template.align(edges_of(warp(wide, onto, COARSE.size), COARSE))
    return np.asarray(onto @ step.to_visible @ to_level)


def _weigh(found: Float64, information: Float64, known: Float64) -> Float64:
    """Fuse ``found`` with the prior mean 0, weighted by their information matrices."""
    together = information + known
    together += (1e-6 * np.trace(together) + 1e-9) * np.eye(len(together))
    return np.asarray(np.linalg.solve(together, information @ found), np.float64)


def _correlations(ours: Float32, theirs: Float32, energies: Float32) -> Float32:
    """Correlation of (N, side, side, 2) patches with larger ones, (N, shifts, shifts).

    ``energies`` are those of the larger ones' parts at these shifts.
    """
    parts = np.lib.stride_tricks.sliding_window_view(theirs, ours.shape[1:3], (1, 2))
    products = np.einsum("nijc,nklcij->nkl", ours, parts)
    own = np.einsum("nijc,nijc->n", ours, ours)[:, None, None]
    return np.asarray(products / np.sqrt(np.maximum(own * energies, 1e-9)), np.float32)


def _peaks(correlations: Float32) -> tuple[Float64, Float32, NDArray[np.bool_]]:
    """Shifts (N, 2), x and y, of the highest correlations, their values, and which are not at the border."""
    flat = correlations.reshape(len(correlations), -1)
    best = flat.argmax(1)
    rows, columns = np.unravel_index(best, correlations.shape[1:])
    last = correlations.shape[1] - 1
    bounded = (rows > 0) & (columns > 0) & (rows < last) & (columns < last)
    shifts = np.column_stack([columns, rows]) - last / 2
    return shifts, flat[np.arange(len(flat)), best], bounded
