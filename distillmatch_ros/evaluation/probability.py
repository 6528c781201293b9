"""Fits the probability that a homography is correct to pairs with known homographies and impossible pairs.

Each aligned pair gives warped trials and negatives: its thermal image mirrored, upside down, rotated by 180
degrees, or combined with the visible image of another place. No pair of cameras can see such images, so any
homography found is wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.hostile_streams import turned
from distillmatch_ros.evaluation.impossible import same_place
from distillmatch_ros.evaluation.warped import PRESETS, Trial, read_aligned, trials
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.registration.gate import Gate
from distillmatch_ros.registration.probability import FEATURES, RIGHT_PX, ProbabilityModel, features
from distillmatch_ros.registration.quality import Quality
from distillmatch_ros.registration.registrar import Registrar

BINS = 10
FOLDS = 5
RIDGE = 1.0
"""L2 penalty on the coefficients of the standardised features, which limits overfitting on few samples."""
FEWEST, ENOUGH = 10, 50
"""Numbers of correct and of wrong homographies: the least for a fit, and the least for one without prior."""
CONSTANT = 1e-8
"""Standard deviation below which a figure is taken for constant."""
PRIOR = 10.0
"""L2 penalty on the distance from the prior's coefficients, in place of `RIDGE`."""


@dataclass(frozen=True)
class Sample:
    """One homography with its figures and its correctness.

    Attributes:
        pair: name of its pair; samples of one pair are in the same fold.
        quality: its figures.
        right: whether its corner error is below `RIGHT_PX`.
    """

    pair: str
    quality: Quality
    right: bool


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram: mean probability, fraction of correct samples, number of samples."""

    probability: float
    right: float
    samples: int


def collect(
    registrar: Registrar,
    pairs: Sequence[PairPaths],
    seed: int = 0,
    warps: int = 1,
    on_pair: Callable[[], None] = lambda: None,
) -> list[Sample]:
    """Register trials and negatives of aligned pairs with a permissive gate.

    Args:
        registrar: registrar with the network.
        pairs: aligned pairs that the network was not trained on.
        seed: seed of the trials.
        warps: trials per pair and preset.
        on_pair: called after each pair, for a progress bar.

    Raises:
        DistillMatchError: an image cannot be read, or a pair is not aligned.
    """
    samples: list[Sample] = []
    registrar = registrar.replace(gate=permissive(registrar.gate))
    for index, pair in enumerate(pairs):
        name = pair.visible.stem
        visible, thermal = read_aligned(pair)
        other, _ = read_aligned(pairs[(index + len(pairs) // 2) % len(pairs)])
        elsewhere = None if same_place(visible, other) else other
        for preset in PRESETS:
            for trial in trials(visible, thermal, name, preset, seed, warps):
                samples += _judged(registrar, name, trial.visible, trial.thermal, trial)
                for seen, heat in _impossible(trial, elsewhere):
                    samples += _judged(registrar, name, seen, heat, None)
        on_pair()
    return samples


def check_number(pairs: int, warps: int) -> None:
    """Check before anything is registered that the pairs can give enough correct homographies.

    Raises:
        DistillMatchError: they cannot.
    """
    most = pairs * warps * len(PRESETS)
    if most < FEWEST:
        raise DistillMatchError(
            f"{pairs} pairs with --warps {warps} give {most} right homographies at most, and {FEWEST} are "
            f"needed; give more pairs, or --warps {-(-FEWEST // max(1, pairs * len(PRESETS)))}"
        )


def permissive(gate: Gate) -> Gate:
    """A permissive gate, so that its thresholds do not select the samples."""
    return gate.replace(min_peak_prominence=0.0, min_inlier_ratio=0.0, min_inliers=5, min_probability=0.0)


def _impossible(trial: Trial, elsewhere: NDArray[Any] | None) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    for view in turned(trial.thermal):
        yield trial.visible, view
    if elsewhere is not None:
        yield elsewhere, trial.thermal


def _judged(
    registrar: Registrar, name: str, visible: NDArray[Any], thermal: NDArray[Any], trial: Trial | None
) -> Iterator[Sample]:
    found = registrar.register(visible, thermal)
    if found.quality is None or found.quality.peak_prominence is None:
        return  # rejected before it had any figures
    right = (
        trial is not None and found.homography is not None and trial.corner_error(found.homography) < RIGHT_PX
    )
    yield Sample(name, found.quality, right)


def fit(
    samples: Sequence[Sample], weights_sha256: str, prior: ProbabilityModel | None = None
) -> tuple[ProbabilityModel, list[Bin]]:
    """Fit the model, and measure its calibration by cross-validation over the pairs.

    Args:
        samples: at least `FEWEST` correct and as many wrong ones.
        weights_sha256: hash of the network's weights.
        prior: model whose coefficients the fit is shrunk to if there are fewer than `ENOUGH` of either kind.

    Returns:
        The model fitted to all samples, and the reliability diagram of held-out predictions.

    Raises:
        DistillMatchError: too few samples of either kind.
    """
    right = np.array([sample.right for sample in samples], np.float64)
    counts = int(right.sum()), int(len(right) - right.sum())
    if min(counts) < FEWEST:
        raise DistillMatchError(
            f"{counts[0]} right and {counts[1]} wrong homographies are too few to fit a probability to; give "
            f"more pairs, {FEWEST} of either kind are needed"
        )
    if min(counts) >= ENOUGH:
        prior = None
    figures = np.array([features(sample.quality) for sample in samples])
    fold = _folds([sample.pair for sample in samples])
    left_out = np.empty(len(samples))
    for number in range(FOLDS):
        inside = fold != number
        intercept, coefficients = _logistic(figures[inside], right[inside], prior)
        left_out[~inside] = _probabilities(figures[~inside], intercept, coefficients)
    bins = reliability(left_out, right)
    intercept, coefficients = _logistic(figures, right, prior)
    model = ProbabilityModel(
        weights_sha256=weights_sha256,
        intercept=float(intercept),
        coefficients=dict(zip(FEATURES, coefficients.tolist(), strict=True)),
        samples=len(samples),
        calibration_error=calibration_error(bins),
    )
    return model, bins


def reliability(probabilities: Float64, right: Float64) -> list[Bin]:
    """The reliability diagram over `BINS` bins of equal width; empty bins are left out."""
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return [
        Bin(float(probabilities[chosen].mean()), float(right[chosen].mean()), int(chosen.sum()))
        for chosen in (place == number for number in range(BINS))
        if chosen.any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error (Naeini et al. 2015): mean gap of the bins, weighted by their samples."""
    total = sum(one.samples for one in bins)
    return sum(one.samples * abs(one.probability - one.right) for one in bins) / total


