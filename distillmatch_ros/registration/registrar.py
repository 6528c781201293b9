"""A pair of camera images in; correspondences, a homography that they support and a status out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.protocol import Engine, Float32
from distillmatch_ros.geometry.homography import Float64, Size, resizing, transform
from distillmatch_ros.geometry.warping import resize, warp
from distillmatch_ros.images.frames import to_grey
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.registration.alignment import Aligner, Alignment
from distillmatch_ros.registration.gate import (
    Estimate,
    Gate,
    Quality,
    Status,
    confirm,
    estimate,
    is_plausible,
)

__all__ = ["Gate", "Registrar", "Registration", "Status"]

SHIPPED_MODEL = "models/light.onnx"
STAGES = ("gain_control", "resize", "engine", "homography", "alignment")
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
        homography: float64 (3, 3), thermal pixels to visible pixels; None where none is supported.
        status: OK, or why there is no homography.
        latency_ms: milliseconds spent in ``gain_control``, ``resize``, ``engine``, ``homography`` and
            ``alignment``, and in ``total``.
        quality: figures of the homography, of a rejected one too; None where there was none to judge.
    """

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32
    inliers: NDArray[np.bool_]
    homography: Float64 | None
    status: Status
    latency_ms: dict[str, float]
    quality: Quality | None = None


class Registrar:
    """Registers pairs with one engine, which it owns. One thread at a time may use it.

    The first pass matches the two images as they are. Its matches give a homography, which is then aligned
    on the edges of the whole images. Where these support it only weakly, a second pass matches the thermal
    image with the visible one warped into its frame: nearly aligned, a pair matches better.
    """

    def __init__(self, engine: Engine, passes: int = 2, gate: Gate | None = None) -> None:
        """Take over an engine.

        Args:
            engine: an open engine; `close` closes it.
            passes: greatest number of passes of the network: 2, or 1 where speed matters more.
            gate: what a homography must show; the default gate if None. It may be replaced at any time.
        """
        if passes not in (1, 2):
            raise DistillMatchError(f"{passes} passes are not possible; choose 1 or 2")
        self.engine = engine
        self._passes = passes
        self.gate = gate or Gate()

    @classmethod
    def open(
        cls,
        model: Path | str | None = None,
        backend: str | None = None,
        threads: int | None = None,
        passes: int = 2,
        gate: Gate | None = None,
    ) -> "Registrar":
        """Open a network.

        Args:
            model: the file; the shipped network if None.
            backend: the runtime, such as ``onnx``; the fastest one for the file and machine if None.
            threads: CPU threads of the engine; one for each core that the process may use if None.
            passes: greatest number of passes of the network over a pair, 1 or 2.
            gate: what a homography must show; the default gate if None.

        Raises:
            DistillMatchError: an argument is not allowed, or the network cannot be opened; see
                `open_engine`.
        """
        file = resources.find(SHIPPED_MODEL) if model is None else Path(model)
        return cls(open_engine(file, backend or "auto", threads), passes, gate)

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
                the frame before: the first pass matches the pair as it aligns it, and is the only one, unless
                that does not lead to a homography.

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
            found = pair.register(self.gate, self._passes, prior)
        return Registration(
            visible_points=found.visible_points,
            thermal_points=found.thermal_points,
            confidence=found.confidence,
            inliers=found.estimate.inliers,
            homography=found.estimate.homography,
            status=found.estimate.status,
            latency_ms=clock.read(),
            quality=found.estimate.quality,
        )


@dataclass(frozen=True)
class _Pass:
    """What one pass of the network gave, in camera pixels."""

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32
    estimate: Estimate
    alignment: Alignment | None


def _blank_pass() -> _Pass:
    points, nothing = np.zeros((0, 2), np.float32), np.zeros(0, np.bool_)
    none = Estimate(Status.FEW_MATCHES, None, nothing, None)
    return _Pass(points, points.copy(), np.zeros(0, np.float32), none, None)


class _Pair:
    """One pair on its way through the engine; both images are 8 bit and grey."""

    def __init__(
        self, engine: Engine, visible: NDArray[Any], thermal: NDArray[Any], clock: "_Stopwatch"
    ) -> None:
        self._engine = engine
        self._visible = visible
        self._thermal = thermal
        self._visible_size: Size = visible.shape
        self._thermal_size: Size = thermal.shape
        self._network: Size = (engine.info.height, engine.info.width)
        self._network_to_thermal = resizing(self._network, self._thermal_size)
        self._clock = clock
        with clock.stage("resize"):
            self._thermal_input = _to_input(resize(thermal, self._network))

    def register(self, gate: Gate, passes: int, prior: Float64 | None) -> _Pass:
        if prior is not None and is_plausible(prior, self._thermal_size, self._visible_size, gate):
            found = self._pass_aligned(prior, gate)
            if found.estimate.status is Status.OK:
                return found
        first = self._pass(gate)
        if (
            first.alignment is None
            or passes == 1
            or first.alignment.peak_prominence >= gate.sure_peak_prominence
        ):
            return first
        second = self._pass_aligned(first.alignment.homography, gate)
        if second.alignment is None or second.alignment.peak_prominence < first.alignment.peak_prominence:
            return first
        return second

    def _pass(self, gate: Gate) -> _Pass:
        """Match the images as they are."""
        with self._clock.stage("resize"):
            visible_input = _to_input(resize(self._visible, self._network))
        return self._match(visible_input, resizing(self._network, self._visible_size), gate)

    def _pass_aligned(self, homography: Float64, gate: Gate) -> _Pass:
        """Match with the visible image brought into the thermal frame."""
        network_to_visible = homography @ self._network_to_thermal
        with self._clock.stage("resize"):
            visible_input = _to_input(warp(self._visible, network_to_visible, self._network))
        return self._match(visible_input, network_to_visible, gate)

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
            sizes = self._thermal_size, self._visible_size
            judged = estimate(thermal_points, visible_points, *sizes, gate.proposal())
        alignment = None
        if judged.homography is not None:
            with self._clock.stage("alignment"):
                alignment = self._align(judged.homography, gate)
                judged = confirm(alignment, thermal_points, visible_points, *sizes, gate)
        return _Pass(
            visible_points.astype(np.float32),
            thermal_points.astype(np.float32),
            matches.confidence[keep],
            judged,
            alignment,
        )

    def _align(self, homography: Float64, gate: Gate) -> Alignment:
        """Align, once more where that is not sure: what begins nearer ends nearer."""
        alignment = self._aligner.align(self._visible, homography)
        if alignment.peak_prominence >= gate.sure_peak_prominence:
            return alignment
        again = self._aligner.align(self._visible, alignment.homography)
        return max(alignment, again, key=lambda aligned: aligned.peak_prominence)

    @cached_property
    def _aligner(self) -> Aligner:
        return Aligner(self._thermal)


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
