"""Robust least squares over what frames share and what each adds, and the covariance of what they share.

The normal equations are solved by the Schur complement over the frames' numbers (Triggs et al. 2000, section
6) with Levenberg's damping; residuals count by soft-L1.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.rig.problem import Lines, Problem, State
from distillmatch_ros.rig.projection import OWN, SHARED

USUAL_FOCAL = (2.2, 1.7)
"""Focal lengths, half widths: of a thermal and a visible lens."""
PRIOR = np.array([0.25, 0.25, 3, 3, 3, 1, 1, 0.15, 0.2, 0.2, 0.2, 0.2])
"""Standard deviations of `SHARED` by what is usual: lenses lie side by side, hardly one before another."""

_FREE_OWN = {1: (2,), 3: (0, 1, 2), 5: (0, 1, 2, 3, 4)}
"""Indices of a frame's numbers: inverse depth; plane; plane and shift."""
_OWN_PRIOR = np.array([0.3, 0.3, 3.0, 0.02, 0.02])  # standard deviations; planes rather face the camera
_MATCH_PX = 4.0  # by which matches weigh against priors, visible pixels: those of one pair share their errors
_UNIT = 30.0  # weight of the translation's length
_HELD = 1e12  # weight of the prior of a number that is not free
_ITERATIONS = 60
_ENOUGH = 1e-5  # relative gain of the cost that ends the iteration


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
            lines = Lines.of(model, state, problem.scale, relief)
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
    lines = Lines.of(model, state, problem.scale, relief)
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
