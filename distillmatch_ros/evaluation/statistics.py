"""What trials allow to say of a method: confidence intervals, and results by place.

Trials of one pair are not independent, so pairs are counted: a fraction has Wilson's interval for as many
pairs, any other figure the interval of the jackknife over them.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.evaluation.accuracy import TrialResult, area_under_recall
from distillmatch_ros.registration.probability import RIGHT_PX

LEVEL = 95.0
"""Confidence of the intervals, percent."""
QUANTILE = 1.959964
"""Of the normal distribution, for that confidence."""
ALL = "all"

Errors = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Group:
    """Trials of one method on one preset, at one place or all.

    Attributes:
        preset: name of the preset.
        method: name of the method.
        place: name of the place; `ALL` for all together.
        trials: number of trials.
        under_10_px: fraction with an error below 10 px, percent.
        under_10_px_95: 95 % confidence interval of that, percent.
        auc_10: see `Score`.
        auc_10_95: 95 % confidence interval of that.
    """

    preset: str
    method: str
    place: str
    trials: int
    under_10_px: float
    under_10_px_95: Interval
    auc_10: float
    auc_10_95: Interval


def grouped(trials: Sequence[TrialResult]) -> list[Group]:
    """Results of each preset and method, of several places also by place."""
    groups: dict[tuple[str, str, str], list[TrialResult]] = {}
    places = {_place(trial) for trial in trials}
    for trial in trials:
        kind = trial.preset, trial.method
        groups.setdefault((*kind, ALL), []).append(trial)
        if 1 < len(places) <= len({trial.visible for trial in trials}) / 2:
            groups.setdefault((*kind, _place(trial)), []).append(trial)
    order = {key[:2]: index for index, key in reversed(list(enumerate(groups)))}
    return [
        _group(*key, groups[key])
        for key in sorted(groups, key=lambda key: (order[key[:2]], key[2] != ALL, key[2]))
    ]


def wilson(fraction: float, number: int) -> Interval:
    """Interval of a fraction of so many independent trials, in [0, 1].

    Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
    """
    square = QUANTILE**2 / number
    middle = (fraction + square / 2) / (1 + square)
    half = math.sqrt(fraction * (1 - fraction) * square + square**2 / 4) / (1 + square)
    return middle - half, middle + half


def jackknife(values: Errors, pairs: Sequence[str], of: Callable[[Errors], float]) -> tuple[float, float]:
    """A statistic of trials, and the half width of its interval.

    The statistic is computed without each of the pairs in turn, and its scatter multiplied by the quantile of
    Student's distribution: Tukey 1958; Miller, The jackknife, a review, Biometrika 1974.

    Args:
        values: (N,), one a trial.
        pairs: name of the pair of each.
        of: the statistic.

    Returns:
        The statistic, and the half width; 0 if all pairs are alike, or there is one.
    """
    owners = np.unique(pairs, return_inverse=True)[1]
    number = int(owners.max()) + 1
    without = np.array([of(values[owners != owner]) for owner in range(number)])
    if number == 1:
        return of(values), 0.0
    deviation = math.sqrt((number - 1) / number * float(np.sum((without - without.mean()) ** 2)))
    return of(values), student(number - 1) * deviation


def student(freedom: int) -> float:
    """Quantile of Student's distribution for `LEVEL`, by degrees of freedom.

    Within 1 % of it from two on: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = QUANTILE
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def upper_bound(count: int, number: int) -> float:
    """The greatest probability at which so few of a number of independent trials are likely, in [0, 1].

    The upper end of the exact one-sided 95 % interval: Clopper and Pearson, The use of confidence or fiducial
    limits illustrated in the case of the binomial, Biometrika 1934. 3 in 1000 for 0 of 1000.
    """
    if count >= number:
        return 1.0
    ways = [math.log(math.comb(number, k)) for k in range(count + 1)]
    low, high = count / number, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        hit, miss = math.log(middle), math.log1p(-middle)
        so_few = sum(math.exp(each + k * hit + (number - k) * miss) for k, each in enumerate(ways))
        low, high = (middle, high) if so_few > 1 - LEVEL / 100 else (low, middle)
    return high


def errors_of(trials: Sequence[TrialResult]) -> Errors:
    """Errors of the trials, (N,); infinite for a rejection."""
    return np.array([np.inf if trial.error_px is None else trial.error_px for trial in trials])


def _group(preset: str, method: str, place: str, trials: Sequence[TrialResult]) -> Group:
    px, pairs = errors_of(trials), [trial.visible for trial in trials]
    number, under = len(set(pairs)), float(np.mean(px < RIGHT_PX))
    auc, half = jackknife(px, pairs, lambda some: area_under_recall(some, RIGHT_PX))
    # Where all pairs are alike, as where all are rejected, they scatter by nothing and still prove little.
    auc_95 = (max(0.0, auc - half), min(100.0, auc + half)) if half else _percent(wilson(auc / 100, number))
    return Group(preset, method, place, len(px), 100 * under, _percent(wilson(under, number)), auc, auc_95)


def _percent(interval: Interval) -> Interval:
    return 100 * interval[0], 100 * interval[1]


def _place(trial: TrialResult) -> str:
    """Where a pair was taken: as given, else its name without the number at the end."""
    return trial.place or re.sub(r"[-_ ]*\d*\.\w+$", "", re.sub(r".*/", "", trial.visible))
