"""Follows what a frame adds to a known rig, on edges alone: its plane, and a shift between the cameras.

Five numbers are left where a homography has eight, so that little structure suffices, and the lenses are
kept. As in registration/tracking.py, what edges say about each number is fused with what earlier frames said
(a Kalman filter in information form). Numbers are remembered for as long as they last: depth changes at once,
a mount hardly.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Size, resize_matrix, transform
from distillmatch_ros.images.prepared import PreparedPair
from distillmatch_ros.registration.alignment import (
    Alignment,
    Float32,
)
from distillmatch_ros.registration.gate import Gate, unsupported_by_edges
from distillmatch_ros.registration.result import Registration
from distillmatch_ros.registration.tracking import Matches, PairEdges
from distillmatch_ros.rig.agreement import LEVEL, EdgesOfPair, picture
from distillmatch_ros.rig.depth import DepthSearch
from distillmatch_ros.rig.estimation import FrameMatches
from distillmatch_ros.rig.model import RigMapping, RigModel
from distillmatch_ros.rig.quality import excess_px
from distillmatch_ros.rig.trust import EXCESS_PX

MEMORY_S = np.array([1.0, 1.0, 0.2, 5.0, 5.0])
"""Times for which a frame's numbers are remembered, s: slants and inverse depth of its plane, and shift."""

_INERTIA = np.array([0.05, 0.05, 0.0, 0.2, 0.2])
"""What each number resists, relative to what a pair's edges say about it: where depth explains what is seen
as well as a shift or a slant does, it is the depth that changes."""
_NUDGE = 1e-4  # change of a number, for derivatives: rays


@dataclass(frozen=True, eq=False)
class RigTrack:
    """What is known after a pair.

    Attributes:
        own: (5,), plane and shift of the pair; see `RigModel.on_plane`.
        information: (5, 5), information matrix of these numbers.
    """

    own: Float64
    information: Float64

    @classmethod
    def begin(cls, own: Float64) -> "RigTrack":
        """Start from numbers whose accuracy is unknown."""
        return cls(own, np.zeros((5, 5)))


@dataclass(frozen=True, eq=False)
class RigAlignment:
    """A pair aligned by a rig.

    Attributes:
        track: state after the pair.
        mapping: the pair's mapping.
        alignment: how well its edges agree.
        is_supported: whether edges support the mapping.
        is_sure: whether they do so without any doubt.
        edges: edges of the pair under it.
    """

    track: RigTrack
    mapping: RigMapping
    alignment: Alignment
    is_supported: bool
    is_sure: bool
    edges: PairEdges

    def is_as_good_as(self, own: Registration) -> bool:
        """Whether the rig's mapping may stand where the pair's own one differs from it.

        Edges are sure of it, or they support it and it explains the pair's matches about as well. A
        homography has more free numbers, so that it fits a pair better even where it is wrong.
        """
        if self.is_sure or not self.is_supported or own.mapping is None:
            return self.is_sure
        matches = FrameMatches(own.thermal_points, own.visible_points)
        return excess_px(self.mapping, own.mapping, matches) <= EXCESS_PX  # false for NaN: without matches

    def find_matches(self, matches: Matches, registration: Registration) -> Registration:
        """Add to a registration the matches of an earlier pass that edges find again.

        Args:
            matches: inliers of the pass; the confidence of each is scaled by the correlation of its edges.
            registration: registration of the pair, with this mapping.
        """
        found = _found_again(self, matches)
        return replace(
            registration,
            visible_points=found.visible_points,
            thermal_points=found.thermal_points,
            confidence=found.confidence,
            inliers=np.ones(len(found.confidence), np.bool_),
        )


@lru_cache(maxsize=1)
def _found_again(aligned: RigAlignment, matches: Matches) -> Matches:
    """The matches that the edges of an aligned pair find again; pairs after it may ask once more."""
    places, likeness = aligned.edges.find(matches.thermal_points)
    visible = aligned.mapping.to_visible(places)
    found = (likeness > 0) & np.isfinite(visible).all(axis=1)
    confidence = matches.confidence[found] * likeness[found]
    return Matches(visible[found].astype(np.float32), places[found], confidence)


