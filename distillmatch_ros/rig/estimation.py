"""The geometry of a rig from matches of many frames: robust least squares.

Twelve numbers are shared by all frames (`SHARED`); a frame adds its inverse depth, its plane, or a plane and
a shift. The normal equations are solved by the Schur complement over the frames' numbers (Triggs et al. 2000,
section 6) with Levenberg's damping; residuals count by soft-L1.

Some directions are hardly determined by ordinary scenes: focal lengths trade against the translation along
the axis, inverse depths and distortion, while the mapping stays the same. Weak priors hold them, and several
starts are tried, since fits get lost in that valley.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Points, Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.model import Origin, RigModel
from distillmatch_ros.rig.projection import OWN, SHARED, project

MIN_FRAMES = 3
"""Fewest frames of a fit. With 12 of them a rig is known to about a pixel."""
MATCH_SOFT_PX, EDGE_SOFT_PX = 3.0, 1.5
"""Residuals beyond it count by their length, not its square; for matches of the network and of edges."""

_FREE_OWN = {1: (2,), 3: (0, 1, 2), 5: (0, 1, 2, 3, 4)}
"""Indices of a frame's numbers: inverse depth; plane; plane and shift."""
_USUAL_FOCAL = (2.2, 1.7)  # half widths: of a thermal and a visible lens
_PRIOR = np.array([0.25, 0.25, 3, 3, 3, 1, 1, 1, 0.2, 0.2, 0.2, 0.2])  # standard deviations of `SHARED`
_OWN_PRIOR = np.array([0.3, 0.3, 3.0, 0.02, 0.02])  # likewise; planes rather face the camera
_MATCH_PX = 2.0  # standard deviation of a match, pixels of the visible image; it weighs the priors
_HELD = 1e12  # weight of the prior of a number that is not free
_ITERATIONS = 60
_ENOUGH = 1e-5  # relative gain of the cost that ends the iteration


@dataclass(frozen=True, eq=False)
class FrameMatches:
    """Matches of one frame.

    Attributes:
        thermal: (N, 2), thermal pixels.
        visible: (N, 2), visible pixels.
        weights: (N,); None if all count the same.
    """

    thermal: Points
    visible: Points
    weights: Float64 | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """A rig and what each frame adds to it.

    Attributes:
        rig: the rig.
        own: float64 (frames, 5), plane and shift of each frame; see `RigModel.on_plane`.
        cost: mean robust cost of a match, square pixels of the visible image.
    """

    rig: RigModel
    own: Float64
    cost: float


@dataclass(frozen=True, eq=False)
class _Problem:
    """Matches in half widths, padded to one number for all frames; weights are 0 where there is none."""

    thermal: Float64  # (frames, matches, 2)
    visible: Float64
    weights: Float64  # (frames, matches)
    scale: float  # visible pixels of a half width


@dataclass(frozen=True, eq=False)
class _State:
    shared: Float64
    rotation: Float64
    own: Float64


def fit_rig(
    frames: Sequence[FrameMatches],
    thermal: Camera | Size,
    visible: Camera | Size,
    numbers: int = 1,
    soft_px: float = MATCH_SOFT_PX,
    start: Fit | None = None,
) -> Fit:
    """Fit a rig to the matches of its frames.

    Args:
        frames: at least `MIN_FRAMES`; wrong matches may be among them.
        thermal: the thermal camera if it is calibrated, else the size of its images.
        visible: likewise.
        numbers: of a frame: 1 for its inverse depth, 3 for its plane, 5 for a plane and a shift.
        soft_px: see `MATCH_SOFT_PX`.
        start: an earlier fit to other matches of the same frames. Without it several starts are tried.

    Raises:
        DistillMatchError: there are too few frames, or none has matches.
    """
    if sum(len(frame.thermal) > 0 for frame in frames) < MIN_FRAMES:
        raise DistillMatchError(
            f"rig: {len(frames)} frames with matches are too few; at least {MIN_FRAMES} are needed, of "
            "different scenes"
        )
    problem = _problem(frames, thermal, visible)
    fixed = np.array([isinstance(thermal, Camera), isinstance(visible, Camera)])
    free = np.ones(len(SHARED), np.bool_)
    free[:2] = ~fixed
    free[8:10], free[10:12] = not fixed[0], not fixed[1]
    states = _starts(problem, thermal, visible) if start is None else [_restart(start, free)]
    fits = [_solve(problem, state, free, numbers, soft_px) for state in states]
    state, cost, covariance = min(fits, key=lambda fit: fit[1])
    return Fit(_rig(state, covariance, free, thermal, visible), _own_of_unit(state), cost)


