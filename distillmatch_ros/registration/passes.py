"""Passes of the network over a pair of 8-bit grey images, each with alignment and verdict."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.engines.protocol import Engine, Float32
from distillmatch_ros.geometry.homography import (
    REFERENCE_WIDTH,
    Float64,
    Size,
    inverse,
    resize_matrix,
    transform,
)
from distillmatch_ros.geometry.warping import resize, warp
from distillmatch_ros.registration.alignment import Aligner, Alignment
from distillmatch_ros.registration.burnt_in import BESIDE, is_marked, prominence_beside_marks
from distillmatch_ros.registration.crops import CropPair
from distillmatch_ros.registration.gate import Estimate, Gate, confirm, estimate, implausible
from distillmatch_ros.registration.probability import ProbabilityModel
from distillmatch_ros.registration.quality import SAMPLE
from distillmatch_ros.registration.rejection import Rejection

SCALES, TURNS = (0.6, 0.85, 1.2), (-20.0, 0.0, 20.0)
"""Starts of a search: size of the thermal image relative to the largest that fits into the visible one, and
rotation, degrees."""
LIKELY, AGREED = 0.6, 0.5
"""Least probability of a homography that a search found or that contradicts an earlier one, and of one on
which matches from several starts agree."""
CERTAIN = 0.8
"""Probability from which a homography is not verified: the upside-down image of a real pair reached 0.66, a
homography that was bent by a display on both images 0.71."""
STAGES = ("gain_control", "resize", "engine", "homography", "alignment")


@dataclass(frozen=True)
class Pass:
    """Result of one pass of the network, in pixels of the two pictures; see `Registration` for the arrays."""

    visible_points: Float32
    thermal_points: Float32
    confidence: Float32
    estimate: Estimate
    alignment: Alignment | None
    probability: float | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether a probability is known, and is below `CERTAIN`."""
        return self.probability is not None and self.probability < CERTAIN

    @classmethod
    def blank(cls) -> "Pass":
        """The result for pictures that are constant or tiny."""
        points, nothing = np.zeros((0, 2), np.float32), np.zeros(0, np.bool_)
        none = Estimate(None, nothing, rejected_by=Rejection("image_content"))
        return cls(points, points.copy(), np.zeros(0, np.float32), none, None)

    def exchanged(self) -> "Pass":
        """The same with the roles of the pictures exchanged."""
        known = self.estimate.homography
        return replace(
            self,
            visible_points=self.thermal_points,
            thermal_points=self.visible_points,
            estimate=replace(self.estimate, homography=None if known is None else inverse(known)),
        )

    def rejected(self, reason: str) -> "Pass":
        """The same with its homography, if there is one, rejected for a reason, one of `CAUSES`."""
        if self.estimate.homography is None:
            return self
        return replace(self, estimate=self.estimate.rejected(Rejection(reason)))

    def in_camera_pixels(self, crops: CropPair) -> "Pass":
        """The same in pixels of the camera images; the pictures show these crops."""
        known = self.estimate.homography
        visible_points, thermal_points = crops.to_cameras(self.thermal_points, self.visible_points)
        return replace(
            self,
            visible_points=visible_points,
            thermal_points=thermal_points,
            estimate=replace(self.estimate, homography=None if known is None else crops.in_cameras(known)),
        )