class PairOfEdges(EdgesOfPair):
    """The edges of one pair, aligned by a rig from any start."""

    def __init__(self, rig: RigModel, pair: PreparedPair, gate: Gate) -> None:
        """Prepare a pair.

        Args:
            rig: the rig.
            pair: images of its cameras.
            gate: thresholds for edges.
        """
        super().__init__(pair, gate)
        self._rig = rig

    def follow(self, track: RigTrack, elapsed: float) -> RigAlignment:
        """Align the pair, starting from the state after earlier ones.

        Args:
            track: this state.
            elapsed: time since then, s.
        """
        keeps = np.exp(-elapsed / (2 * MEMORY_S))
        known = track.information * np.outer(keeps, keeps)
        mapping = self._mapping(track.own)
        seen = self.seen(mapping)
        directions, scales = self._directions(track.own, mapping)
        step = self.template.align(seen, directions)
        measured = np.linalg.lstsq(directions, self.template.parameters_of(step.to_visible), rcond=None)[0]
        prior = known * np.outer(scales, scales) + np.diag(_INERTIA * np.diag(step.information))
        together = step.information + prior
        together += (1e-6 * np.trace(together) + 1e-9) * np.eye(len(together))
        change = np.linalg.solve(together, step.information @ measured)
        found = RigTrack(track.own + change * scales, known + step.information / np.outer(scales, scales))
        return self._measured(found, seen, self.template.map_of(directions @ change))

    def at(self, own: Float64) -> RigAlignment:
        """How well edges agree with numbers that were found in another way; see `RigTrack`."""
        return self._measured(RigTrack.begin(own), self.seen(self._mapping(own)), np.eye(3))

    def search(self, inverse_depths: tuple[float, float], shift: Float64) -> RigTrack:
        """A start without a state: the inverse depth at which edges agree best, between two.

        Args:
            inverse_depths: these two.
            shift: (2,), see `RigModel.on_plane`.
        """
        low, high = inverse_depths
        visible, thermal = self._pair.visible, self._pair.thermal
        pictures = picture(visible, visible.grey.shape), picture(thermal, thermal.grey.shape)
        depth, _ = DepthSearch(self._rig, *pictures, (low + high) / 2).find(low, high)
        return RigTrack.begin(np.array([0, 0, depth, *shift]))

    def _measured(self, track: RigTrack, seen: Float32, to_seen: Float64) -> RigAlignment:
        edges = PairEdges(self.template, seen, to_seen, self.to_level)
        alignment = self.template.measure(to_seen, edges.moved)
        is_supported = unsupported_by_edges(alignment, self._gate) is None
        is_sure = is_supported and alignment.peak_prominence >= self._gate.sure_peak_prominence
        return RigAlignment(track, self._mapping(track.own), alignment, is_supported, is_sure, edges)

    def _mapping(self, own: Float64) -> RigMapping:
        return self._rig.on_plane(own[:3], own[3:])

    def _directions(self, own: Float64, mapping: RigMapping) -> tuple[Float64, Float64]:
        """How each number changes the map of the level, (8, 5) parameters of `Template`, and their units.

        Each column moves the level's pixels by up to one of them; the unit is the number's change for that.
        """
        points, solve = _grid(LEVEL.size)
        rays = _rays(self._rig.thermal)
        back = np.linalg.inv(mapping.between_rays)
        nudged = own + _NUDGE * np.eye(5)
        there = [rays @ (back @ self._rig.on_plane(each[:3], each[3:]).between_rays).T for each in nudged]
        pixels = self._rig.thermal.project(np.concatenate(there))
        gaps = transform(self.to_level, pixels).reshape(5, -1, 2) - points
        gaps[:, ~np.isfinite(gaps).all(axis=(0, 2))] = 0
        units = _NUDGE / np.maximum(np.hypot(gaps[..., 0], gaps[..., 1]).max(axis=1), 1e-9)
        return solve @ (gaps.reshape(5, -1).T * (units / _NUDGE)), units


@lru_cache(maxsize=2)
def _rays(thermal: Camera) -> Float64:
    """Thermal rays of the points of `_grid`, (N, 3)."""
    points, _ = _grid(LEVEL.size)
    to_camera = np.asarray(np.linalg.inv(resize_matrix(thermal.size, LEVEL.size)), np.float64)
    return thermal.unproject(transform(to_camera, points))


@lru_cache(maxsize=2)
def _grid(size: Size) -> tuple[Float64, Float64]:
    """Points (N, 2) of a level, and the (8, 2 N) matrix that finds parameters from their displacements."""
    rows, columns = size
    x, y = np.meshgrid(np.linspace(0, columns - 1, 6), np.linspace(0, rows - 1, 5))
    points = np.column_stack([x.ravel(), y.ravel()])
    half = columns / 2
    u, v = ((points - ((columns - 1) / 2, (rows - 1) / 2)) / half).T
    zero, one = np.zeros_like(u), np.ones_like(u)
    along_x = np.column_stack([one, zero, u, v, zero, zero, -u * u, -u * v])
    along_y = np.column_stack([zero, one, zero, zero, u, v, -u * v, -v * v])
    design = np.stack([along_x, along_y], axis=1).reshape(-1, 8) * half
    return points, np.asarray(np.linalg.pinv(design), np.float64)
