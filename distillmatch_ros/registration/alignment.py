"""Dense alignment: refines a homography on the edges of both images, and measures how well they agree.

Matches are accurate to a few pixels each. Alignment uses the edges of the whole image, without the network:
its result is more accurate, and its peak distinguishes a correct homography from a consistent but wrong one.

An edge is described by its direction without sign, as cosine and sine of the doubled angle (Granlund 1978),
since bright objects may be cold; by its strength relative to its surroundings; and smoothed, so that edges
attract each other over a few pixels. Gauss-Newton steps of the inverse compositional algorithm (Baker and
Matthews 2004) maximise the correlation of two such fields; the gain between the fields follows from their
correlation (Evangelidis and Psarakis 2008).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64, Size, resize_matrix
from distillmatch_ros.geometry.warping import resize, warp

Float32 = NDArray[np.float32]

_ITERATIONS = 10
_LEAST_GAIN = 1e-4  # of correlation; iteration stops at a smaller gain
_LARGEST_STEP = 3.0  # pixels of a level; the linearisation is invalid for larger steps
_NOISE = 0.5  # grey levels per pixel: gradients of this strength have half weight
LATTICE = 2  # pixels between the points at which edges are sampled
_REDUCTION = 4  # factor by which the fine level's edges are reduced for the search over shifts
_REACH = 8  # range of the search, pixels of the reduced edges: 64 px of a visible image 640 px wide
_RADII = (6, 12)  # shifts that the peak is compared with, pixels of the last level
_BESIDE = (10, 48)  # range of the shifts at which second peaks are searched for, pixels of the last level


@dataclass(frozen=True)
class PyramidLevel:
    """Resolution and parameters of one level of the alignment.

    Attributes:
        size: rows and columns that the thermal image is resized to.
        smoothing: standard deviation of the Gaussian on the edge field, pixels: the range of attraction.
        surroundings: side of the window that edge strengths are normalised by, pixels.
        parameters: 6 for an affine map, 8 for a homography.
    """

    size: Size
    smoothing: float
    surroundings: int
    parameters: int


# For corner errors of 10 px in common plus 3 px each (of 640), these two bring 80 % of road scenes below
# 10 px; less smoothing 60 %. More smoothing has a larger range but is less accurate.
LEVELS = (PyramidLevel((128, 160), 2.5, 15, 6), PyramidLevel((256, 320), 1.0, 31, 8))


@dataclass(frozen=True)
class Alignment:
    """A homography, and how well edges agree under it.

    Attributes:
        homography: float64 (3, 3), thermal to visible pixels, last element 1.
        correlation: correlation of the edges, -1 to 1.
        peak_prominence: by how much ``correlation`` exceeds its mean over small shifts of the images. A wrong
            homography has no peak, however many edges there are.
        second_peak_ratio: highest correlation at a larger shift, as a fraction of that in place. It is near 1
            for repetitive patterns, such as the windows of a facade, where the position is ambiguous.
    """

    homography: Float64
    correlation: float
    peak_prominence: float
    second_peak_ratio: float


class Aligner:
    """Aligns visible images to one thermal image."""

    def __init__(self, thermal: NDArray[np.uint8]) -> None:
        """Prepare a thermal image, uint8 (H, W)."""
        self._size: Size = thermal.shape
        self._templates = tuple(Template(resize(thermal, level.size), level) for level in LEVELS)

    def align(self, visible: NDArray[np.uint8], homography: Float64) -> Alignment:
        """Refine a homography whose error is at most a few hundredths of the image.

        Args:
            visible: uint8 (H, W).
            homography: (3, 3), thermal to visible pixels.
        """
        for template in self._templates:
            to_level = resize_matrix(self._size, template.level.size)
            onto = homography @ np.linalg.inv(to_level)
            seen = edges_of(warp(visible, onto, template.level.size), template.level)
            step = template.align(seen)
            homography = onto @ step.to_visible @ to_level
        return template.measure(homography, template.moved(seen, step.to_visible))


@dataclass(frozen=True)
class Step:
    """Result of the alignment at one level.

    Attributes:
        to_visible: (3, 3), pixels of the level to pixels of the visible edges resampled to the level.
        correlation: correlation of the edges.
        information: (n, n), information matrix of the map's parameters, or of the directions it may take.
    """

    to_visible: Float64
    correlation: float
    information: Float64


class Template:
    """The thermal image's edges at one level, with their derivatives by the parameters of a map.

    Sums are over a lattice of every second pixel in both directions, which suffices for smoothed edges.
    """

    def __init__(self, thermal: NDArray[np.uint8], level: PyramidLevel) -> None:
        self.level = level
        rows, columns = level.size
        self.edges = edges_of(thermal, level)
        self._flat = on_lattice(self.edges).ravel()
        self._energy = _dot(self._flat, self._flat)
        # Coordinates are in half widths around the centre, so that parameters have similar magnitude.
        self._half = columns / 2
        centre = np.array([[1, 0, (1 - columns) / 2], [0, 1, (1 - rows) / 2], [0, 0, self._half]])
        self._normalise: Float64 = centre / self._half

    @cached_property
    def _jacobian(self) -> Float32:
        """Derivatives (parameters, values of ``_flat``), in the order shift, affine, perspective."""
        rows, columns = self.level.size
        x = ((np.arange(0, columns, LATTICE, dtype=np.float32) - (columns - 1) / 2) / self._half)[:, None]
        y = ((np.arange(0, rows, LATTICE, dtype=np.float32) - (rows - 1) / 2) / self._half)[:, None, None]
        by_x, by_y = (
            np.ascontiguousarray(on_lattice(cv2.Sobel(self.edges, -1, *axis, scale=self._half / 8)))
            for axis in ((1, 0), (0, 1))
        )
        terms = np.empty((self.level.parameters, *by_x.shape), np.float32)
        terms[0], terms[1] = by_x, by_y
        for index, (shift, place) in enumerate(((by_x, x), (by_x, y), (by_y, x), (by_y, y)), start=2):
            np.multiply(shift, place, out=terms[index])
        if len(terms) == 8:
            radial = -(terms[2] + terms[5])
            np.multiply(radial, x, out=terms[6])
            np.multiply(radial, y, out=terms[7])
        return terms.reshape(len(terms), -1)

    def align(self, seen: Float32, directions: Float64 | None = None) -> Step:
        """Maximise the correlation with the visible image's edges (rows, columns, 2).

        Args:
            seen: these edges.
            directions: (parameters, n), the ways in which the map may change; any way if None.
        """
        jacobian = self._jacobian
        if directions is not None:
            jacobian = np.einsum("ij,ik->jk", directions.astype(np.float32), jacobian)
        information = np.einsum("ik,jk->ij", jacobian, jacobian).astype(np.float64)
        # Regularised: with few edges some directions may be undetermined.
        curvature = information + (1e-6 * np.trace(information) + 1e-9) * np.eye(len(information))
        own = np.einsum("ik,k->i", jacobian, self._flat)
        current, damping = np.eye(3), 1.0
        moved = self._sample(seen, current)
        correlation = _correlation(self._flat, moved)
        for _ in range(_ITERATIONS):
            gain = np.sqrt(self._energy / max(_dot(moved, moved), 1e-9)) / max(correlation, 0.1)
            pull = gain * np.einsum("ik,k->i", jacobian, moved) - own
            change = damping * np.linalg.solve(curvature, pull)
            parameters = np.zeros(8)
            parameters[: len(self._jacobian)] = change if directions is None else directions @ change
            parameters *= min(1.0, _LARGEST_STEP / max(1e-9, self._half * np.abs(parameters).max()))
            tried = current @ np.linalg.inv(_matrix(parameters))
            moved_there = self._sample(seen, tried)
            there = _correlation(self._flat, moved_there)
            if there <= correlation:
                damping /= 3
                if damping < 0.1:
                    break
                continue
            gained = there - correlation
            current, moved, correlation = tried, moved_there, there
            if gained < _LEAST_GAIN:
                break
        return Step(self._denormalised(current), correlation, information)

    def parameters_of(self, to_visible: Float64) -> Float64:
        """The (8,) parameters of a map such as `Step.to_visible`; 0 for the identity."""
        current = self._normalise @ to_visible @ np.linalg.inv(self._normalise)
        current = current / current[2, 2] - np.eye(3)
        return np.array([*current[:2, 2], *current[0, :2], *current[1, :2], *current[2, :2]])

    def map_of(self, parameters: Float64) -> Float64:
        """The inverse of `parameters_of`."""
        return self._denormalised(_matrix(parameters))

    def _denormalised(self, current: Float64) -> Float64:
        return np.asarray(np.linalg.inv(self._normalise) @ current @ self._normalise)

    def moved(self, seen: Float32, to_visible: Float64) -> Float32:
        """Warp the visible image's edges by a map, and sample them on the lattice."""
        current = self._normalise @ to_visible @ np.linalg.inv(self._normalise)
        return self._sample(seen, current).reshape(on_lattice(self.edges).shape)

    def measure(self, homography: Float64, moved: Float32) -> Alignment:
        """Measure how well edges agree under a homography; ``moved`` are the edges warped by it."""
        return Alignment(
            homography / homography[2, 2],
            _correlation(self._flat, moved.ravel()),
            self.peak_prominence(moved),
            self._second_peak_ratio(moved),
        )

    def peak_prominence(self, moved: Float32) -> float:
        """By how much the correlation exceeds its mean at small shifts."""
        middle = max(_RADII) // LATTICE
        correlations = self._shifted(moved, middle)
        around = [
            correlations[
                middle + round(radius * np.sin(angle) / LATTICE),
                middle + round(radius * np.cos(angle) / LATTICE),
            ]
            for radius in _RADII
            for angle in np.arange(8) * np.pi / 4
        ]
        return float(correlations[middle, middle] - np.mean(around))

    def _second_peak_ratio(self, moved: Float32) -> float:
        """Highest correlation at larger shifts relative to that in place."""
        near, reach = _BESIDE[0] // LATTICE, _BESIDE[1] // LATTICE
        correlations = self._shifted(moved, reach)
        shifts = np.arange(-reach, reach + 1)
        beside = np.hypot(shifts[:, None], shifts) > near
        in_place = float(correlations[reach, reach])
        return float(correlations[beside].max()) / in_place if in_place > 0 else np.inf

    def _shifted(self, moved: Float32, reach: int) -> Float32:
        """Correlation of the inner edges at all shifts up to ``reach`` lattice points."""
        inner = np.ascontiguousarray(moved[reach:-reach, reach:-reach])
        own = np.ascontiguousarray(on_lattice(self.edges))
        return np.asarray(cv2.matchTemplate(own, inner, cv2.TM_CCORR_NORMED), np.float32)

    def _sample(self, seen: Float32, current: Float64) -> Float32:
        on_lattice = np.diag([LATTICE, LATTICE, 1.0])
        to_seen = np.linalg.inv(self._normalise) @ current @ self._normalise @ on_lattice
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.level.size[1] // LATTICE, self.level.size[0] // LATTICE)
        return np.asarray(cv2.warpPerspective(seen, to_seen, size, flags=flags), np.float32).ravel()


