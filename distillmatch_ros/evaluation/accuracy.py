"""Accuracy of methods on warped pairs: corner error, AUC, rejections and wrong homographies."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import numpy as np
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.evaluation.truth import KnownPair, KnownTrial
from distillmatch_ros.evaluation.warped import PRESETS, RIG, Image, Preset, Trial, read_aligned, trials
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.registration.probability import RIGHT_PX
from distillmatch_ros.registration.result import Registration

Register = Callable[[Image, Image], Registration | Float64 | None]
"""Takes a visible and a thermal image; returns a registration, or the homography thermal px -> visible px, or
None (rejected)."""

P = TypeVar("P")

WRONG_PX = 20.0


@dataclass(frozen=True)
class Score:
    """Result of one method on one preset; a rejection counts as an infinite error.

    Attributes:
        method: name of the method.
        preset: name of the preset.
        trials: number of warped pairs.
        auc_3, auc_5, auc_10, auc_20: area under the recall curve up to that corner error in px, percent.
        median_px: median corner error; infinite (null in JSON) if half or more were rejected.
        under_10_px: fraction of the trials with an error below 10 px, percent.
        rejections: trials without a homography.
        wrong: homographies returned with an error above 20 px.
    """

    method: str
    preset: str
    trials: int
    auc_3: float
    auc_5: float
    auc_10: float
    auc_20: float
    median_px: Annotated[float, WithJsonSchema({"type": ["number", "null"]})]
    under_10_px: float
    rejections: int
    wrong: int

    @classmethod
    def of(cls, method: str, preset: str, errors: Sequence[float | None]) -> "Score":
        """Summarise the corner errors of all trials; None is a rejection."""
        px = np.array([np.inf if error is None else error for error in errors])
        rejections = sum(error is None for error in errors)
        return cls(
            method=method,
            preset=preset,
            trials=len(px),
            auc_3=area_under_recall(px, 3),
            auc_5=area_under_recall(px, 5),
            auc_10=area_under_recall(px, 10),
            auc_20=area_under_recall(px, 20),
            median_px=float(np.median(px)) if len(px) else np.inf,
            under_10_px=100 * float(np.mean(px < RIGHT_PX)) if len(px) else 0.0,
            rejections=rejections,
            wrong=int(np.sum(px > WRONG_PX)) - rejections,
        )


@dataclass(frozen=True)
class TrialResult:
    """Result of one method on one warped pair.

    Attributes:
        visible: the visible image as listed.
        thermal: the thermal image as listed.
        preset: name of the preset.
        warp: number of the warp, from 0.
        method: name of the method.
        error_px: corner error, reference pixels; None if rejected.
        status: its `Status`; OK or REJECTED for a method that gives a homography alone.
        probability: probability that the corner error is below 10 px; None if unknown.
        quality: figures that thresholds of the gate can be compared with, by name; None if unknown.
        place: where the pair was taken, if that is given; else empty.
    """

    visible: str
    thermal: str
    preset: str
    warp: int
    method: str
    error_px: float | None
    status: str
    probability: float | None
    quality: dict[str, float | None] | None
    place: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A pair that could not be read or is not aligned, and the reason."""

    visible: str
    thermal: str
    reason: str


@dataclass(frozen=True)
class AccuracyReport:
    """Every method on every preset over the same trials.

    Attributes:
        pairs: number of pairs, including the unreadable ones.
        warps: random homographies per pair and preset; 0 if the pairs were taken as they are.
        seed: seed of the homographies.
        scores: one per preset and method.
        trials: one per warped pair and method.
        unreadable: pairs left out.
        turned: pairs that are wrong, and right if their truth is taken the other way round.
    """

    pairs: int
    warps: int
    seed: int
    scores: tuple[Score, ...]
    trials: tuple[TrialResult, ...]
    unreadable: tuple[Unreadable, ...]
    turned: int = 0


def evaluate(
    register: Register, pairs: Sequence[PairPaths], preset: Preset = RIG, seed: int = 0, warps: int = 3
) -> Score:
    """Score one method on aligned pairs, for training and notebooks.

    Args:
        register: the method.
        pairs: aligned pairs.
        preset: range of the homographies.
        seed: see `compare`.
        warps: random homographies per pair.

    Raises:
        DistillMatchError: an image cannot be read, or a pair is not aligned.
    """
    results = [
        result
        for pair in pairs
        for result in _results({"": register}, pair, read_aligned(pair), [preset], seed, warps)
    ]
    return Score.of("", preset.name, [result.error_px for result in results])


