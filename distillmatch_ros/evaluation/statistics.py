"""What trials allow to say: confidence intervals, results by place, and whether one method beats another."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.evaluation.accuracy import TrialResult, area_under_recall
from distillmatch_ros.registration.probability import RIGHT_PX

RESAMPLES = 1000
LEVEL = 95.0
"""Confidence of the intervals, percent."""
_QUANTILE = 1.959964  # of the normal distribution, for that confidence
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


@dataclass(frozen=True)
class Comparison:
    """Two methods on the trials that both have.

    Attributes:
        preset: name of the preset.
        method: the one method.
        other: the other one.
        trials: trials in common.
        both: trials that both registered within 10 px.
        only_method: trials that only the one did.
        only_other: trials that only the other did.
        difference: of the fractions within 10 px, percent; above 0 if the one is better.
        difference_95: 95 % confidence interval of that.
        p: probability of so unequal numbers if the methods were equally good (McNemar's exact test).
    """

    preset: str
    method: str
    other: str
    trials: int
    both: int
    only_method: int
    only_other: int
    difference: float
    difference_95: Interval
    p: float


def grouped(trials: Sequence[TrialResult], seed: int = 0) -> list[Group]:
    """Results of each preset and method, of several places also by place.

    Trials of one pair are not independent: intervals are by bootstrap over the pairs, and for fractions no
    narrower than Wilson's for as many pairs.
    """
    groups: dict[tuple[str, str, str], list[TrialResult]] = {}
    places = {_place(trial) for trial in trials}
    for trial in trials:
        kind = trial.preset, trial.method
        groups.setdefault((*kind, ALL), []).append(trial)
        if 1 < len(places) <= len({trial.visible for trial in trials}) / 2:
            groups.setdefault((*kind, _place(trial)), []).append(trial)
    order = {key[:2]: index for index, key in reversed(list(enumerate(groups)))}
    return [
        _group(*key, groups[key], seed)
        for key in sorted(groups, key=lambda key: (order[key[:2]], key[2] != ALL, key[2]))
    ]


def compared(trials: Sequence[TrialResult], others: Sequence[TrialResult], seed: int = 0) -> list[Comparison]:
    """Compare two methods, each with one result a trial, on the trials that both have, by preset."""
    known = {_key(trial): trial for trial in others}
    common: dict[str, list[tuple[TrialResult, TrialResult]]] = {}
    for trial in trials:
        if (other := known.get(_key(trial))) is not None:
            common.setdefault(trial.preset, []).append((trial, other))
    return [_comparison(preset, pairs, seed) for preset, pairs in common.items()]


def read_trials(record: Mapping[str, Any]) -> list[TrialResult]:
    """The trials of the first method in an evaluation's JSON object.

    Raises:
        KeyError, TypeError, IndexError: it is none.
    """
    found = [TrialResult(**trial) for trial in record["trials"]]
    return [trial for trial in found if trial.method == found[0].method]


def mcnemar(first: int, second: int) -> float:
    """Two-sided exact probability that ``first + second`` split as unequally as this, if both are alike."""
    number, less = first + second, min(first, second)
    tail = sum(math.comb(number, k) for k in range(less + 1))
    return min(1.0, float(2 * tail / 2**number)) if number else 1.0


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


def _group(preset: str, method: str, place: str, trials: Sequence[TrialResult], seed: int) -> Group:
    px, pairs = _errors(trials), [trial.visible for trial in trials]
    percent, drawn = _interval(px, pairs, _under, seed)
    least, most = _wilson(percent / 100, len(set(pairs)))
    under = percent, (min(drawn[0], 100 * least), max(drawn[1], 100 * most))
    auc = _interval(px, pairs, lambda sample: area_under_recall(sample, RIGHT_PX), seed)
    return Group(preset, method, place, len(px), *under, *auc)


def _comparison(preset: str, pairs: Sequence[tuple[TrialResult, TrialResult]], seed: int) -> Comparison:
    one, other = (_errors(side) < RIGHT_PX for side in zip(*pairs, strict=True))
    better = one.astype(np.float64) - other
    names = [trial.visible for trial, _ in pairs]
    difference = _interval(better, names, lambda sample: 100 * float(sample.mean()), seed)
    only = int((one & ~other).sum()), int((other & ~one).sum())
    return Comparison(
        *(preset, pairs[0][0].method, pairs[0][1].method, len(pairs), int((one & other).sum())),
        *(*only, *difference, mcnemar(*only)),
    )


def _interval(
    values: Errors, pairs: Sequence[str], of: Callable[[Errors], float], seed: int
) -> tuple[float, Interval]:
    """A statistic of the values, and its interval: percentiles over samples of whole pairs."""
    names = {name: index for index, name in enumerate(dict.fromkeys(pairs))}
    owner = np.array([names[name] for name in pairs])
    members = [np.flatnonzero(owner == index) for index in range(len(names))]
    rng = np.random.default_rng(seed)
    drawn = [
        of(values[np.concatenate([members[index] for index in rng.integers(0, len(members), len(members))])])
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return of(values), (float(low), float(high))


def _wilson(fraction: float, number: int) -> Interval:
    """Wilson's interval of a fraction: where all pairs end alike, no sample of them differs.

    Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
    """
    square = _QUANTILE**2 / number
    middle = (fraction + square / 2) / (1 + square)
    half = math.sqrt(fraction * (1 - fraction) * square + square**2 / 4) / (1 + square)
    return middle - half, middle + half


def _under(px: Errors) -> float:
    return 100 * float(np.mean(px < RIGHT_PX))


def _errors(trials: Sequence[TrialResult]) -> Errors:
    return np.array([np.inf if trial.error_px is None else trial.error_px for trial in trials])


def _key(trial: TrialResult) -> tuple[str, str, int]:
    return re.sub(r".*/", "", trial.visible), trial.preset, trial.warp


def _place(trial: TrialResult) -> str:
    """Where a pair was taken: as given, else its name without the number at the end."""
    return trial.place or re.sub(r"[-_ ]*\d*\.\w+$", "", re.sub(r".*/", "", trial.visible))