def on_lattice(field: NDArray[Any]) -> Float32:
    return field[::LATTICE, ::LATTICE]


def _matrix(parameters: Float64) -> Float64:
    shift_x, shift_y, xx, xy, yx, yy, across, along = parameters
    return np.array([[1 + xx, xy, shift_x], [yx, 1 + yy, shift_y], [across, along, 1]])


def _correlation(own: Float32, other: Float32) -> float:
    """Correlation of two flat fields without removing means: where there is no edge the field is 0."""
    return _dot(own, other) / max(float(np.sqrt(_dot(own, own) * _dot(other, other))), 1e-9)


def _dot(one: Float32, other: Float32) -> float:
    """Dot product without BLAS, as all long ones here: its spinning threads slow the engine by half."""
    return float(np.einsum("i,i", one, other))


def edges_of(image: NDArray[Any], level: PyramidLevel) -> Float32:
    """Doubled-angle direction times relative strength of the edges, float32 (rows, columns, 2)."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)
    by_x, by_y = cv2.Sobel(smooth, -1, 1, 0, scale=1 / 8), cv2.Sobel(smooth, -1, 0, 1, scale=1 / 8)
    power = by_x * by_x + by_y * by_y
    window = (level.surroundings, level.surroundings)
    around = np.sqrt(np.maximum(cv2.blur(power, window), 0)) + _NOISE
    scale = 1 / (np.sqrt(power) * around + 1e-6)
    doubled = cv2.merge([(by_x * by_x - by_y * by_y) * scale, 2 * by_x * by_y * scale])
    return np.asarray(cv2.GaussianBlur(doubled, (0, 0), level.smoothing), np.float32)


def find_shift(own: Float32, seen: Float32) -> tuple[float, float]:
    """Shift (x, y), pixels, of other edges at which they correlate best with one's own; see `_REACH`."""
    reduced = _reduced(own)
    inner = np.ascontiguousarray(_reduced(seen)[_REACH:-_REACH, _REACH:-_REACH])
    correlations = cv2.matchTemplate(reduced, inner, cv2.TM_CCORR_NORMED)
    row, column = np.unravel_index(correlations.argmax(), correlations.shape)
    across, along = correlations[row, :], correlations[:, column]
    x = column - _REACH + _vertex(across, int(column))
    y = row - _REACH + _vertex(along, int(row))
    return -_REDUCTION * float(x), -_REDUCTION * float(y)


def _reduced(edges: Float32) -> Float32:
    size = (edges.shape[1] // _REDUCTION, edges.shape[0] // _REDUCTION)
    small = cv2.resize(edges, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.7), np.float32)


def _vertex(values: NDArray[Any], index: int) -> float:
    """Sub-sample position of a peak by the parabola through its neighbours, relative to it; 0 at the ends."""
    if not 0 < index < len(values) - 1:
        return 0.0
    before, peak, after = values[index - 1 : index + 2].astype(float)
    curvature = before - 2 * peak + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0