class PairOfImages:
    """A pair to be matched; both images are 8-bit grey."""

    def __init__(
        self,
        engine: Engine,
        probability: ProbabilityModel | None,
        visible: NDArray[Any],
        thermal: NDArray[Any],
        clock: "Stopwatch",
    ) -> None:
        self._engine = engine
        self._probability = probability
        self._visible = visible
        self._thermal = thermal
        self._visible_size: Size = visible.shape
        self._thermal_size: Size = thermal.shape
        self._network: Size = (engine.info.height, engine.info.width)
        self._network_to_thermal = resize_matrix(self._network, self._thermal_size)
        self._clock = clock
        with clock.stage("resize"):
            self._thermal_input = _to_input(resize(thermal, self._network))

    def register(self, gate: Gate, passes: int, prior: Float64 | None) -> Pass:
        if prior is not None and implausible(prior, self._thermal_size, self._visible_size, gate) is None:
            found = self._pass_aligned(prior, gate)
            if found.estimate.homography is not None:
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

    def search(self, gate: Gate, failed: Pass) -> Pass | None:
        """Match from each of `starts`; the accepted pass with the greatest peak prominence, or None.

        If none is accepted, the matches of all passes together give one more start: right ones agree across
        passes, wrong ones do not. A pass counts from a probability of `LIKELY` on, since of many attempts one
        succeeds by chance, and one from matches that agree from `AGREED` on.

        Args:
            gate: thresholds.
            failed: the pass over the unchanged images, which gave no homography.
        """
        sizes = self._thermal_size, self._visible_size
        likely, agreeing = (
            gate.replace(min_probability=max(gate.min_probability, least)) for least in (LIKELY, AGREED)
        )
        tried = [self._pass_aligned(start, likely) for start in starts(*sizes)]
        accepted = [
            (found.alignment.peak_prominence, found)
            for found in tried
            if found.alignment is not None and found.estimate.homography is not None
        ]
        if accepted:
            return max(accepted, key=lambda each: each[0])[1]
        together = [failed, *tried]
        thermal_points, visible_points = (
            np.concatenate([getattr(each, side) for each in together]).astype(np.float64)
            for side in ("thermal_points", "visible_points")
        )
        # What fraction of all matches agrees says little: most starts are wrong.
        proposal = gate.proposal().replace(min_inlier_ratio=0.0)
        agreed = estimate(thermal_points, visible_points, *sizes, proposal)
        if agreed.homography is None:
            return None
        found = self._pass_aligned(self._align(agreed.homography, gate).homography, agreeing)
        return found if found.estimate.homography is not None else None

    def restart(self, gate: Gate, found: Pass) -> Pass:
        """Align once more from the similarity of a pass's inliers; the pass with what edges support better.

        Where things are few, as at night, the eight parameters of a homography follow errors of the matches
        into corners without any, and the alignment stays there, for want of edges. A similarity has four,
        and cameras on one mount, which look the same way, are close to one.

        Args:
            gate: thresholds.
            found: a pass with an alignment, perhaps rejected.
        """
        kept = found.estimate.inliers
        if found.alignment is None or kept.sum() < SAMPLE:
            return found
        inlier_px = gate.inlier_px * self._visible_size[1] / REFERENCE_WIDTH
        with self._clock.stage("homography"):
            inliers = found.thermal_points[kept], found.visible_points[kept]
            similarity, agreeing = cv2.estimateAffinePartial2D(*inliers, ransacReprojThreshold=inlier_px)
        if not agreeing.any():
            return found
        with self._clock.stage("alignment"):
            alignment = self._align(np.vstack([similarity, (0.0, 0.0, 1.0)]), gate)
        if alignment.peak_prominence <= found.alignment.peak_prominence:
            return found
        thermal_points, visible_points = (
            np.asarray(each, np.float64) for each in (found.thermal_points, found.visible_points)
        )
        judged, probability = self._judge(alignment, thermal_points, visible_points, gate)
        return replace(found, estimate=judged, alignment=alignment, probability=probability)

    def _pass(self, gate: Gate) -> Pass:
        """Match the unchanged images."""
        with self._clock.stage("resize"):
            visible_input = _to_input(resize(self._visible, self._network))
        return self._match(visible_input, resize_matrix(self._network, self._visible_size), gate)

    def _pass_aligned(self, homography: Float64, gate: Gate) -> Pass:
        """Match with the visible image warped into the thermal frame."""
        network_to_visible = homography @ self._network_to_thermal
        with self._clock.stage("resize"):
            visible_input = _to_input(warp(self._visible, network_to_visible, self._network))
        return self._match(visible_input, network_to_visible, gate)

    def _match(self, visible_input: Float32, network_to_visible: Float64, gate: Gate) -> Pass:
        with self._clock.stage("engine"):
            matches = self._engine(visible_input, self._thermal_input)
        with self._clock.stage("homography"):
            visible_points = transform(network_to_visible, matches.visible_points)
            thermal_points = transform(self._network_to_thermal, matches.thermal_points)
            # Comparisons with NaN are false: this also drops points that are not finite.
            keep = (
                (matches.confidence > 0)
                & _inside(visible_points, self._visible_size)
                & _inside(thermal_points, self._thermal_size)
            )
            visible_points, thermal_points = visible_points[keep], thermal_points[keep]
            sizes = self._thermal_size, self._visible_size
            judged = estimate(thermal_points, visible_points, *sizes, gate.proposal())
        alignment = probability = None
        if judged.homography is not None:
            with self._clock.stage("alignment"):
                alignment = self._align(judged.homography, gate)
            judged, probability = self._judge(alignment, thermal_points, visible_points, gate)
        return Pass(
            visible_points.astype(np.float32),
            thermal_points.astype(np.float32),
            matches.confidence[keep],
            judged,
            alignment,
            probability,
        )

    def _judge(
        self, alignment: Alignment, thermal_points: Float64, visible_points: Float64, gate: Gate
    ) -> tuple[Estimate, float | None]:
        """Judge an aligned homography by matches, edges and probability, which is given too if known."""
        probability = None
        with self._clock.stage("alignment"):
            sizes = self._thermal_size, self._visible_size
            judged = confirm(alignment, thermal_points, visible_points, *sizes, gate)
        if self._probability is not None and judged.quality is not None:
            probability = self._probability(judged.quality)
            if judged.homography is not None and probability < gate.min_probability:
                judged = judged.rejected(Rejection.of("min_probability", probability, gate.min_probability))
        if judged.homography is not None and self._is_burnt_in(judged.homography, probability, gate):
            return judged.rejected(Rejection("burnt_in")), None
        return judged, probability

    def _is_burnt_in(self, homography: Float64, probability: float | None, gate: Gate) -> bool:
        """Whether hardly anything supports a homography but marks burnt into both images, or they bend it."""
        beside = prominence_beside_marks(self._visible, self._thermal, homography)
        if beside is not None:
            return beside < BESIDE * gate.min_peak_prominence
        doubtful = probability is not None and probability < CERTAIN
        return doubtful and is_marked(self._visible, self._thermal, homography)

    def _align(self, homography: Float64, gate: Gate) -> Alignment:
        """Align; if the result is not clear, align once more from it, since a closer start ends closer."""
        alignment = self._aligner.align(self._visible, homography)
        if alignment.peak_prominence >= gate.sure_peak_prominence:
            return alignment
        again = self._aligner.align(self._visible, alignment.homography)
        return max(alignment, again, key=lambda aligned: aligned.peak_prominence)

    @cached_property
    def _aligner(self) -> Aligner:
        return Aligner(self._thermal)