def compare(
    methods: Mapping[str, Register],
    pairs: Sequence[PairPaths],
    presets: Sequence[Preset] = PRESETS,
    seed: int = 0,
    warps: int = 3,
    on_pair: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> AccuracyReport:
    """Score several methods on the same trials, reading every image once.

    Args:
        methods: name -> method.
        pairs: aligned pairs; unusable ones are reported and left out.
        presets: ranges of the homographies.
        seed: seed of the homographies; they depend only on it, the pair's name and the preset.
        warps: random homographies per pair and preset.
        on_pair: called after each pair, for a progress bar.
        stop: polled after each trial; True ends with those so far.
    """

    def trials_of(pair: PairPaths) -> Iterator[TrialResult]:
        return _results(methods, pair, read_aligned(pair), presets, seed, warps)

    report = _report(pairs, lambda pair: pair, trials_of, on_pair, stop)
    return replace(
        report, warps=warps, seed=seed, scores=_scores(report, methods, [preset.name for preset in presets])
    )


def compare_known(
    methods: Mapping[str, Register],
    pairs: Sequence[KnownPair],
    on_pair: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> AccuracyReport:
    """Score several methods on pairs as they are, whose registration is known; see `compare`."""
    turned: set[tuple[str, str]] = set()

    def trials_of(known: KnownPair) -> Iterator[TrialResult]:
        trial = known.trial()
        other = replace(trial, known=known.turned())
        for name, register in methods.items():
            found = register(trial.visible, trial.thermal)
            fields = _fields(found, trial)
            error, other_error = fields["error_px"], _fields(found, other)["error_px"]
            if error is not None and other_error is not None and error > WRONG_PX and other_error < RIGHT_PX:
                turned.add(known.pair.listed_as)
            yield TrialResult(*known.pair.listed_as, known.preset, 0, name, **fields, place=known.place)

    report = _report(pairs, lambda known: known.pair, trials_of, on_pair, stop)
    scores = _scores(report, methods, dict.fromkeys(each.preset for each in pairs))
    return replace(report, scores=scores, turned=len(turned))


def _report(
    pairs: Sequence[P],
    files: Callable[[P], PairPaths],
    trials_of: Callable[[P], Iterator[TrialResult]],
    on_pair: Callable[[], None],
    stop: Callable[[], bool],
) -> AccuracyReport:
    """The trials of all pairs, without scores."""
    results: list[TrialResult] = []
    unreadable = []
    begun = 0
    for pair in pairs:
        if stop():
            break
        begun += 1
        try:
            for result in trials_of(pair):
                results.append(result)
                if stop():  # many warps of one pair may take hours
                    break
        except DistillMatchError as error:
            unreadable.append(Unreadable(*files(pair).listed_as, str(error)))
        on_pair()
    return AccuracyReport(begun, 0, 0, (), tuple(results), tuple(unreadable))


def _scores(
    report: AccuracyReport, methods: Mapping[str, Register], presets: Iterable[str]
) -> tuple[Score, ...]:
    errors: dict[tuple[str, str], list[float | None]] = {
        (preset, method): [] for preset in presets for method in methods
    }
    for result in report.trials:
        errors[result.preset, result.method].append(result.error_px)
    return tuple(Score.of(method, preset, px) for (preset, method), px in errors.items())


def area_under_recall(errors: Float64, threshold: float) -> float:
    """Exact area under the recall curve of the errors from 0 to the threshold, percent of the whole.

    The curve joins the points (sorted error, fraction of errors up to it) by straight lines, starts at (0, 0)
    and runs level from the last error below the threshold, as pose AUC is computed throughout the field.

    Args:
        errors: (N,) non-negative, infinite for a rejection.
        threshold: greatest error that counts.
    """
    below = np.sort(errors[errors < threshold])
    recall = np.arange(len(below) + 1) / max(len(errors), 1)
    x = np.concatenate([[0.0], below, [threshold]])
    y = np.append(recall, recall[-1])
    return float(100 * np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / threshold)


def _results(
    methods: Mapping[str, Register],
    pair: PairPaths,
    images: tuple[Image, Image],
    presets: Sequence[Preset],
    seed: int,
    warps: int,
) -> Iterator[TrialResult]:
    for preset in presets:
        for number, trial in enumerate(trials(*images, pair.visible.stem, preset, seed, warps)):
            for name, register in methods.items():
                fields = _fields(register(trial.visible, trial.thermal), trial)
                yield TrialResult(*pair.listed_as, preset.name, number, name, **fields)


class _Fields(TypedDict):
    error_px: float | None
    status: str
    probability: float | None
    quality: dict[str, float | None] | None


def _fields(found: Registration | Float64 | None, trial: Trial | KnownTrial) -> _Fields:
    if not isinstance(found, Registration):
        status = "REJECTED" if found is None else "OK"
        return {"error_px": _error(found, trial), "status": status, "probability": None, "quality": None}
    return {
        "error_px": _error(found.homography, trial),
        "status": found.status.value,
        "probability": found.probability,
        "quality": None if found.quality is None else found.quality.record(),
    }


def _error(homography: Float64 | None, trial: Trial | KnownTrial) -> float | None:
    return None if homography is None else trial.corner_error(homography)