def _folds(names: Sequence[str]) -> NDArray[np.int64]:
    """Index of the fold of each sample; samples of one pair share a fold."""
    order = {name: index for index, name in enumerate(sorted(set(names)))}
    return np.array([order[name] % FOLDS for name in names])


def _logistic(figures: Float64, right: Float64, prior: ProbabilityModel | None) -> tuple[float, Float64]:
    """Logistic regression by Newton's method, with a ridge penalty on the standardised coefficients.

    Without a prior they are drawn to 0, and the intercept is free; otherwise all to those of the prior.
    """
    mean, scale = figures.mean(axis=0), figures.std(axis=0) + 1e-9
    scale[scale < CONSTANT] = 1  # of a figure that is the same for all, rounding would be the only trace
    design = np.column_stack([(figures - mean) / scale, np.ones(len(figures))])
    ridge, centre = RIDGE * np.eye(len(FEATURES) + 1), np.zeros(len(FEATURES) + 1)
    ridge[-1, -1] = 0
    if prior is not None:
        known = np.array([prior.coefficients[name] for name in FEATURES])
        ridge, centre = PRIOR * np.eye(len(centre)), np.append(known * scale, prior.intercept + known @ mean)
    solution = centre.copy()
    for _ in range(50):
        chance = _chance(design @ solution)
        slope = design.T @ (right - chance) - ridge @ (solution - centre)
        step = np.linalg.solve((design * (chance * (1 - chance))[:, None]).T @ design + ridge, slope)
        solution += step
        if np.abs(step).max() < 1e-9:
            break
    coefficients = solution[:-1] / scale
    return float(solution[-1] - coefficients @ mean), coefficients


def _probabilities(figures: Float64, intercept: float, coefficients: Float64) -> Float64:
    return _chance(intercept + figures @ coefficients)


def _chance(odds: Float64) -> Float64:
    """Logistic function, without overflow for log-odds of any size."""
    return 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