def starts(thermal: Size, visible: Size) -> Iterator[Float64]:
    """Homographies to start from where the unchanged images have none.

    The thermal image lies in the middle of the visible one, at each of `SCALES`, turned by each of `TURNS`.

    Args:
        thermal: size of the thermal image.
        visible: size of the visible image.
    """
    fitting = min(length / other for length, other in zip(visible, thermal, strict=True))
    for scale in SCALES:
        for turn in TURNS:
            middle = ((thermal[1] - 1) / 2, (thermal[0] - 1) / 2)
            rotation = np.asarray(cv2.getRotationMatrix2D(middle, turn, scale * fitting), np.float64)
            rotation[:, 2] += (visible[1] - thermal[1]) / 2, (visible[0] - thermal[0]) / 2
            yield np.vstack([rotation, (0.0, 0.0, 1.0)])


class Stopwatch:
    """Accumulates the time spent in each stage; a stage may run several times."""

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


def _inside(points: Float64, size: Size) -> NDArray[np.bool_]:
    x, y = points.T
    within: NDArray[np.bool_] = (x >= -0.5) & (y >= -0.5) & (x <= size[1] - 0.5) & (y <= size[0] - 0.5)
    return within


def _to_input(image: NDArray[Any]) -> Float32:
    return image.astype(np.float32) / np.float32(255)