def fit_own(
    rig: RigModel,
    frames: Sequence[FrameMatches],
    numbers: int = 1,
    soft_px: float = MATCH_SOFT_PX,
    start: Float64 | None = None,
) -> Float64:
    """What frames add to a known rig, float64 (frames, 5); see `Fit.own`."""
    own = np.zeros((len(frames), OWN)) if start is None else start
    shared = _shared_of(rig)
    shared[8:] = 0  # `_problem` takes the distortion of known cameras out
    state = _State(shared, rig.T_visible_thermal.rotation, own)
    held = np.zeros(len(SHARED), np.bool_)
    return _solve(_problem(frames, rig.thermal, rig.visible), state, held, numbers, soft_px)[0].own


def _problem(frames: Sequence[FrameMatches], thermal: Camera | Size, visible: Camera | Size) -> _Problem:
    most = max(1, *(len(frame.thermal) for frame in frames))
    padded = np.zeros((2, len(frames), most, 2))
    weights = np.zeros((len(frames), most))
    for index, frame in enumerate(frames):
        count = len(frame.thermal)
        for row, (points, camera) in enumerate(((frame.thermal, thermal), (frame.visible, visible))):
            padded[row, index, :count] = _in_half_widths(points, camera)
        weights[index, :count] = 1.0 if frame.weights is None else frame.weights
    lost = ~np.isfinite(padded).all(axis=(0, 3))
    padded[:, lost], weights[lost] = 0, 0
    return _Problem(padded[0], padded[1], weights, _size(visible)[1] / 2)


def _in_half_widths(points: Points, camera: Camera | Size) -> Float64:
    """Pixels relative to the centre; of a known camera as they would be without distortion."""
    if isinstance(camera, Camera):
        ideal: Float64 = camera.unproject(points)[:, :2] * np.exp(_log_focal(camera))
        return ideal
    height, width = camera
    return (np.asarray(points, np.float64) - ((width - 1) / 2, (height - 1) / 2)) / (width / 2)


def _starts(problem: _Problem, thermal: Camera | Size, visible: Camera | Size) -> list[_State]:
    """States to start from: focal lengths, directions of the translation, distortion."""
    flat = problem.weights.ravel() > 0
    source, target = problem.thermal.reshape(-1, 2)[flat], problem.visible.reshape(-1, 2)[flat]
    affine, _ = cv2.estimateAffinePartial2D(source, target, method=cv2.LMEDS)
    ratio = 1.0 if affine is None else float(np.clip(np.hypot(*affine[:, 0]), 0.2, 5.0))
    turn = 0.0 if affine is None else float(np.arctan2(affine[1, 0], affine[0, 0]))
    states = []
    for factor, axis, bend in product((0.7, 1.0, 1.5), (0, 1), (0.0, -0.2)):
        focal = np.log(factor * _USUAL_FOCAL[0])
        shared = np.zeros(len(SHARED))
        shared[0] = _log_focal(thermal) if isinstance(thermal, Camera) else focal
        shared[1] = _log_focal(visible) if isinstance(visible, Camera) else shared[0] + np.log(ratio)
        shared[5 + axis] = 1
        shared[8] = 0 if isinstance(thermal, Camera) else bend
        shared[10] = 0 if isinstance(visible, Camera) else bend
        rotation = np.asarray(cv2.Rodrigues(np.array([0, 0, turn]))[0], np.float64)
        states.append(_State(shared, rotation, np.zeros((len(problem.thermal), OWN))))
    return states


