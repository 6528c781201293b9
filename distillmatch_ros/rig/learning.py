"""A rig learned from pairs, and registered pairs by it: first from matches, then on edges.

The fit to matches comes close; the last pixel comes from edges, for what is shared and for what a frame adds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import REFERENCE_WIDTH, Float64, Size, corner_error, corners
from distillmatch_ros.geometry.mapping import ImageMapping
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.rig.dense import Float32
from distillmatch_ros.rig.depth import DepthSearch
from distillmatch_ros.rig.edges import edge_matches
from distillmatch_ros.rig.estimation import EDGE_SOFT_PX, MIN_DEPTHS, Fit, FrameMatches, fit_own, fit_rig
from distillmatch_ros.rig.measured_edges import measured_edges
from distillmatch_ros.rig.model import GIVEN, Origin, RigMapping, RigModel, grid_rays
from distillmatch_ros.rig.parallax import DepthMapping, with_depth
from distillmatch_ros.rig.regions import find_regions
from distillmatch_ros.rig.trust import FAR_PX

MAX_FRAMES = 100
"""Most frames that a rig is learned from."""

_ROUNDS = 2  # of matching edges and fitting to them
_LEAST_MATCHES = 16  # of a frame, for its depth to be fitted to them
_DRIVE_PX = 100.0  # what the whole time of a drive counts when pairs are told apart, reference pixels
_MARGIN = 0.25  # of the range of inverse depths seen, searched beyond it at either end


@dataclass(frozen=True, eq=False)
class Observation:
    """One pair as a rig is learned from it.

    Attributes:
        visible: uint8 (H, W), grey.
        thermal: uint8 (H, W), grey.
        matches: all matches of the network; wrong ones may be among them.
        mapping: the pair's own mapping, or None if it has none.
        measured: inverse depth of every second visible pixel either way, float16, 1 / metre, NaN where
            unknown; many pairs are kept. None if it is not measured.
    """

    visible: NDArray[np.uint8]
    thermal: NDArray[np.uint8]
    matches: FrameMatches
    mapping: ImageMapping | None
    measured: NDArray[np.float16] | None = None

    @classmethod
    def of(cls, pair: PreparedPair, found: Registration) -> "Observation":
        """What a registered pair tells about the rig."""
        matches = FrameMatches(found.thermal_points, found.visible_points)
        depth = pair.inverse_depth()
        measured = None if depth is None else np.asarray(depth[::2, ::2], np.float16)
        return cls(pair.visible.grey_8bit, pair.thermal.grey_8bit, matches, found.mapping, measured)

    @property
    def inverse_depth(self) -> Float32 | None:
        """Inverse depth of the visible pixels, float32 (H, W); see ``measured``."""
        if self.measured is None:
            return None
        twice = np.repeat(np.repeat(self.measured.astype(np.float32), 2, axis=0), 2, axis=1)
        return np.asarray(twice[: self.visible.shape[0], : self.visible.shape[1]], np.float32)


@dataclass(frozen=True, eq=False)
class LearnedRig:
    """A rig that registers pairs.

    Attributes:
        model: the rig.
        inverse_depths: least and greatest one of the frames that it was learned from, or that confirmed it.
        shifted: whether each frame has a shift of its own, since the cameras are not triggered together.
        source: what messages call it: the file that it was read from.
        measured: number of pairs whose measured depth told its scale.
    """

    model: RigModel
    inverse_depths: tuple[float, float]
    shifted: bool = True
    source: str = "rig"
    measured: int = 0

    def with_baseline(self, metres: float, origins: Mapping[str, Origin] = GIVEN) -> "LearnedRig":
        """The same rig in metres; see `RigModel.with_baseline`."""
        scale = self.model.scale_for(metres)
        far, near = self.inverse_depths
        return replace(
            self, model=self.model.with_baseline(metres, origins), inverse_depths=(far / scale, near / scale)
        )

    def with_depths(self, low: float, high: float) -> "LearnedRig":
        """The same rig whose pairs lie between other inverse depths."""
        return replace(self, inverse_depths=(low, high))

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
                    f"{self.source}: learned from {name} images of {camera.size[1]}x{camera.size[0]}, but "
                    f"these are {size[1]}x{size[0]}; name the rig of such images, or learn one"
                )

    @property
    def middle(self) -> RigMapping:
        """The mapping of a plane that faces the thermal camera, in the middle of the inverse depths."""
        return self.model.at(sum(self.inverse_depths) / 2)

    def near(self, own: Float64) -> RigMapping:
        """The mapping of a plane that faces the thermal camera, at a frame's depth if it is a likely one."""
        return self.model.at(float(np.clip(own[2], *self._likely)))

    def facing_px(self, mapping: ImageMapping) -> float:
        """Corner error of a pair's own homography against the rig at likely depths, reference pixels.

        Of the plane that comes closest, of those that face the thermal camera.
        """
        depths = np.linspace(*self._likely, 7)
        return min(self._gap_px(np.array([0, 0, depth, 0, 0]), mapping) for depth in depths)

    def gap_px(self, mapping: ImageMapping) -> float:
        """The same; where planes that face the camera are far off, against a slanted one."""
        gap = self.facing_px(mapping)
        if gap <= FAR_PX:
            return gap
        points, _ = grid_rays(self.model.thermal)
        places = mapping.to_visible(points)
        return min(gap, self.off_px(fit_own(self.model, [FrameMatches(points, places)], 3)[0], mapping))

    def off_px(self, own: Float64, mapping: ImageMapping) -> float:
        """The same against what a pair adds to the rig, with its plane moved to the next likely depth."""
        return self._gap_px(np.array([*own[:2], np.clip(own[2], *self._likely), *own[3:]]), mapping)

    def _gap_px(self, own: Float64, mapping: ImageMapping) -> float:
        try:
            rig = self.model.on_plane(own[:3], own[3:]).homography
        except DistillMatchError:  # no camera sees a plane there
            return np.inf
        return corner_error(rig, mapping.homography, self.model.thermal.size, self.model.visible.size)

    @property
    def _likely(self) -> tuple[float, float]:
        """Inverse depths that a frame may have: those seen, and as many at either end."""
        low, high = self.inverse_depths
        return 2 * low - high, 2 * high - low

    def register(self, pair: Observation) -> RigMapping:
        """The mapping of a pair; see `own`."""
        own = self.own(pair)
        return self.model.on_plane(own[:3], own[3:])

    def by_regions(self, pair: Observation) -> DepthMapping:
        """The mapping of a pair by regions around its plane; see `find_regions`."""
        own = self.own(pair)
        return find_regions(self.model, pair.visible, pair.thermal, own[:3], (own[3], own[4])).mapping

    def by_depth(self, pair: Observation, inverse_depth: NDArray[np.float32]) -> DepthMapping:
        """The mapping of a pair by depth; see `with_depth`."""
        return with_depth(self.register(pair), inverse_depth)

    def own(self, pair: Observation) -> Float64:
        """What a pair adds to the rig, found on edges; the network's matches help where there are any.

        Returns:
            (5,), its plane and shift; see `RigModel.on_plane`.
        """
        own = self._start(pair)
        for _ in range(_ROUNDS):
            own = self._on_edges(pair, own)
        return own

    def by_matches(self, pair: Observation) -> Float64:
        """The same, begun at the pair's matches alone: in a third of the time, if it has enough of them."""
        if len(pair.matches.thermal) < _LEAST_MATCHES:
            return self.own(pair)
        return self._on_edges(pair, fit_own(self.model, [pair.matches], 3)[0])

    def _on_edges(self, pair: Observation, own: Float64) -> Float64:
        edges = edge_matches(pair.visible, pair.thermal, self.model.on_plane(own[:3], own[3:]))
        found: Float64 = fit_own(self.model, [edges], 5 if self.shifted else 3, EDGE_SOFT_PX, own[None])[0]
        return found

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


