"""The geometry of a rig from matches of many frames: robust least squares.

Twelve numbers are shared by all frames (`SHARED`); a frame adds its inverse depth, its plane, or a plane and
a shift.

Some directions are hardly determined by ordinary scenes: focal lengths trade against the translation along
the axis, inverse depths and distortion, while the mapping stays the same. Weak priors hold them. Planes alone
lose fits in that valley; with much relief to begin with, they come out of it from any start, and how much
there is is found on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.geometry.homography import Float64, Points, Size
from distillmatch_ros.geometry.pose import Pose
from distillmatch_ros.rig.adjustment import PRIOR, USUAL_FOCAL, adjust, covariance_of
from distillmatch_ros.rig.metres import KNOWN, SYSTEMATIC, Scale
from distillmatch_ros.rig.model import Origin, RigModel
from distillmatch_ros.rig.problem import Problem, State
from distillmatch_ros.rig.projection import OWN, SHARED

MIN_FRAMES = 3
"""Fewest frames of a fit. With 12 of them a rig is known to about a pixel."""
MATCH_SOFT_PX, EDGE_SOFT_PX = 3.0, 0.5
"""Residuals beyond it count by their length, not its square; for matches of the network and of edges."""

MIN_DEPTHS, LEAST_DEPTHS = 5, 8
"""Fewest frames with measured depth that tell lengths; and fewest matches with depth of each."""

_MUCH_RELIEF = 8.0  # that fits begin with, see `Problem.relief`
_ROUNDS = 4  # of leaving wrong matches out, finding the relief and fitting
_WRONG = 5.0  # residuals beyond so many soft ones are wrong matches: together they pull the map inwards


@dataclass(frozen=True, eq=False)
class FrameMatches:
    """Matches of one frame.

    Attributes:
        thermal: (N, 2), thermal pixels.
        visible: (N, 2), visible pixels.
        weights: (N,); None if all count the same.
        inverse_depth: (N,), measured along the visible camera's axis, 1 / metre; NaN where unknown, None
            if it is for all.
    """

    thermal: Points
    visible: Points
    weights: Float64 | None = None
    inverse_depth: Float64 | None = None

    @property
    def has_depth(self) -> bool:
        """Whether the depth of enough matches is measured."""
        return self.inverse_depth is not None and int(np.isfinite(self.inverse_depth).sum()) >= LEAST_DEPTHS

    @property
    def without_depth(self) -> "FrameMatches":
        """The matches alone."""
        return replace(self, inverse_depth=None)


@dataclass(frozen=True, eq=False)
class Fit:
    """A rig and what each frame adds to it.

    Attributes:
        rig: the rig; in metres if depth was measured, see `Scale`.
        own: float64 (frames, 5), plane and shift of each frame; see `RigModel.on_plane`.
        cost: mean robust cost of a match, wrong ones too, square pixels of the visible image.
    """

    rig: RigModel
    own: Float64
    cost: float


def fit_rig(
    frames: Sequence[FrameMatches],
    thermal: Camera | Size,
    visible: Camera | Size,
    numbers: int = 1,
    soft_px: float = MATCH_SOFT_PX,
    start: Fit | None = None,
) -> Fit:
    """Fit a rig to the matches of its frames.

    Where enough frames have measured depth, focal lengths and the translation with its length are found by
    it; what is known of its length then is in the covariance, and in ``origins``.

    Args:
        frames: at least `MIN_FRAMES`; wrong matches may be among them.
        thermal: the thermal camera if it is calibrated, else the size of its images.
        visible: likewise.
        numbers: of a frame: 1 for its inverse depth, 3 for its plane, 5 for a plane and a shift.
        soft_px: see `MATCH_SOFT_PX`.
        start: an earlier fit to other matches of the same frames. Without it several starts are tried, and
            depth is not used.

    Raises:
        DistillMatchError: there are too few frames, or none has matches.
    """
    if sum(len(frame.thermal) > 0 for frame in frames) < MIN_FRAMES:
        raise DistillMatchError(
            f"rig: {len(frames)} frames with matches are too few; at least {MIN_FRAMES} are needed, of "
            "different scenes"
        )
    with_depth = sum(frame.has_depth for frame in frames) if start is not None else 0
    if with_depth < MIN_DEPTHS:
        frames = [frame.without_depth for frame in frames]
    problem = _problem(frames, thermal, visible)
    fixed = np.array([isinstance(thermal, Camera), isinstance(visible, Camera)])
    free = np.ones(len(SHARED), np.bool_)
    free[:2] = ~fixed
    free[8:10], free[10:12] = not fixed[0], not fixed[1]
    states = _starts(problem, thermal, visible) if start is None else [_restart(problem, start, free)]
    metres = None
    if problem.has_depth:
        metres = _metres(problem, states[0])
        problem = replace(problem, measured=problem.measured * metres)
        states += [] if start is None or start.rig.is_metric else [_turned_round(states[0])]
    relief: Float64 | float = _MUCH_RELIEF
    if problem.has_depth:
        # With relief of its own, depth would be explained away before the translation points the right way.
        relief = np.where(np.isfinite(problem.measured), 0.0, _MUCH_RELIEF)
    fits = [adjust(problem, state, free, numbers, soft_px, relief) for state in states]
    state, cost = min(fits, key=lambda fit: fit[1])
    for _ in range(_ROUNDS):
        right = problem.without_wrong(state, _WRONG * soft_px, relief)
        relief = right.relief(state)
        state, _ = adjust(right, state, free, numbers, soft_px, relief)
    covariance = covariance_of(right, state, free, numbers, soft_px, relief)
    unit = 1 / _signed_length(state) if metres is None else metres
    if metres is not None:
        longer = np.concatenate([np.zeros(5), SYSTEMATIC * state.shared[5:8], np.zeros(4)])
        covariance = covariance + np.outer(longer, longer)
    rig = _rig(state, covariance, free, thermal, visible, unit)
    if metres is None:
        return Fit(rig, _own_in(state, unit), cost)
    rig = replace(rig, origins={**rig.origins, **Scale.of(rig, with_depth).origins})
    return Fit(rig, fit_own(rig, [frame.without_depth for frame in frames], numbers, soft_px), cost)


def fit_own(
    rig: RigModel,
    frames: Sequence[FrameMatches],
    numbers: int = 1,
    soft_px: float = MATCH_SOFT_PX,
    start: Float64 | None = None,
) -> Float64:
    """What frames add to a known rig, float64 (frames, 5); see `Fit.own`."""
    own = np.zeros((len(frames), OWN)) if start is None else start
    shared = shared_of(rig)
    shared[8:] = 0  # `_problem` takes the distortion of known cameras out
    problem = _problem(frames, rig.thermal, rig.visible)
    state = State(shared, rig.T_visible_thermal.rotation, own, problem.on_planes)
    held = np.zeros(len(SHARED), np.bool_)
    return adjust(problem, state, held, numbers, soft_px)[0].own


def _problem(frames: Sequence[FrameMatches], thermal: Camera | Size, visible: Camera | Size) -> Problem:
    most = max(1, *(len(frame.thermal) for frame in frames))
    padded = np.zeros((2, len(frames), most, 2))
    weights = np.zeros((len(frames), most))
    measured = np.full((len(frames), most), np.nan)
    for index, frame in enumerate(frames):
        count = len(frame.thermal)
        for row, (points, camera) in enumerate(((frame.thermal, thermal), (frame.visible, visible))):
            padded[row, index, :count] = in_half_widths(points, camera)
        weights[index, :count] = 1.0 if frame.weights is None else frame.weights
        if frame.inverse_depth is not None:
            measured[index, :count] = frame.inverse_depth
    lost = ~np.isfinite(padded).all(axis=(0, 3))
    padded[:, lost], weights[lost] = 0, 0
    return Problem(padded[0], padded[1], weights, _size(visible)[1] / 2, measured)


def in_half_widths(points: Points, camera: Camera | Size) -> Float64:
    """Pixels relative to the centre; of a known camera as they would be without distortion."""
    if isinstance(camera, Camera):
        ideal: Float64 = camera.unproject(points)[:, :2] * np.exp(_log_focal(camera))
        return ideal
    height, width = camera
    return (np.asarray(points, np.float64) - ((width - 1) / 2, (height - 1) / 2)) / (width / 2)


def _starts(problem: Problem, thermal: Camera | Size, visible: Camera | Size) -> list[State]:
    """States to start from: cameras side by side, or one above the other."""
    flat = problem.weights.ravel() > 0
    source, target = problem.thermal.reshape(-1, 2)[flat], problem.visible.reshape(-1, 2)[flat]
    affine, _ = cv2.estimateAffinePartial2D(source, target, method=cv2.LMEDS)
    ratio = 1.0 if affine is None else float(np.clip(np.hypot(*affine[:, 0]), 0.2, 5.0))
    turn = 0.0 if affine is None else float(np.arctan2(affine[1, 0], affine[0, 0]))
    states = []
    for axis in (0, 1):
        shared = np.zeros(len(SHARED))
        shared[0] = _log_focal(thermal) if isinstance(thermal, Camera) else np.log(USUAL_FOCAL[0])
        shared[1] = _log_focal(visible) if isinstance(visible, Camera) else shared[0] + np.log(ratio)
        shared[5 + axis] = 1
        rotation = np.asarray(cv2.Rodrigues(np.array([0, 0, turn]))[0], np.float64)
        own = np.zeros((len(problem.thermal), OWN))
        states.append(State(shared, rotation, own, problem.on_planes))
    return states


def _rig(
    state: State,
    covariance: Float64,
    free: NDArray[np.bool_],
    thermal: Camera | Size,
    visible: Camera | Size,
    unit: float,
) -> RigModel:
    """The rig of a state; ``unit`` is that of its translation, in that of the state's."""
    shared = state.shared
    scale = np.ones(len(SHARED))
    scale[5:8] = unit
    deviations = np.sqrt(np.diag(covariance))
    origins: dict[str, Origin] = {
        "thermal focal length": _origin(free[0], deviations[0] < KNOWN),
        "visible focal length": _origin(free[1], deviations[1] < KNOWN),
        "thermal distortion": _origin(free[8], deviations[8] < PRIOR[8] / 2),
        "visible distortion": _origin(free[10], deviations[10] < PRIOR[10] / 2),
        "pose": "measured",
        "scale": "assumed",
    }
    return RigModel(
        visible=_camera(visible, shared[1], shared[10:12]),
        thermal=_camera(thermal, shared[0], shared[8:10]),
        T_visible_thermal=Pose(state.rotation, shared[5:8] * scale[5:8]),
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


def _restart(problem: Problem, fit: Fit, free: NDArray[np.bool_]) -> State:
    shared = shared_of(fit.rig)
    shared[8:] *= free[8:]  # `_problem` takes the distortion of known cameras out
    own, length = fit.own.copy(), float(np.linalg.norm(shared[5:8]))
    if length > 0:
        shared[5:8] /= length
        own[:, :3] *= length
    return State(shared, fit.rig.T_visible_thermal.rotation, own, problem.on_planes)


def _turned_round(state: State) -> State:
    """The state with the cameras exchanged along the line between them.

    Where planes tell that line badly, it may point the wrong way, and a fit does not turn it round.
    """
    shared, own = state.shared.copy(), state.own.copy()
    shared[5:8] *= -1
    own[:, :3] *= -1
    return replace(state, shared=shared, own=own)


def shared_of(rig: RigModel) -> Float64:
    """What frames share, (12,), by `SHARED`."""
    shared = np.zeros(len(SHARED))
    shared[:2] = _log_focal(rig.thermal), _log_focal(rig.visible)
    shared[5:8] = rig.T_visible_thermal.translation
    shared[8:10], shared[10:12] = rig.thermal.distortion[:2], rig.visible.distortion[:2]
    return shared


def _own_in(state: State, unit: float) -> Float64:
    """What frames add; see `_rig`."""
    own = state.own.copy()
    own[:, :3] /= unit
    return own


def _metres(problem: Problem, state: State) -> float:
    """About how many metres a unit of the translation has, by measured depth and the frames' planes."""
    rays = np.concatenate(
        [problem.thermal / np.exp(state.shared[0]), np.ones((*problem.weights.shape, 1))], -1
    )
    ratios = np.einsum("fmi,fi->fm", rays, state.own[:, :3]) / problem.measured
    usual = float(np.median(ratios[np.isfinite(ratios) & (problem.weights > 0)]))
    return usual if usual > 0 else 1.0


def _signed_length(state: State) -> float:
    """Length of the translation; negative where all would lie behind the cameras, which looks the same."""
    length = max(float(np.linalg.norm(state.shared[5:8])), 1e-12)
    return -length if state.own[:, 2].sum() < 0 else length


def _log_focal(camera: Camera) -> float:
    return float(np.log(camera.matrix[0, 0] / (camera.size[1] / 2)))


def _size(camera: Camera | Size) -> Size:
    return camera.size if isinstance(camera, Camera) else camera
