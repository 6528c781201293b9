"""Robust least squares over what frames share and what each adds, and the covariance of what they share.

The normal equations are solved by the Schur complement over the frames' numbers (Triggs et al. 2000, section
6) with Levenberg's damping; residuals count by soft-L1.

Scenes have relief: what is nearer or farther than a frame's plane is displaced along its epipolar line, and
only along it. Each match may therefore lie beside its plane, as far as matches of these frames do; see
`Problem.relief`. Otherwise relief that is always in the same place turns the cameras and bends the lenses.
Matches whose depth is measured lie there instead, and tell the translation's length.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.projection import OWN, SHARED, Projected, parallax, project

USUAL_FOCAL = (2.2, 1.7)
"""Focal lengths, half widths: of a thermal and a visible lens."""
PRIOR = np.array([0.25, 0.25, 3, 3, 3, 1, 1, 0.15, 0.2, 0.2, 0.2, 0.2])
"""Standard deviations of `SHARED` by what is usual: lenses lie side by side, hardly one before another."""

_FREE_OWN = {1: (2,), 3: (0, 1, 2), 5: (0, 1, 2, 3, 4)}
"""Indices of a frame's numbers: inverse depth; plane; plane and shift."""
_OWN_PRIOR = np.array([0.3, 0.3, 3.0, 0.02, 0.02])  # standard deviations; planes rather face the camera
_MATCH_PX = 4.0  # by which matches weigh against priors, visible pixels: those of one pair share their errors
_UNIT = 30.0  # weight of the translation's length
_MOST_RELIEFS = 3.0  # greatest distance of a match from its plane, standard deviations of the relief
_HELD = 1e12  # weight of the prior of a number that is not free
_ITERATIONS = 60
_ENOUGH = 1e-5  # relative gain of the cost that ends the iteration


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
        along = _Lines.of(model, state, self.scale, 0.0).along
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
class _Lines:
    """Epipolar lines of matches, along which they may lie beside what their frame's plane says.

    Attributes:
        along: (frames, matches, 2), visible pixels for a displacement of a half width, see `project`.
        flexibility: square of what is usual beside the plane, by that of a match's standard deviation; one
            number, or (frames, matches).
    """

    along: Float64
    flexibility: Float64 | float

    @classmethod
    def of(cls, model: Projected, state: State, scale: float, relief: Float64 | float) -> "_Lines":
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


def _length(problem: Problem, state: State, free: NDArray[np.bool_]) -> tuple[float, Float64]:
    """By how much a free translation is longer than 1, weighted, and its derivatives by `SHARED`.

    Without measured depths nothing tells its length: inverse depths are in its unit.
    """
    derivatives = np.zeros(len(SHARED))
    if not free[5] or problem.has_depth:
        return 0.0, derivatives
    length = max(float(np.linalg.norm(state.shared[5:8])), 1e-12)
    derivatives[5:8] = _UNIT * state.shared[5:8] / length
    return _UNIT * (length - 1), derivatives


@np.errstate(over="ignore", invalid="ignore")  # a step too far; its cost is infinite or NaN
def adjust(
    problem: Problem,
    state: State,
    free: NDArray[np.bool_],
    numbers: int,
    soft_px: float,
    relief: Float64 | float = 0.0,
) -> tuple[State, float]:
    """Levenberg-Marquardt, from planes on; the state, and its cost a match.

    Args:
        problem: the matches.
        state: where to start.
        free: (12,), which of `SHARED` are estimated.
        numbers: of a frame, see `fit_rig`.
        soft_px: residuals beyond it count by their length.
        relief: see `Problem.relief`; 0 if matches lie on their planes.
    """
    usual = np.concatenate([np.log(USUAL_FOCAL), state.shared[2:8], np.zeros(4)])
    usual = np.where(free, usual, state.shared)
    prior, own_prior = _priors(free, numbers)
    frames, most = problem.weights.shape
    cost, damping, tried = np.inf, 1e-3, replace(state, beside=problem.on_planes)
    for _ in range(_ITERATIONS):
        model = tried.projected(problem)
        gaps = problem.gaps(model)
        root = np.sqrt(1 + problem.squares(tried, gaps, relief) / soft_px**2)
        there = float((problem.weights * 2 * soft_px**2 * (root - 1)).sum())
        there += float((prior * (tried.shared - usual) ** 2).sum() + (own_prior * tried.own**2).sum())
        length, by_length = _length(problem, tried, free)
        there += length**2
        if there < cost:
            gained = (cost - there) / max(there, 1e-12)
            state, cost, damping = tried, there, damping / 4
            lines = _Lines.of(model, state, problem.scale, relief)
            derivatives = model.derivatives * problem.scale
            on_plane = gaps + lines.along * state.beside[..., None]
            weights = np.repeat(problem.weights / root, 2, axis=1)[..., None]
            flat = lines.weighed(derivatives).reshape(frames, 2 * most, -1)
            by_shared, by_own = flat[..., : len(SHARED)], flat[..., len(SHARED) :]
            weighted = np.swapaxes(by_shared * weights, 1, 2)
            missing = lines.weighed(on_plane[..., None]).reshape(frames, 2 * most, 1)
            inner = np.swapaxes(by_own * weights, 1, 2) @ by_own + np.diag(own_prior)
            across = weighted @ by_own
            whole = (weighted @ by_shared).sum(axis=0) + np.diag(prior) + np.outer(by_length, by_length)
            pull = (weighted @ missing)[..., 0].sum(axis=0) - prior * (state.shared - usual)
            pull -= length * by_length
            own_pull = (np.swapaxes(by_own * weights, 1, 2) @ missing)[..., 0] - own_prior * state.own
            if gained < _ENOUGH:
                break
        else:
            damping *= 5
            if damping > 1e8:
                break
        solved = np.linalg.inv(inner + damping * inner * np.eye(OWN))
        through = across @ solved
        reduced = (
            whole + damping * np.diag(np.diag(whole)) - (through @ np.swapaxes(across, 1, 2)).sum(axis=0)
        )
        step = np.linalg.solve(reduced, pull - np.einsum("fij,fj->i", through, own_pull))
        own_step = np.einsum("fij,fj->fi", solved, own_pull - np.einsum("fij,i->fj", across, step))
        turn = np.asarray(cv2.Rodrigues(step[2:5])[0], np.float64)
        shared = state.shared + step
        shared[2:5] = 0  # kept in the matrix
        steps = np.column_stack([np.broadcast_to(step, (frames, len(step))), own_step])
        beside = lines.beside(on_plane, derivatives, steps)
        tried = State(shared, turn @ state.rotation, state.own + own_step, beside)
    return state, cost / max(problem.weights.sum(), 1e-9)


