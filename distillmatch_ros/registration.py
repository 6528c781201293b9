"""A pair of camera images in, correspondences and a homography that can be vouched for out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros import share
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.protocol import Engine, Float32
from distillmatch_ros.errors import DistillMatchError
from distillmatch_ros.frames import to_grey
from distillmatch_ros.gate import Estimate, Gate, Status, estimate, is_plausible
from distillmatch_ros.homography import Float64, Size, disagreement, jacobian, resizing, transform
from distillmatch_ros.thermal import to_8bit

__all__ = ["Gate", "Registrar", "Registration", "Status"]

SHIPPED_MODEL = "models/light.onnx"
STAGES = ("gain_control", "resize", "engine", "homography")
MIN_SIDE = 16
"""Rows and columns below which an image holds nothing to match; the smallest thermal cameras have 24."""


@dataclass(frozen=True)
class Registration:
    """How the thermal image lies in the visible image.

    Points are pixels of the camera images as they were passed in (integer = pixel centre), x and y.

    Attributes:
        visible_points: float32 (N, 2).
        thermal_points: float32 (N, 2), row by row the same places.
        confidence: float32 (N,), above 0, up to 1.
        inliers: bool (N,), the correspondences that agree with the homography.
        homography: float64 (3, 3), thermal pixels to visible pixels; None where none can be vouched for.
        status: OK, or why there is no homography.
        latency_ms: milliseconds spent in ``gain_control``, ``resize``, ``engine`` and ``homography``, and in
            ``total``.
    """

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32
    inliers: NDArray[np.bool_]
    homography: Float64 | None
    status: Status
    latency_ms: dict[str, float]


class Registrar:
    """Registers pairs with one engine, which it owns. One thread at a time may use it.

    The engine looks twice: at the two images as they are, then at the visible image warped into the thermal
    frame by what the first pass found. Nearly aligned, the pair matches better, and the two passes check each
    other.
    """

    def __init__(self, engine: Engine, passes: int = 2, gate: Gate | None = None) -> None:
        """Take over an engine.

        Args:
            engine: an open engine; `close` closes it.
            passes: 2, or 1 where speed matters more.
            gate: what a homography must show; the default gate if None.
        """
        if passes not in (1, 2):
            raise DistillMatchError(f"{passes} passes are not possible; choose 1 or 2")
        self.engine = engine
        self._passes = passes
        self._gate = gate or Gate()

    @classmethod
    def open(
        cls, model: Path | None = None, *, backend: str = "auto", threads: int | None = None
    ) -> "Registrar":
        """Open a network, by default the shipped one.

        Raises:
            DistillMatchError: the network cannot be opened; see `open_engine`.
        """
        return cls(open_engine(model or share.find(SHIPPED_MODEL), backend, threads))

    def __enter__(self) -> "Registrar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()

    def register(
        self, visible: NDArray[Any], thermal: NDArray[Any], prior: Float64 | None = None
    ) -> Registration:
        """Register one pair.

        Content never raises: black, constant, tiny or NaN images give a Registration whose status says why it
        has no homography.

        Args:
            visible: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA; uint8, uint16, float32 or float64.
            thermal: the same kinds; its range is stretched, so raw values are welcome.
            prior: (3, 3) thermal to visible pixels where the homography is roughly known, such as the one of
                the frame before: it replaces the first pass, unless it does not lead to a homography.

        Raises:
            DistillMatchError: an argument is not an image, or the prior not a matrix.
        """
        clock = _Stopwatch()
        with clock.stage("gain_control"):
            grey = to_grey(visible, "visible image")
            visible_8bit = grey if grey.dtype == np.uint8 else to_8bit(grey)
            thermal_8bit = to_8bit(thermal)
        if prior is not None and (np.shape(prior) != (3, 3) or not np.isfinite(prior).all()):
            raise DistillMatchError("prior homography: not a finite 3x3 matrix; pass None if there is none")
        if _is_blank(visible_8bit) or _is_blank(thermal_8bit):
            found = _blank_pass()
        else:
            pair = _Pair(self.engine, visible_8bit, thermal_8bit, clock)
            found = pair.register(self._gate, self._passes, prior)
        return Registration(
            visible_points=found.visible_points,
            thermal_points=found.thermal_points,
            confidence=found.confidence,
            inliers=found.estimate.inliers,
            homography=found.estimate.homography,
            status=found.estimate.status,
            latency_ms=clock.read(),
        )


@dataclass(frozen=True)
class _Pass:
    """What one look of the engine gave, in camera pixels."""

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32
    estimate: Estimate


def _blank_pass() -> _Pass:
    none, points = np.zeros(0, np.float32), np.zeros((0, 2), np.float32)
    return _Pass(points, points.copy(), none, Estimate(Status.FEW_MATCHES, None, np.zeros(0, np.bool_), None))


class _Pair:
    """One pair on its way through the engine; both images are 8 bit and grey."""

    def __init__(
        self, engine: Engine, visible: NDArray[Any], thermal: NDArray[Any], clock: "_Stopwatch"
    ) -> None:
        self._engine = engine
        self._visible = visible
        self._visible_size: Size = visible.shape
        self._thermal_size: Size = thermal.shape
        self._network: Size = (engine.info.height, engine.info.width)
        self._network_to_thermal = resizing(self._network, self._thermal_size)
        self._clock = clock
        with clock.stage("resize"):
            self._thermal_input = _to_input(_resize(thermal, self._network))

    def register(self, gate: Gate, passes: int, prior: Float64 | None) -> _Pass:
        if prior is not None and is_plausible(prior, self._thermal_size, self._visible_size, gate):
            found = self._look_aligned(prior, gate)
            if found.estimate.status is Status.OK:
                return found
        first = self._look(gate if passes == 1 else gate.lenient())
        if passes == 1 or first.estimate.homography is None:
            return first
        return self._look_aligned(first.estimate.homography, gate)

    def _look(self, gate: Gate) -> _Pass:
        """Match the images as they are."""
        with self._clock.stage("resize"):
            visible_input = _to_input(_resize(self._visible, self._network))
        return self._match(visible_input, resizing(self._network, self._visible_size), gate)

    def _look_aligned(self, homography: Float64, gate: Gate) -> _Pass:
        """Match again with the visible image brought into the thermal frame; the result must stay near."""
        network_to_visible = homography @ self._network_to_thermal
        with self._clock.stage("resize"):
            visible_input = _to_input(_warp(self._visible, network_to_visible, self._network))
        found = self._match(visible_input, network_to_visible, gate)
        refined = found.estimate.homography
        if refined is None:
            return found
        distance = disagreement(homography, refined, self._thermal_size, self._visible_size)
        if distance <= gate.max_disagreement_px:
            return found
        return replace(found, estimate=replace(found.estimate, homography=None, status=Status.DEGENERATE))

    def _match(self, visible_input: Float32, network_to_visible: Float64, gate: Gate) -> _Pass:
        with self._clock.stage("engine"):
            matches = self._engine(visible_input, self._thermal_input)
        with self._clock.stage("homography"):
            visible_points = transform(network_to_visible, matches.visible_points)
            thermal_points = transform(self._network_to_thermal, matches.thermal_points)
            # Comparisons with NaN are false: what is not finite is dropped here too.
            keep = (
                (matches.confidence > 0)
                & _inside(visible_points, self._visible_size)
                & _inside(thermal_points, self._thermal_size)
            )
            visible_points, thermal_points = visible_points[keep], thermal_points[keep]
            return _Pass(
                visible_points.astype(np.float32),
                thermal_points.astype(np.float32),
                matches.confidence[keep],
                estimate(thermal_points, visible_points, self._thermal_size, self._visible_size, gate),
            )


class _Stopwatch:
    """Adds up the time spent in each stage; a stage may run more than once."""

    def __init__(self) -> None:
        self._stages_ms = dict.fromkeys(STAGES, 0.0)
        self._start = perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._stages_ms[name] += 1e3 * (perf_counter() - start)

    def read(self) -> dict[str, float]:
        return {**self._stages_ms, "total": 1e3 * (perf_counter() - self._start)}


def _is_blank(image: NDArray[Any]) -> bool:
    """On a constant image a network can only match positions, and would find the identity."""
    return min(image.shape) < MIN_SIDE or bool(image.min() == image.max())


def _inside(points: Float64, size: Size) -> NDArray[np.bool_]:
    x, y = points.T
    within: NDArray[np.bool_] = (x >= -0.5) & (y >= -0.5) & (x <= size[1] - 0.5) & (y <= size[0] - 0.5)
    return within


def _to_input(image: NDArray[Any]) -> Float32:
    return image.astype(np.float32) / np.float32(255)


def _resize(image: NDArray[Any], size: Size) -> NDArray[Any]:
    """Average where the image shrinks, interpolate where it grows; each axis for itself."""
    (height, width), (rows, columns) = image.shape, size
    shrunk = cv2.resize(image, (min(width, columns), min(height, rows)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (columns, rows), interpolation=cv2.INTER_LINEAR)


def _warp(visible: NDArray[Any], network_to_visible: Float64, network: Size) -> NDArray[Any]:
    """The visible image as the network's thermal frame sees it; beyond its borders its mean."""
    centre = ((network[1] - 1) / 2, (network[0] - 1) / 2)
    step_x, step_y = np.hypot(*jacobian(network_to_visible, centre).T)  # visible pixels per network pixel
    height, width = visible.shape
    shrunk_size = max(1, round(height / max(1.0, step_y))), max(1, round(width / max(1.0, step_x)))
    shrunk = _resize(visible, shrunk_size)  # the warp only samples: without this it would alias
    return cv2.warpPerspective(
        shrunk,
        resizing((height, width), shrunk_size) @ network_to_visible,
        network[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=float(shrunk.mean()),
    )
