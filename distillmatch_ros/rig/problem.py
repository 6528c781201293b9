"""What a rig is fitted to: matches of many frames, where a state of the fit maps them, and their relief.

Scenes have relief: what is nearer or farther than a frame's plane is displaced along its epipolar line, and
only along it. Each match may therefore lie beside its plane, as far as matches of these frames do; see
`Problem.relief`. Otherwise relief that is always in the same place turns the cameras and bends the lenses.
Matches whose depth is measured lie there instead, and tell the translation's length.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.projection import Projected, parallax, project

_MOST_RELIEFS = 3.0  # greatest distance of a match from its plane, standard deviations of the relief


@dataclass(frozen=True, eq=False)
class Problem:
    """Matches in half widths, padded to one number for all frames; weights are 0 where there is none.

    Attributes:
        thermal: (frames, matches, 2).
        visible: (frames, matches, 2).
        weights: (frames, matches).
        scale: visible pixels of a half width.
        measured: (frames, matches), inverse depths, see `project`; NaN where unknown.
    """

    thermal: Float64
    visible: Float64
    weights: Float64
    scale: float
    measured: Float64

    @cached_property
    def has_depth(self) -> bool:
        """Whether the depth of any match is measured."""
        return bool((np.isfinite(self.measured) & (self.weights > 0)).any())

    @property
    def on_planes(self) -> Float64:
        """`State.beside` of matches on their frames' planes."""
        return np.zeros_like(self.weights)

    def without_wrong(self, state: "State", limit_px: float, relief: Float64 | float) -> "Problem":
        """The matches that lie within a limit, visible pixels, of where a state maps them; see `adjust`."""
        square = self.squares(state, self.gaps(state.projected(self)), relief)
        return replace(self, weights=np.where(square < limit_px**2, self.weights, 0.0))

    def gaps(self, model: Projected) -> Float64:
        """How far places are from where the matches are seen, (frames, matches, 2), visible pixels."""
        return np.asarray((self.visible - model.places) * self.scale)

    def squares(self, state: "State", gaps: Float64, relief: Float64 | float) -> Float64:
        """Squares of gaps, with what it costs to lie beside the planes, (frames, matches)."""
        square: Float64 = (gaps * gaps).sum(axis=-1)
        return square + (self.scale / np.maximum(relief, 1e-9) * state.beside) ** 2

    def relief(self, state: "State") -> Float64 | float:
        """Displacements by relief, in standard deviations of a match; by match where depths are measured.

        Across epipolar lines there is none. What gaps have more along the lines is relief, and of matches
        whose depth is measured the error of that.
        """
        model = state.projected(self)
        along = Lines.of(model, state, self.scale, 0.0).along
        gaps = self.gaps(model) + along * state.beside[..., None]
        unit = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-12)
        with_relief = np.abs((gaps * unit).sum(axis=-1))
        without = np.abs(gaps[..., 0] * unit[..., 1] - gaps[..., 1] * unit[..., 0])
        seen, measured = self.weights > 0, np.isfinite(self.measured)

        def of(some: NDArray[np.bool_]) -> float:
            ratio = np.median(with_relief[some]) / max(np.median(without[some]), 1e-9) if some.any() else 0.0
            return float(np.sqrt(max(ratio**2 - 1, 0.0)))

        if not self.has_depth:
            return of(seen)
        return np.where(measured, of(seen & measured), of(seen & ~measured))


@dataclass(frozen=True, eq=False)
class State:
    """What is estimated.

    Attributes:
        shared: (12,), by `SHARED`, but for the rotation.
        rotation: (3, 3), of the pose.
        own: (frames, 5), planes and shifts.
        beside: (frames, matches), see `project`.
    """

    shared: Float64
    rotation: Float64
    own: Float64
    beside: Float64

    def projected(self, problem: Problem) -> Projected:
        """Where the thermal places are seen, and derivatives."""
        return project(self.shared, self.rotation, self.own, problem.thermal, self.beside, problem.measured)


@dataclass(frozen=True, eq=False)
class Lines:
    """Epipolar lines of matches, along which they may lie beside what their frame's plane says.

    Attributes:
        along: (frames, matches, 2), visible pixels for a displacement of a half width, see `project`.
        flexibility: square of what is usual beside the plane, by that of a match's standard deviation; one
            number, or (frames, matches).
    """

    along: Float64
    flexibility: Float64 | float

    @classmethod
    def of(cls, model: Projected, state: State, scale: float, relief: Float64 | float) -> "Lines":
        """The lines of a state; see `Problem` for the scale and `Problem.relief` for the relief."""
        along: Float64 = model.by_inverse_depth * (scale / parallax(state.shared))
        return cls(along, (relief / scale) ** 2)

    @cached_property
    def _square(self) -> Float64:
        return np.asarray((self.along * self.along).sum(axis=-1))

    def weighed(self, values: Float64) -> Float64:
        """Gaps or derivatives (frames, matches, 2, n) with their part along the lines reduced.

        Their squares are those that are left when each match lies at its best place beside the plane.
        """
        if not np.any(self.flexibility):
            return values
        part = (1 - 1 / np.sqrt(1 + self.flexibility * self._square)) / np.maximum(self._square, 1e-18)
        along = self.along[..., None]
        return np.asarray(
            values - part[..., None, None] * along * (along * values).sum(axis=-2, keepdims=True)
        )

    def beside(self, on_plane: Float64, derivatives: Float64, step: Float64) -> Float64:
        """Best displacements from the planes after a step. Bounded: wrong matches would ask for any.

        Args:
            on_plane: gaps of matches on their planes, (frames, matches, 2).
            derivatives: of the places, (frames, matches, 2, n).
            step: (frames, n).
        """
        if not np.any(self.flexibility):
            return np.zeros(self.along.shape[:2])
        missing = on_plane - np.einsum("fmij,fj->fmi", derivatives, step)
        best = self.flexibility * (self.along * missing).sum(axis=-1) / (1 + self.flexibility * self._square)
        most = _MOST_RELIEFS * np.sqrt(self.flexibility)
        return np.asarray(np.clip(best, -most, most))