def covariance_of(
    problem: Problem,
    state: State,
    free: NDArray[np.bool_],
    numbers: int,
    soft_px: float,
    relief: Float64 | float,
) -> Float64:
    """Covariance (12, 12) of what is shared, by the jackknife over frames.

    The errors of a frame's matches resemble each other. Each frame is left out in turn, and one Newton step
    leads to the solution without it (MacKinnon et al. 2023, CV3). A frame that alone determines something
    then counts as uncertain, which Huber's sandwich underrates. The curvature is that of soft-L1 itself: its
    weights alone overrate what matches tell. Few frames widen the result, see `_few`.

    Args:
        problem: the matches.
        state: the solution.
        free: see `adjust`.
        numbers: see `adjust`.
        soft_px: see `adjust`.
        relief: see `adjust`.
    """
    frames, most = problem.weights.shape
    prior, own_prior = _priors(free, numbers)
    spread = np.where(free, (prior * PRIOR) ** 2, 0.0)
    model = state.projected(problem)
    lines = _Lines.of(model, state, problem.scale, relief)
    on_plane = problem.gaps(model) + lines.along * state.beside[..., None]
    gaps = lines.weighed(on_plane[..., None])[..., 0]
    weights = 1 / np.sqrt(1 + (gaps * gaps).sum(axis=-1) / soft_px**2)
    derivatives = lines.weighed(model.derivatives * problem.scale)
    along = np.einsum("fmi,fmij->fmj", gaps, derivatives) / soft_px
    flat = derivatives.reshape(frames, 2 * most, -1)
    each = np.repeat(problem.weights * weights, 2, axis=1)[..., None]
    curvature = np.swapaxes(flat * each, 1, 2) @ flat
    curvature -= np.swapaxes(along * (problem.weights * weights**3)[..., None], 1, 2) @ along
    pulls = (np.swapaxes(flat * each, 1, 2) @ gaps.reshape(frames, 2 * most, 1))[..., 0]
    shared = len(SHARED)
    inner = curvature[:, shared:, shared:] + np.diag(own_prior)
    through = curvature[:, :shared, shared:] @ np.linalg.inv(inner)
    by_frame = curvature[:, :shared, :shared] - through @ curvature[:, shared:, :shared]
    scores = pulls[:, :shared] - np.einsum("fij,fj->fi", through, pulls[:, shared:] - own_prior * state.own)
    _, by_length = _length(problem, state, free)
    whole = by_frame.sum(axis=0) + np.diag(prior) + np.outer(by_length, by_length)
    steps = np.linalg.solve(whole - by_frame, scores[..., None])[..., 0]
    inverse = np.linalg.inv(whole)
    covariance: Float64 = (frames - 1) / frames * steps.T @ steps + inverse @ np.diag(spread) @ inverse
    return covariance * _few(frames)


def _few(frames: int) -> float:
    """Factor by which a covariance from few frames is widened, so that its 95 % ellipses hold.

    Quantiles of Hotelling's T squared in two dimensions, by that of the normal distribution.
    """
    known = max(frames - 1, 2)
    return float(known * (0.05 ** (-2 / (known - 1)) - 1) / (-2 * np.log(0.05)))


def _priors(free: NDArray[np.bool_], numbers: int) -> tuple[Float64, Float64]:
    """Weights of the priors of what is shared (12,), and of what a frame adds (5,)."""
    own = np.full(OWN, _HELD)
    own[list(_FREE_OWN[numbers])] = (_MATCH_PX**2 / _OWN_PRIOR**2)[list(_FREE_OWN[numbers])]
    return np.where(free, _MATCH_PX**2 / PRIOR**2, _HELD), own