@dataclass(frozen=True, eq=False)
class KnownRig:
    """A rig that was known before.

    Attributes:
        model: the rig.
        fixed: whether it is kept as it is; else a fit starts from it.
    """

    model: RigModel
    fixed: bool


def learn(
    pairs: Sequence[Observation],
    thermal: Camera | Size,
    visible: Camera | Size,
    shifted: bool = True,
    known: KnownRig | None = None,
) -> LearnedRig:
    """Learn a rig; in metres if enough pairs have measured depth that tells them, see `Scale`.

    Args:
        pairs: of different scenes, in the order of time.
        thermal: the thermal camera if it is calibrated, else the size of its images.
        visible: likewise.
        shifted: see `LearnedRig`.
        known: what was known before; if it is fixed, only the pairs' depths are learned.

    Raises:
        DistillMatchError: see `fit_rig`.
    """
    chosen = [pairs[index] for index in spread_out(pairs, MAX_FRAMES)]
    matches = [pair.matches for pair in chosen]
    start = None if known is None else Fit(known.model, fit_own(known.model, matches), np.inf)
    if start is not None and known is not None and known.fixed:
        return LearnedRig(known.model, _range(start), shifted)
    fit = fit_rig(matches, thermal, visible, start=start)
    for _ in range(_ROUNDS):
        edges = [_edges(pair, fit, own) for pair, own in zip(chosen, fit.own, strict=True)]
        fit = fit_rig(edges, thermal, visible, 1, EDGE_SOFT_PX, fit)
    by_depth = _by_depth(chosen, fit, thermal, visible)
    if by_depth is None:
        return LearnedRig(fit.rig, _range(fit), shifted)
    measured = sum(pair.measured is not None for pair in chosen)
    return LearnedRig(by_depth.rig, _range(by_depth), shifted, measured=measured)


