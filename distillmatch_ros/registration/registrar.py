"""Registers a pair of camera images: correspondences, homography, probability and status."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError, check_type
from distillmatch_ros.engines import open_engine
from distillmatch_ros.engines.protocol import Engine
from distillmatch_ros.geometry.homography import Float64, check_homography, inverse
from distillmatch_ros.geometry.mapping import HomographyMapping
from distillmatch_ros.images.orientation import ORIENTATIONS, Orientation, Orientations
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.crops import CropPair, Wider
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.passes import PairOfImages, Pass, Stopwatch
from distillmatch_ros.registration.probability import ProbabilityModel, find_model
from distillmatch_ros.registration.result import Registration

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
        orientations: Orientations | None = None,
    ) -> None:
        """Take ownership of an engine.

        Args:
            engine: open engine; `close` closes it.
            passes: greatest number of passes of the network: 2, or 1 for speed.
            gate: thresholds for the homography; the default gate if None.
            probability: model fitted to the engine's network; without it there is no
                `Registration.probability`.
            orientations: rotations that make the images upright; none if None.

        Raises:
            DistillMatchError: an argument is not allowed.
        """
        if passes not in (1, 2):
            raise DistillMatchError(f"{passes} passes are not possible; choose 1 or 2")
        self.engine = engine
        self._closed = Event()  # shared by registrars on the same engine
        self._passes = passes
        self.gate = check_type(Gate() if gate is None else gate, Gate, "gate")
        self._probability = probability
        self._orientations = orientations and check_type(orientations, Orientations, "orientations")

    @classmethod
    def open(
        cls,
        model: Path | str | None = None,
        backend: str | None = None,
        threads: int | None = None,
        passes: int = 2,
        gate: Gate | None = None,
        orientations: Orientations | None = None,
    ) -> "Registrar":
        """Open a network.

        Args:
            model: file of the network; the shipped one if None.
            backend: runtime, such as ``onnx``; the fastest one for the file and machine if None.
            threads: CPU threads of the engine; one for each core the process may use if None.
            passes: greatest number of passes of the network over a pair, 1 or 2.
            gate: thresholds for the homography; the default gate if None.
            orientations: rotations that make the cameras' images upright; none if None.

        Raises:
            DistillMatchError: an argument is not allowed, or the network cannot be opened; see
                `open_engine`.
        """
        if model is not None:
            check_type(model, (str, Path), "model")
        file = resources.find(SHIPPED_MODEL) if model is None else Path(model)
        engine = open_engine(file, backend or "auto", threads)
        return cls(engine, passes, gate, find_model(file, engine.info.weights_hash), orientations)

    def replace(self, *, gate: Gate) -> "Registrar":
        """A registrar with other thresholds on the same engine, which either may close.

        A pass of this one that is running in another thread is not affected.

        Raises:
            DistillMatchError: it is no gate.
        """
        other = copy(self)
        other.gate = check_type(gate, Gate, "gate")
        return other

    def __enter__(self) -> "Registrar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine; closing it again has no effect."""
        if not self._closed.is_set():
            self._closed.set()
            self.engine.close()

    def register(
        self,
        visible: NDArray[Any],
        thermal: NDArray[Any],
        prior: Float64 | None = None,
        search: bool = False,
        verify: bool = False,
        restart: bool = False,
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
            search: whether to match from other scales and rotations too if there is no homography: nine or
                ten more passes.
            verify: whether to reject a homography whose probability is below `CERTAIN`, or that was searched
                for, if edges support one of another orientation of the thermal image better, such as
                mirrored: seven more passes.
            restart: whether to align once more, from the similarity of the matches, if the probability is
                below `CERTAIN`, and to take what edges support better. Streams do.

        Raises:
            DistillMatchError: an argument is not an image, the prior no homography, or the engine closed.
        """
        pair = self.prepare(visible, thermal)
        return self.register_prepared(pair, prior, search=search, verify=verify, restart=restart)

    def prepare(self, visible: NDArray[Any], thermal: NDArray[Any]) -> PreparedPair:
        """Prepare a pair for `register_prepared` and `find_orientation`, upright.

        Raises:
            DistillMatchError: an argument is not an image.
        """
        return PreparedPair.of(visible, thermal, self._orientations)

    def register_prepared(
        self,
        pair: PreparedPair,
        prior: Float64 | None = None,
        wider: Sequence[Wider] = tuple(Wider),
        search: bool = False,
        verify: bool = False,
        restart: bool = False,
    ) -> Registration:
        """Register a pair that is prepared already.

        Args:
            pair: the pair.
            prior: see `register`, as all other arguments.
            wider: assumptions on which camera sees more, to try in this order. The second is tried only if
                the first gives no homography, or one that contradicts it.
            search: see `register`.
            verify: see `register`.
            restart: see `register`.

        Raises:
            DistillMatchError: the prior is no homography, or the engine is closed.
        """
        clock = Stopwatch()
        with clock.stage("gain_control"):
            pictures = pair.visible.picture, pair.thermal.picture
        crops = CropPair(pair.visible.crop, pair.thermal.crop)
        if prior is not None:
            prior = crops.in_crops(check_homography(prior, "prior homography", "pass None if there is none"))
        found, widest = self._match(*pictures, prior, wider, clock)
        if restart and found.is_doubtful:
            images = self._images(*pictures, widest, clock)
            if widest is Wider.VISIBLE:
                found = images.restart(self.gate, found)
            else:
                found = images.restart(self.gate, found.exchanged()).exchanged()
        doubtful = found.is_doubtful
        if search and found.estimate.homography is None and not any(map(_is_blank, pictures)):
            images = self._images(*pictures, Wider.VISIBLE, clock)
            if (searched := images.search(self.gate, found)) is not None:
                found, widest, doubtful = searched, Wider.VISIBLE, True
        if verify and doubtful and self._is_contradicted(found, pair, clock):
            found = found.rejected("orientation")
        found = found.in_camera_pixels(crops)
        homography = found.estimate.homography
        sizes = crops.thermal.camera, crops.visible.camera
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
            crops=replace(crops, wider=widest),
        )

    def find_orientation(self, pair: PreparedPair) -> Orientation | None:
        """Try all eight orientations of the thermal image of a pair without homography.

        Returns:
            The orientation that makes the thermal image upright if the visible one is, if edges confirm it
            clearly; None if only the present one fits, or none.
        """
        best = self._best_orientation(pair, Stopwatch())
        return None if best is None else best[1]

    def _is_contradicted(self, found: Pass, pair: PreparedPair, clock: Stopwatch) -> bool:
        """Whether another orientation of the thermal image is supported better than a homography."""
        if found.estimate.homography is None or found.alignment is None:
            return False
        other = self._best_orientation(pair, clock)
        return other is not None and other[0] > found.alignment.peak_prominence

    def _best_orientation(self, pair: PreparedPair, clock: Stopwatch) -> tuple[float, Orientation] | None:
        """The other orientation of the thermal image that edges of the visible one support best, and clearly,
        with its peak prominence.
        """
        best: tuple[float, Orientation] | None = None
        for orientation in ORIENTATIONS:
            if orientation == pair.thermal.orientation:
                continue
            turned = replace(pair.thermal, orientation=orientation)
            found, _ = self._match(pair.visible.picture, turned.picture, None, (Wider.VISIBLE,), clock)
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
        wider: Sequence[Wider],
        clock: Stopwatch,
    ) -> tuple[Pass, Wider]:
        """Match two images in the given roles, in turn; returns the first success, else the first result."""
        if self._closed.is_set():
            raise DistillMatchError("the registrar is closed; open another one")
        if _is_blank(visible) or _is_blank(thermal):
            return Pass.blank(), Wider.VISIBLE
        sizes = visible.shape, thermal.shape
        if prior is not None and Wider.by(prior, *sizes) is Wider.THERMAL:
            wider = sorted(wider, key=[Wider.THERMAL, Wider.VISIBLE].index)
        results: list[tuple[Pass, Wider]] = []
        for role in wider:
            found = self._in_roles(visible, thermal, role, prior, clock)
            homography = found.estimate.homography
            seen = None if homography is None else Wider.by(homography, *sizes)
            if seen is None or (role is Wider.THERMAL and seen is Wider.VISIBLE):
                # In exchanged roles only a homography counts that shows that the thermal camera sees more.
                results.append((found, role))
                continue
            if role is Wider.VISIBLE and Wider.THERMAL in wider and seen is Wider.THERMAL:
                # Images are aligned in the frame of the first: it should be filled by the other.
                closer = self._in_roles(visible, thermal, Wider.THERMAL, homography, clock)
                again = closer.estimate.homography
                if again is not None and Wider.by(again, *sizes) is Wider.THERMAL:
                    return closer, Wider.THERMAL
            return found, role
        found, role = results[0]
        plain = (result for result in results if result[1] is Wider.VISIBLE)
        return next(plain, (found.rejected("roles"), role))

    def _in_roles(
        self,
        visible: NDArray[np.uint8],
        thermal: NDArray[np.uint8],
        wider: Wider,
        prior: Float64 | None,
        clock: Stopwatch,
    ) -> Pass:
        """Match two images, with exchanged roles if the thermal camera is assumed to see more."""
        pair = self._images(visible, thermal, wider, clock)
        if wider is Wider.VISIBLE:
            return pair.register(self.gate, self._passes, prior)
        known = None if prior is None else inverse(prior)
        return pair.register(self.gate, self._passes, known).exchanged()

    def _images(
        self, visible: NDArray[np.uint8], thermal: NDArray[np.uint8], wider: Wider, clock: Stopwatch
    ) -> PairOfImages:
        """Two images to be matched, the one that sees more first."""
        wide, narrow = (visible, thermal) if wider is Wider.VISIBLE else (thermal, visible)
        return PairOfImages(self.engine, self._probability, wide, narrow, clock)


def _is_blank(image: NDArray[Any]) -> bool:
    """Whether an image is constant or tiny: on such images the network would match positions (identity)."""
    return min(image.shape) < MIN_SIDE or bool(image.min() == image.max())
