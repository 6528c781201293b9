"""Registers a pair of camera images: correspondences, homography, probability and status."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.protocol import Engine
from distillmatch_ros.geometry.homography import Float64, inverse
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.orientation import ORIENTATIONS, Orientation
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.passes import CERTAIN, PairOfImages, Pass, Stopwatch, blank_pass
from distillmatch_ros.registration.probability import ProbabilityModel, find_model
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.views import (
    Framing,
    Mounting,
    View,
    in_camera_pixels,
    rejected,
    thermal_is_wider,
    to_regions,
    with_roles_exchanged,
)

SHIPPED_MODEL = "models/light.onnx"
MIN_SIDE = 16
"""Fewest rows and columns of an image that is matched; the smallest thermal cameras have 24."""


class Registrar:
    """Registers pairs with one engine, which it owns. It must be used by one thread at a time.

    The first pass matches the two images. The homography from its matches is aligned on the edges of the
    whole images. If these support it only weakly, a second pass matches the thermal image with the visible
    one warped into its frame, since nearly aligned pairs match better.

    Bars, frames and regions without data are excluded in both images. The network expects the visible camera
    to see at least as much as the thermal one; if no homography is found, the roles are exchanged.
    """

    def __init__(
        self,
        engine: Engine,
        passes: int = 2,
        gate: Gate | None = None,
        probability: ProbabilityModel | None = None,
        mounting: Mounting | None = None,
    ) -> None:
        """Take ownership of an engine.

        Args:
            engine: open engine; `close` closes it.
            passes: greatest number of passes of the network: 2, or 1 for speed.
            gate: thresholds for the homography; the default gate if None.
            probability: model fitted to the engine's network; without it there is no
                `Registration.probability`.
            mounting: rotations that make the images upright; none if None.

        Raises:
            DistillMatchError: the number of passes is not allowed.
        """
        if passes not in (1, 2):
            raise DistillMatchError(f"{passes} passes are not possible; choose 1 or 2")
        self.engine = engine
        self._passes = passes
        self.gate = gate or Gate()
        self._probability = probability
        self.mounting = mounting or Mounting()

    @classmethod
    def open(
        cls,
        model: Path | str | None = None,
        backend: str | None = None,
        threads: int | None = None,
        passes: int = 2,
        gate: Gate | None = None,
        mounting: Mounting | None = None,
    ) -> "Registrar":
        """Open a network.

        Args:
            model: file of the network; the shipped one if None.
            backend: runtime, such as ``onnx``; the fastest one for the file and machine if None.
            threads: CPU threads of the engine; one for each core the process may use if None.
            passes: greatest number of passes of the network over a pair, 1 or 2.
            gate: thresholds for the homography; the default gate if None.
            mounting: rotations that make the cameras' images upright; none if None.

        Raises:
            DistillMatchError: an argument is not allowed, or the network cannot be opened; see
                `open_engine`.
        """
        file = resources.find(SHIPPED_MODEL) if model is None else Path(model)
        engine = open_engine(file, backend or "auto", threads)
        return cls(engine, passes, gate, find_model(file, engine.info.weights_hash), mounting)

    def replace(self, *, gate: Gate | None = None, mounting: Mounting | None = None) -> "Registrar":
        """A registrar with other thresholds or orientations on the same engine, which either may close.

        A pass of this one that is running in another thread is not affected.
        """
        other = copy(self)
        other.gate, other.mounting = gate or self.gate, mounting or self.mounting
        return other

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
        self,
        visible: NDArray[Any],
        thermal: NDArray[Any],
        prior: Float64 | None = None,
        thermal_wider: Sequence[bool] = (False, True),
        search: bool = False,
        verify: bool = False,
    ) -> Registration:
        """Register one pair.

        Image content raises no errors: for black, constant, tiny or NaN images the status of the result tells
        why there is no homography.

        Args:
            visible: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA of one of `SUPPORTED_DTYPES`.
            thermal: likewise; its range of values is stretched, so that raw values are suitable.
            prior: (3, 3) approximate homography, thermal to visible pixels, such as that of the previous
                frame: the first pass matches the pair aligned by it. Further passes are made only if that
                gives no homography.
            thermal_wider: assumptions to try in this order: whether the thermal camera sees more than the
                visible one. The second is tried only if the first gives no homography, or one that shows that
                it does.
            search: whether to match from other scales and rotations too if there is no homography: nine or
                ten more passes.
            verify: whether to reject a homography whose probability is below `CERTAIN`, or that was searched
                for, if edges support one of another orientation of the thermal image better, such as
                mirrored: seven more passes.

        Raises:
            DistillMatchError: an argument is not an image, or the prior is not a matrix.
        """
        clock = Stopwatch()
        with clock.stage("gain_control"):
            visible_view = View.of(visible, self.mounting.visible, "visible image", stretch=False)
            thermal_view = View.of(thermal, self.mounting.thermal, "thermal image", stretch=True)
        if prior is not None:
            if np.shape(prior) != (3, 3) or not np.isfinite(prior).all():
                raise DistillMatchError(
                    "prior homography: not a finite 3x3 matrix; pass None if there is none"
                )
            prior = to_regions(prior, visible_view.region, thermal_view.region)
        pictures = visible_view.picture, thermal_view.picture
        found, wider = self._match(*pictures, prior, thermal_wider, clock)
        doubtful = found.probability is not None and found.probability < CERTAIN
        if search and found.estimate.homography is None and not any(map(_is_blank, pictures)):
            pair = PairOfImages(self.engine, self._probability, *pictures, clock)
            if (searched := pair.search(self.gate, found)) is not None:
                found, wider, doubtful = searched, False, True
        if verify and doubtful and self._is_contradicted(found, visible_view.picture, thermal, clock):
            found = rejected(found, "orientation")
        framing = Framing(visible_view.region, thermal_view.region, wider)
        found = in_camera_pixels(found, framing.visible, framing.thermal)
        homography = found.estimate.homography
        sizes = framing.thermal.camera, framing.visible.camera
        return Registration(
            visible_points=found.visible_points,
            thermal_points=found.thermal_points,
            confidence=found.confidence,
            inliers=found.estimate.inliers,
            mapping=None if homography is None else HomographyMapping(homography, *sizes),
            status=found.estimate.status,
            rejected_by=found.estimate.rejected_by,
            latency_ms=clock.read(),
            quality=found.estimate.quality,
            probability=found.probability,
            framing=framing,
        )

    def find_orientation(self, visible: NDArray[Any], thermal: NDArray[Any]) -> Orientation | None:
        """Try all eight orientations of the thermal image of a pair without homography.

        Returns:
            The orientation that makes the thermal image upright if the visible one is, if edges confirm it
            clearly; None if only the present one fits, or none.

        Raises:
            DistillMatchError: an argument is not an image.
        """
        picture = View.of(visible, self.mounting.visible, "visible image", stretch=False).picture
        best = self._best_orientation(picture, thermal, Stopwatch())
        return None if best is None else best[1]

    def _is_contradicted(
        self, found: Pass, visible: NDArray[np.uint8], thermal: NDArray[Any], clock: Stopwatch
    ) -> bool:
        """Whether another orientation of the thermal image is supported better than a homography."""
        if found.estimate.homography is None or found.alignment is None:
            return False
        other = self._best_orientation(visible, thermal, clock)
        return other is not None and other[0] > found.alignment.peak_prominence

    def _best_orientation(
        self, visible: NDArray[np.uint8], thermal: NDArray[Any], clock: Stopwatch
    ) -> tuple[float, Orientation] | None:
        """The other orientation of the camera's image that edges of the visible picture support best, and
        clearly, with its peak prominence.
        """
        best: tuple[float, Orientation] | None = None
        for orientation in ORIENTATIONS:
            if orientation == self.mounting.thermal:
                continue
            view = View.of(thermal, orientation, "thermal image", stretch=True)
            found, _ = self._match(visible, view.picture, None, (False,), clock)
            if found.estimate.homography is None or found.alignment is None:
                continue
            prominence = found.alignment.peak_prominence
            if prominence >= self.gate.sure_peak_prominence and (best is None or prominence > best[0]):
                best = prominence, orientation
        return best

    def _match(
        self,
        visible: NDArray[np.uint8],
        thermal: NDArray[np.uint8],
        prior: Float64 | None,
        thermal_wider: Sequence[bool],
        clock: Stopwatch,
    ) -> tuple[Pass, bool]:
        """Match two images in the given roles, in turn; returns the first success, else the first result."""
        if _is_blank(visible) or _is_blank(thermal):
            return blank_pass(), False
        sizes = visible.shape, thermal.shape
        if prior is not None and thermal_is_wider(prior, *sizes):
            thermal_wider = sorted(thermal_wider, reverse=True)
        results: list[tuple[Pass, bool]] = []
        for wider in thermal_wider:
            found = self._in_roles(visible, thermal, wider, prior, clock)
            homography = found.estimate.homography
            if homography is None or (wider and not thermal_is_wider(homography, *sizes)):
                # In exchanged roles only a homography counts that shows that the thermal camera sees more.
                results.append((found, wider))
                continue
            if not wider and True in thermal_wider and thermal_is_wider(homography, *sizes):
                # Images are aligned in the frame of the first: it should be filled by the other.
                closer = self._in_roles(visible, thermal, True, homography, clock)
                again = closer.estimate.homography
                if again is not None and thermal_is_wider(again, *sizes):
                    return closer, True
            return found, wider
        found, wider = results[0]
        return next((result for result in results if not result[1]), (rejected(found, "roles"), wider))

    def _in_roles(
        self,
        visible: NDArray[np.uint8],
        thermal: NDArray[np.uint8],
        wider: bool,
        prior: Float64 | None,
        clock: Stopwatch,
    ) -> Pass:
        """Match two images, with exchanged roles if the thermal camera is assumed to see more."""
        images = (thermal, visible) if wider else (visible, thermal)
        pair = PairOfImages(self.engine, self._probability, *images, clock)
        known = inverse(prior) if wider and prior is not None else prior
        found = pair.register(self.gate, self._passes, known)
        return with_roles_exchanged(found) if wider else found


def _is_blank(image: NDArray[Any]) -> bool:
    """Whether an image is constant or tiny: on such images the network would match positions (identity)."""
    return min(image.shape) < MIN_SIDE or bool(image.min() == image.max())
