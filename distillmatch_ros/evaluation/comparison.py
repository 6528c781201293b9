"""Whether one network is better than another, by the trials that both have."""

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.engines.protocol import EngineInfo
from distillmatch_ros.evaluation.accuracy import TrialResult
from distillmatch_ros.evaluation.statistics import LEVEL, QUANTILE, Interval, errors_of
from distillmatch_ros.registration.probability import RIGHT_PX


@dataclass(frozen=True)
class Comparison:
    """Two networks on the trials that both have.

    Attributes:
        preset: name of the preset.
        method: the one network.
        other: the other one, of the earlier evaluation.
        answer: whether the one is better than the other: better, worse, or not shown by so many pairs.
        trials: trials in common.
        both: trials that both registered within 10 px.
        only_method: trials that only the one did.
        only_other: trials that only the other did.
        difference: of the fractions within 10 px, percent; above 0 if the one is better.
        difference_95: 95 % confidence interval of that.
        p: probability of so unequal numbers if the networks were equally good; see `sign_flips`.
    """

    preset: str
    method: str
    other: str
    answer: Literal["better", "worse", "not shown"]
    trials: int
    both: int
    only_method: int
    only_other: int
    difference: float
    difference_95: Interval
    p: float


@dataclass(frozen=True)
class Earlier:
    """An earlier evaluation.

    Attributes:
        model: its network.
        seed: seed of its homographies.
        trials: those of its network.
    """

    model: EngineInfo
    seed: int
    trials: Sequence[TrialResult]


def read_evaluation(path: Path) -> Earlier:
    """Read the evaluation.json of an evaluation.

    Raises:
        DistillMatchError: the file is none.
    """
    if not path.exists():
        raise DistillMatchError(f"{path}: no such file; name an evaluation.json of evaluate --out")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        model, seed = EngineInfo(**told["model"]), int(told["seed"])
        trials = [TrialResult(**trial) for trial in told["trials"]]
        return Earlier(model, seed, [trial for trial in trials if trial.method == model.config])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DistillMatchError(
            f"{path}: no evaluation ({error}); name an evaluation.json of evaluate --out"
        ) from error


def check_common(
    earlier: Earlier, visible: Sequence[str], presets: Collection[str], seed: int | None
) -> None:
    """Check before an evaluation that it will have trials of the earlier one.

    Args:
        earlier: the earlier evaluation.
        visible: the visible images as listed.
        presets: names of the presets.
        seed: of the homographies; None for pairs as they are.

    Raises:
        DistillMatchError: it will have none.
    """
    there = {(_file(trial.visible), trial.preset) for trial in earlier.trials}
    if not any((_file(name), preset) in there for name in visible for preset in presets):
        raise DistillMatchError(
            "--against: that evaluation has none of these pairs with these presets; evaluate the same ones"
        )
    if seed is not None and seed != earlier.seed:
        raise DistillMatchError(
            f"--against: that evaluation has other homographies, of --seed {earlier.seed}; pass the same seed"
        )


def compared(trials: Sequence[TrialResult], model: EngineInfo, earlier: Earlier) -> list[Comparison]:
    """Compare a network with an earlier one on the trials that both have, by preset.

    Images are the same if their files are called so, since folders move; if several are, by whole paths.

    Args:
        trials: of the network, one result a trial.
        model: the network.
        earlier: the earlier evaluation.
    """
    by_file = all(map(_tells_apart, (trials, earlier.trials)))
    known = {_key(trial, by_file): trial for trial in earlier.trials}
    common: dict[str, list[tuple[TrialResult, TrialResult]]] = {}
    for trial in trials:
        if (other := known.get(_key(trial, by_file))) is not None:
            common.setdefault(trial.preset, []).append((trial, other))
    names = _name(model), _name(earlier.model)
    return [_comparison(preset, *names, pairs) for preset, pairs in common.items()]


def sign_flips(differences: Sequence[int]) -> float:
    """Two-sided exact probability of a sum as far from 0 as that of the differences, if each had either sign.

    For differences of -1, 0 and 1 it is McNemar's exact test.
    """
    chances: NDArray[np.float64] = np.ones(1)
    for difference in filter(None, differences):
        step = np.zeros(2 * abs(difference) + 1)
        step[[0, -1]] = 0.5
        chances = np.convolve(chances, step)
    middle, far = len(chances) // 2, abs(sum(differences))
    return min(1.0, 2 * float(chances[middle + far :].sum())) if far else 1.0


def _comparison(
    preset: str, name: str, other: str, pairs: Sequence[tuple[TrialResult, TrialResult]]
) -> Comparison:
    ours, theirs = (errors_of(side) < RIGHT_PX for side in zip(*pairs, strict=True))
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    by_pair = Counter[str]()
    for better, (trial, _) in zip(ours.astype(int) - theirs, pairs, strict=True):
        by_pair[trial.visible] += int(better)
    p = sign_flips(list(by_pair.values()))
    shown = p < 1 - LEVEL / 100
    fractions = only_ours / len(pairs), only_theirs / len(pairs)
    return Comparison(
        preset=preset,
        method=name,
        other=other,
        answer="not shown" if not shown else "better" if only_ours > only_theirs else "worse",
        trials=len(pairs),
        both=int((ours & theirs).sum()),
        only_method=only_ours,
        only_other=only_theirs,
        difference=100 * (fractions[0] - fractions[1]),
        difference_95=_interval(*fractions, len(by_pair)),
        p=p,
    )


def _interval(only_ours: float, only_theirs: float, number: int) -> Interval:
    """Interval of the difference of two paired fractions of so many pairs, percent.

    Agresti and Min, Simple improved confidence intervals for comparing matched proportions, Statistics in
    Medicine 2005: half a pair is added to each of the four counts.
    """
    total = number + 2
    ours, theirs = ((number * fraction + 0.5) / total for fraction in (only_ours, only_theirs))
    middle = ours - theirs
    half = QUANTILE * math.sqrt((ours + theirs - middle**2) / total)
    return 100 * max(-1.0, middle - half), 100 * min(1.0, middle + half)


def _name(model: EngineInfo) -> str:
    """A network as it differs from others of its configuration."""
    return f"{model.config} {model.precision} {model.weights_hash[:8]}"


def _file(path: str) -> str:
    return re.sub(r".*/", "", path)


def _tells_apart(trials: Sequence[TrialResult]) -> bool:
    """Whether the visible images are of different names."""
    paths = {trial.visible for trial in trials}
    return len({_file(path) for path in paths}) == len(paths)


def _key(trial: TrialResult, by_file: bool) -> tuple[str, str, int]:
    return _file(trial.visible) if by_file else trial.visible, trial.preset, trial.warp
