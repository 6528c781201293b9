"""A rig learned from pairs, and registered pairs by it: first from matches, then on edges.

The fit to matches comes close; the last pixel comes from edges, for what is shared and for what a frame adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.rig.depth import DepthSearch
from distillmatch_ros.rig.edges import edge_matches
from distillmatch_ros.rig.estimation import EDGE_SOFT_PX, Fit, FrameMatches, fit_own, fit_rig
from distillmatch_ros.rig.model import RigMapping, RigModel

MAX_FRAMES = 100
"""Most frames that a rig is learned from, evenly spread over those given."""

_ROUNDS = 2  # of matching edges and fitting to them
_LEAST_MATCHES = 16  # of a frame, for its depth to be fitted to them
_MARGIN = 0.25  # of the range of inverse depths seen, searched beyond it at either end


@dataclass(frozen=True, eq=False)
class Observation:
    """One pair as a rig is learned from it.

    Attributes:
        visible: uint8 (H, W), grey.
        thermal: uint8 (H, W), grey.
        matches: all matches of the network; wrong ones may be among them.
        mapping: the pair's own mapping, or None if it has none.
    """

    visible: NDArray[np.uint8]
    thermal: NDArray[np.uint8]
    matches: FrameMatches
    mapping: ImageMapping | None


@dataclass(frozen=True, eq=False)
class LearnedRig:
    """A rig that registers pairs.

    Attributes:
        model: the rig.
        inverse_depths: least and greatest one of the frames that it was learned from.
        shifted: whether each frame has a shift of its own, since the cameras are not triggered together.
    """

    model: RigModel
    inverse_depths: tuple[float, float]
    shifted: bool = True

    def check(self, thermal: Size, visible: Size) -> None:
        """Reject images of other sizes.

        Raises:
            DistillMatchError: a size differs from that of the rig's images.
        """
        for name, camera, size in (
            ("thermal", self.model.thermal, thermal),
            ("visible", self.model.visible, visible),
        ):
            if camera.size != size:
                raise DistillMatchError(
                    f"rig: learned from {name} images of {camera.size[1]}x{camera.size[0]}, but these are "
                    f"{size[1]}x{size[0]}; learn it from such images"
                )

    def register(self, pair: Observation) -> RigMapping:
        """The mapping of a pair, its plane found on edges; the network's matches help where there are any."""
        own = self._start(pair)
        for _ in range(_ROUNDS):
            edges = edge_matches(pair.visible, pair.thermal, self.model.on_plane(own[:3], own[3:]))
            own = fit_own(self.model, [edges], 5 if self.shifted else 3, EDGE_SOFT_PX, own[None])[0]
        return self.model.on_plane(own[:3], own[3:])

    def _start(self, pair: Observation) -> Float64:
        """A plane that faces the thermal camera, at the depth of edges or matches, by edges' agreement."""
        low, high = self.inverse_depths
        margin = _MARGIN * (high - low)
        search = DepthSearch(self.model, pair.visible, pair.thermal, (low + high) / 2)
        depth, correlation = search.find(low - margin, high + margin)
        if len(pair.matches.thermal) >= _LEAST_MATCHES:
            matched = float(fit_own(self.model, [pair.matches])[0, 2])
            if search.correlation(matched) > correlation:
                depth = matched
        return np.array([0, 0, depth, 0, 0], np.float64)


def learn(
    pairs: Sequence[Observation], thermal: Camera | Size, visible: Camera | Size, shifted: bool = True
) -> LearnedRig:
    """Learn a rig.

    Args:
        pairs: of different scenes, in the order of time.
        thermal: the thermal camera if it is calibrated, else the size of its images.
        visible: likewise.
        shifted: see `LearnedRig`.

    Raises:
        DistillMatchError: see `fit_rig`.
    """
    chosen = [pairs[index] for index in evenly(len(pairs), MAX_FRAMES)]
    fit = fit_rig([pair.matches for pair in chosen], thermal, visible)
    for _ in range(_ROUNDS):
        edges = [_edges(pair, fit, own) for pair, own in zip(chosen, fit.own, strict=True)]
        fit = fit_rig(edges, thermal, visible, 1, EDGE_SOFT_PX, fit)
    depths = fit.own[:, 2]
    return LearnedRig(fit.rig, (float(depths.min()), float(depths.max())), shifted)


def evenly(count: int, most: int) -> list[int]:
    """At most so many indices below ``count``, evenly spread."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, most))})


def _edges(pair: Observation, fit: Fit, own: Float64) -> FrameMatches:
    return edge_matches(pair.visible, pair.thermal, fit.rig.on_plane(own[:3], own[3:]))