@np.errstate(over="ignore", invalid="ignore")  # a step too far; its cost is infinite or NaN
def _solve(
    problem: _Problem, state: _State, free: NDArray[np.bool_], numbers: int, soft_px: float
) -> tuple[_State, float, Float64]:
    """Levenberg-Marquardt; the state, its cost a match, and the covariance (12, 12) of what is shared."""
    usual = np.concatenate([np.log(_USUAL_FOCAL), state.shared[2:8], np.zeros(4)])
    usual = np.where(free, usual, state.shared)
    prior = np.where(free, _MATCH_PX**2 / _PRIOR**2, _HELD)
    own_prior = np.full(OWN, _HELD)
    own_prior[list(_FREE_OWN[numbers])] = (_MATCH_PX**2 / _OWN_PRIOR**2)[list(_FREE_OWN[numbers])]
    frames, most = problem.weights.shape
    cost, damping, tried = np.inf, 1e-3, state
    for _ in range(_ITERATIONS):
        model = project(tried.shared, tried.rotation, tried.own, problem.thermal)
        gaps = (problem.visible - model.places) * problem.scale
        root = np.sqrt(1 + (gaps * gaps).sum(axis=-1) / soft_px**2)
        there = float((problem.weights * 2 * soft_px**2 * (root - 1)).sum())
        there += float((prior * (tried.shared - usual) ** 2).sum() + (own_prior * tried.own**2).sum())
        if there < cost:
            gained = (cost - there) / max(there, 1e-12)
            state, cost, damping = tried, there, damping / 4
            weights = np.repeat(problem.weights / root, 2, axis=1)[..., None]
            by_shared = model.by_shared.reshape(frames, 2 * most, -1) * problem.scale
            by_own = model.by_own.reshape(frames, 2 * most, -1) * problem.scale
            weighted = np.swapaxes(by_shared * weights, 1, 2)
            missing = gaps.reshape(frames, 2 * most, 1)
            inner = np.swapaxes(by_own * weights, 1, 2) @ by_own + np.diag(own_prior)
            across = weighted @ by_own
            whole = (weighted @ by_shared).sum(axis=0) + np.diag(prior)
            pulls = (weighted @ missing)[..., 0]
            pull = pulls.sum(axis=0) - prior * (state.shared - usual)
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
        tried = _State(shared, turn @ state.rotation, state.own + own_step)
    through = across @ np.linalg.inv(inner)
    information = whole - (through @ np.swapaxes(across, 1, 2)).sum(axis=0)
    scores = pulls - np.einsum("fij,fj->fi", through, own_pull)
    return state, cost / max(problem.weights.sum(), 1e-9), _covariance(information, scores, free)


def _covariance(information: Float64, scores: Float64, free: NDArray[np.bool_]) -> Float64:
    """Covariance that counts a frame as one observation: errors of its matches resemble each other.

    Huber's sandwich, by frames (clusters), with the usual factor for few of them, and the priors' own spread.
    """
    frames = len(scores)
    factor = frames / max(frames - min(int(free.sum()), frames - 1) / 2, 1.0)
    meat = factor * scores.T @ scores + np.diag(np.where(free, _MATCH_PX**4 / _PRIOR**2, 0))
    inverse = np.linalg.inv(information)
    covariance: Float64 = inverse @ meat @ inverse
    return covariance


def _rig(
    state: _State,
    covariance: Float64,
    free: NDArray[np.bool_],
    thermal: Camera | Size,
    visible: Camera | Size,
) -> RigModel:
    shared = state.shared
    length = max(float(np.linalg.norm(shared[5:8])), 1e-12)
    scale = np.ones(len(SHARED))
    scale[5:8] = 1 / length
    deviations = np.sqrt(np.diag(covariance))
    origins: dict[str, Origin] = {
        "thermal focal length": _origin(free[0], deviations[0] < _PRIOR[0] / 2),
        "visible focal length": _origin(free[1], deviations[1] < _PRIOR[1] / 2),
        "thermal distortion": _origin(free[8], deviations[8] < _PRIOR[8] / 2),
        "visible distortion": _origin(free[10], deviations[10] < _PRIOR[10] / 2),
        "pose": "measured",
        "scale": "assumed",
    }
    return RigModel(
        visible=_camera(visible, shared[1], shared[10:12]),
        thermal=_camera(thermal, shared[0], shared[8:10]),
        T_visible_thermal=Pose(state.rotation, shared[5:8] / length),
        origins=origins,
        covariance=covariance * np.outer(scale, scale),
    )


def _origin(free: bool, determined: bool) -> Origin:
    return ("measured" if determined else "assumed") if free else "given"


def _camera(known: Camera | Size, log_focal: float, radial: Float64) -> Camera:
    if isinstance(known, Camera):
        return known
    height, width = known
    focal = np.exp(log_focal) * width / 2
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Camera(known, matrix, np.array([*radial, 0, 0]))


def _restart(fit: Fit, free: NDArray[np.bool_]) -> _State:
    shared = _shared_of(fit.rig)
    shared[8:] *= free[8:]  # `_problem` takes the distortion of known cameras out
    return _State(shared, fit.rig.T_visible_thermal.rotation, fit.own)


def _shared_of(rig: RigModel) -> Float64:
    shared = np.zeros(len(SHARED))
    shared[:2] = _log_focal(rig.thermal), _log_focal(rig.visible)
    shared[5:8] = rig.T_visible_thermal.translation
    shared[8:10], shared[10:12] = rig.thermal.distortion[:2], rig.visible.distortion[:2]
    return shared


def _own_of_unit(state: _State) -> Float64:
    """What frames add, planes in the unit of a translation of length 1."""
    own = state.own.copy()
    own[:, :3] *= np.linalg.norm(state.shared[5:8])
    return own


def _log_focal(camera: Camera) -> float:
    return float(np.log(camera.matrix[0, 0] / (camera.size[1] / 2)))


def _size(camera: Camera | Size) -> Size:
    return camera.size if isinstance(camera, Camera) else camera