def _by_depth(
    pairs: Sequence[Observation], fit: Fit, thermal: Camera | Size, visible: Camera | Size
) -> Fit | None:
    """The fit with measured depth; None if too few pairs have it, or it does not tell the scale."""
    if sum(pair.measured is not None for pair in pairs) < MIN_DEPTHS:
        return None
    for _ in range(_ROUNDS):
        edges = [_measured_edges(pair, fit, own) for pair, own in zip(pairs, fit.own, strict=True)]
        fit = fit_rig(edges, thermal, visible, 1, EDGE_SOFT_PX, fit)
    return fit if fit.rig.is_metric else None


def _range(fit: Fit) -> tuple[float, float]:
    return float(fit.own[:, 2].min()), float(fit.own[:, 2].max())


def spread_out(pairs: Sequence[Observation], most: int) -> list[int]:
    """At most so many indices of pairs that differ: in depth, in where matches lie, and in time.

    Pairs with a homography of their own are taken first. Among them, the one that is farthest from all
    chosen ones is chosen next (Gonzalez 1985); where corners go tells depths apart.
    """
    own = [index for index, pair in enumerate(pairs) if pair.mapping is not None]
    if len(pairs) <= most or len(own) < most:
        return evenly(len(pairs), most)
    rows = [_look(pairs[index], place / len(own)) for place, index in enumerate(own)]
    looks = np.array(rows)
    looks = np.clip(looks, *np.nanpercentile(looks, (5, 95), axis=0))  # rarities are often mistakes
    chosen = [0]
    gaps = np.linalg.norm(looks - looks[0], axis=1)
    while len(chosen) < most:
        chosen.append(int(gaps.argmax()))
        gaps = np.minimum(gaps, np.linalg.norm(looks - looks[chosen[-1]], axis=1))
    return sorted({own[place] for place in chosen})


def _look(pair: Observation, time: float) -> Float64:
    """What tells a pair apart, reference pixels: corners' places, middle of the matches; and time, 0 to 1."""
    assert pair.mapping is not None, "only pairs that have one are compared"
    scale = REFERENCE_WIDTH / pair.mapping.visible_size[1]
    places = pair.mapping.to_visible(corners(pair.mapping.thermal_size)) * scale
    middle = np.mean(pair.matches.visible, axis=0) * scale if len(pair.matches.visible) else np.zeros(2)
    look: Float64 = np.nan_to_num(np.array([*places.ravel(), *middle, _DRIVE_PX * time], np.float64))
    return look


def evenly(count: int, most: int) -> list[int]:
    """At most so many indices below ``count``, evenly spread."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, most))})


def _edges(pair: Observation, fit: Fit, own: Float64) -> FrameMatches:
    return edge_matches(pair.visible, pair.thermal, fit.rig.on_plane(own[:3], own[3:]))


def _measured_edges(pair: Observation, fit: Fit, own: Float64) -> FrameMatches:
    """The edges of a pair with its depth, if it has any; near things by an earlier fit with depth."""
    depth = pair.inverse_depth
    if depth is None:
        return _edges(pair, fit, own)
    mapping: ImageMapping = fit.rig.on_plane(own[:3], own[3:])
    if "parallax" in fit.rig.origins:
        mapping = DepthMapping(fit.rig, depth, own[:3])
    return measured_edges(pair.visible, pair.thermal, mapping, depth)
